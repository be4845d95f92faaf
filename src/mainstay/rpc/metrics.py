"""The numbers of an RPC server as Prometheus reads them.

Names and labels are those of OpenTelemetry's semantic conventions for RPC servers (1.40), as its
exporter for Prometheus writes them; started calls and messages are those of gRPC's channelz
(grpc/proposal, A14). Built-in services count as well: one sees who asks for the health.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from mainstay.core.exposition import histogram, render
from mainstay.errors import Code
from mainstay.rpc.endpoint import RpcEndpoint

__all__ = ["rpc_metrics"]

_CODES: Mapping[int, str] = {0: "OK", **{each.value: each.name for each in Code}}


def rpc_metrics(endpoints: Iterable[RpcEndpoint], waiting: Iterable[RpcEndpoint]) -> str:
    """Everything that is counted of the calls of a server, and what it has to do now.

    Args:
        endpoints: all methods, and what counts calls of none.
        waiting: the method of each call that was begun and has not ended.
    """
    active = Counter(waiting)
    seen = [each for each in endpoints if each.counts.statuses or active[each]]
    ended = (
        ({**_name(each), "rpc_response_status_code": _CODES.get(code, str(code))}, float(number))
        for each in seen
        for code, number in sorted(each.counts.statuses.items())
    )
    streaming = [each for each in seen if not each.unary]
    return (
        histogram(
            "rpc_server_call_duration_seconds",
            "How long calls took, by method.",
            ((_name(each), each.counts) for each in seen if each.counts.statuses),
        )
        + render(
            "rpc_server_calls_started_total",
            "counter",
            "Calls begun, by method.",
            [(_name(each), each.counts.total + active[each]) for each in seen],
        )
        + render("rpc_server_calls_total", "counter", "Calls ended, by method and status.", ended)
        + render(
            "rpc_server_active_calls",
            "gauge",
            "Calls begun and not ended, by method.",
            [(_name(each), active[each]) for each in seen],
        )
        + render(
            "rpc_server_messages_received_total",
            "counter",
            "Messages of streaming calls that callers sent, by method.",
            [(_name(each), each.received) for each in streaming],
        )
        + render(
            "rpc_server_messages_sent_total",
            "counter",
            "Messages of streaming calls that were sent to callers, by method.",
            [(_name(each), each.sent) for each in streaming],
        )
    )


def _name(endpoint: RpcEndpoint) -> dict[str, str]:
    return {"rpc_system_name": "grpc", "rpc_method": endpoint.name}
