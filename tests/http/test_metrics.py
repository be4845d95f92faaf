"""The numbers of a server in Prometheus' text format."""

from mainstay.http.endpoint import Endpoint
from mainstay.http.metrics import server_metrics


def test_a_server_tells_calls_by_route() -> None:
    """A histogram and a counter a route, and what goes on now; silent routes are left out."""
    busy, quiet = Endpoint("GET /users/{id}"), Endpoint("POST /users")
    lost = Endpoint("unmatched")
    busy.counts.add(200, 0.003)
    busy.counts.add(500, 20.0)
    lost.counts.add(404, 0.001)
    text = server_metrics([busy, quiet, lost], connections=7, in_flight=2)
    route = 'http_request_method="GET",http_route="/users/{id}"'
    lines = text.splitlines()
    name = "http_server_request_duration_seconds"
    assert f'{name}_bucket{{{route},le="0.005"}} 1' in lines
    assert f'{name}_bucket{{{route},le="+Inf"}} 2' in lines
    assert f"{name}_sum{{{route}}} 20.003" in lines
    assert f"{name}_count{{{route}}} 2" in lines
    assert f'http_server_responses_total{{{route},http_response_status_code="500"}} 1' in lines
    assert 'http_route="unmatched"' in text
    assert "POST" not in text
    assert "http_server_active_requests 2" in lines
    assert "http_server_open_connections 7" in lines
