from mainstay.http.client.bodies import Body
from mainstay.http.client.request import ClientRequest
from mainstay.http.client.urls import parse_url
from mainstay.http.headers import Headers


def test_its_repr_shows_no_secret() -> None:
    """Neither those of the URL nor those of the fields."""
    headers = Headers({"authorization": "hunter2"})
    request = ClientRequest("GET", parse_url("http://a/?token=hunter2&x=1"), headers, Body())
    assert repr(request) == "<ClientRequest GET http://a/?token=***&x=1>"
