"""The numbers of an HTTP server as Prometheus reads them (text format 0.0.4).

Names and labels are those of OpenTelemetry's semantic conventions for HTTP servers, as its exporter
for Prometheus writes them, so dashboards made for it fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from mainstay.http.endpoint import Endpoint

__all__ = ["CONTENT_TYPE", "render", "server_metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_DURATION: Final = "http_server_request_duration_seconds"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def render(
    name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> str:
    """One metric: its help, its type, and a line a sample.

    Args:
        name: in snake case, with its unit.
        kind: ``counter`` or ``gauge``.
        text: what it is, one line.
        samples: labels and value each.
    """
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def server_metrics(endpoints: Iterable[Endpoint], connections: int, in_flight: int) -> str:
    """Everything that is counted of the calls of a server, and what it has to do now."""
    called = [each for each in endpoints if each.counts.statuses]
    parts = [
        f"# HELP {_DURATION} How long calls took, by route.",
        f"# TYPE {_DURATION} histogram",
    ]
    for endpoint in called:
        parts += _histogram(endpoint)
    statuses = (
        ({**_route_of(each), "http_response_status_code": str(status)}, float(number))
        for each in called
        for status, number in sorted(each.counts.statuses.items())
    )
    return (
        "\n".join(parts)
        + "\n"
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


def _histogram(endpoint: Endpoint) -> Iterator[str]:
    route = _route_of(endpoint)
    for bound, number in endpoint.counts.cumulated():
        yield f"{_DURATION}_bucket{_labels({**route, 'le': bound})} {number}"
    yield f"{_DURATION}_sum{_labels(route)} {endpoint.counts.seconds!r}"
    yield f"{_DURATION}_count{_labels(route)} {endpoint.counts.total}"


def _route_of(endpoint: Endpoint) -> dict[str, str]:
    method, _, path = endpoint.method_name.partition(" ")
    return {"http_request_method": method if path else "_OTHER", "http_route": path or "unmatched"}


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
