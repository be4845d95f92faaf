"""The numbers of an HTTP server as Prometheus reads them.

Names and labels are those of OpenTelemetry's semantic conventions for HTTP servers, as its exporter
for Prometheus writes them, so dashboards made for it fit.
"""

from __future__ import annotations

from collections.abc import Iterable

from mainstay.core.exposition import histogram, render
from mainstay.http.endpoint import Endpoint

__all__ = ["server_metrics"]


def server_metrics(endpoints: Iterable[Endpoint], connections: int, in_flight: int) -> str:
    """Everything that is counted of the calls of a server, and what it has to do now."""
    called = [each for each in endpoints if each.counts.statuses]
    statuses = (
        ({**_route_of(each), "http_response_status_code": str(status)}, float(number))
        for each in called
        for status, number in sorted(each.counts.statuses.items())
    )
    return (
        histogram(
            "http_server_request_duration_seconds",
            "How long calls took, by route.",
            ((_route_of(each), each.counts) for each in called),
        )
        + render("http_server_responses_total", "counter", "Calls, by route and status.", statuses)
        + render(
            "http_server_active_requests", "gauge", "Calls begun and not ended.", [({}, in_flight)]
        )
        + render(
            "http_server_open_connections",
            "gauge",
            "Open connections, idle ones too.",
            [({}, connections)],
        )
    )


def _route_of(endpoint: Endpoint) -> dict[str, str]:
    method, _, path = endpoint.method_name.partition(" ")
    return {"http_request_method": method if path else "_OTHER", "http_route": path or "unmatched"}
