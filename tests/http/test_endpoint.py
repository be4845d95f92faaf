"""A route with what its calls need."""

from mainstay.http.endpoint import Endpoint
from mainstay.http.route import Route


def test_what_the_hot_path_asks_is_at_hand() -> None:
    """Body limit, timeout and detachment are those of the route."""
    route = Route(
        path="/a", function=print, methods=("GET",), body_limit=7, timeout=3.0, detached=True
    )
    endpoint = Endpoint(route.method_name, route=route)
    assert (endpoint.body_limit, endpoint.timeout, endpoint.detached) == (7, 3.0, True)
    assert repr(endpoint) == "<Endpoint GET /a>"


def test_without_a_route_it_has_none_of_its_own() -> None:
    """As for what answers when nothing matches; each counts for itself."""
    first, second = Endpoint("unmatched"), Endpoint("unmatched")
    assert (first.body_limit, first.timeout, first.detached) == (None, None, False)
    first.counts.add(404, 0.1)
    assert second.counts.total == 0
