"""A declared route."""

import pytest

from mainstay.http.route import Route


@pytest.mark.parametrize(
    ("route", "name"),
    [
        (Route(path="/a/{b}", function=print, methods=("GET",)), "GET /a/{b}"),
        (Route(path="/", function=print, methods=("PUT", "POST")), "PUT|POST /"),
        (Route(path="/s", function=print, kind="websocket"), "WEBSOCKET /s"),
        (Route(path="/m", function=print, kind="mount"), "MOUNT /m"),
        (Route(path="/", function=print, methods=("GET",), host="a.org"), "GET a.org/"),
    ],
)
def test_calls_are_named_by_it(route: Route, name: str) -> None:
    """For logs and metrics: by the pattern and not by the path, of which there are too many."""
    assert route.method_name == name
    assert repr(route) == f"<Route {name}>"


def test_two_routes_are_not_equal() -> None:
    """Each is declared once; tables are keyed by it."""
    one, other = (Route(path="/", function=print, methods=("GET",)) for _ in range(2))
    assert len({one, other}) == 2
