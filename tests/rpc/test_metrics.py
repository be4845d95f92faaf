"""Facts about the numbers of an RPC server."""

from mainstay.core.call import Call
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.method import Kind, MessageType, RpcMethod
from mainstay.rpc.metrics import rpc_metrics

BYTES = MessageType(name="b", python_type=bytes, decode=bytes, encode=bytes)


async def answer(call: Call) -> None:
    """A handler that is never called."""


def endpoint(name: str, kind: Kind = Kind.UNARY) -> RpcEndpoint:
    method = RpcMethod(service="zoo.v1.Keeper", name=name, kind=kind, request=BYTES, response=BYTES)
    return RpcEndpoint(method, answer)


def test_calls_are_told_by_method_and_status() -> None:
    """Begun, ended by the name of the code, and how long; silent methods are left out."""
    feed, quiet = endpoint("Feed"), endpoint("Quiet")
    feed.counts.add(0, 0.003)
    feed.counts.add(0, 0.003)
    feed.counts.add(5, 0.2)
    lines = rpc_metrics([feed, quiet], [feed]).splitlines()
    method = 'rpc_system_name="grpc",rpc_method="zoo.v1.Keeper/Feed"'
    status = "rpc_response_status_code"
    assert f'rpc_server_calls_total{{{method},{status}="OK"}} 2' in lines
    assert f'rpc_server_calls_total{{{method},{status}="NOT_FOUND"}} 1' in lines
    assert f"rpc_server_calls_started_total{{{method}}} 4" in lines
    assert f"rpc_server_active_calls{{{method}}} 1" in lines
    assert f'rpc_server_call_duration_seconds_bucket{{{method},le="0.005"}} 2' in lines
    assert f"rpc_server_call_duration_seconds_count{{{method}}} 3" in lines
    assert not any("Quiet" in line for line in lines)


def test_a_call_under_way_is_seen_before_any_has_ended() -> None:
    """A stream that lasts for hours must not be invisible until its end."""
    talk = endpoint("Talk", Kind.BIDI)
    text = rpc_metrics([talk], [talk, talk])
    method = 'rpc_system_name="grpc",rpc_method="zoo.v1.Keeper/Talk"'
    assert f"rpc_server_calls_started_total{{{method}}} 2\n" in text
    assert "_bucket" not in text


def test_messages_of_streams_are_counted() -> None:
    """Those of unary calls are as many as the calls."""
    talk, feed = endpoint("Talk", Kind.BIDI), endpoint("Feed")
    feed.counts.add(0, 0.1)
    talk.counts.add(0, 0.1)
    talk.received, talk.sent = 3, 7
    text = rpc_metrics([talk, feed], [])
    method = 'rpc_system_name="grpc",rpc_method="zoo.v1.Keeper/Talk"'
    assert f"rpc_server_messages_received_total{{{method}}} 3\n" in text
    assert f"rpc_server_messages_sent_total{{{method}}} 7\n" in text
    assert text.count("rpc_server_messages_sent_total{") == 1
