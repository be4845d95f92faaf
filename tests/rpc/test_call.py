"""A call of a method, apart from protocols."""

from typing import Any

from mainstay.rpc.call import RpcCall
from tests.rpc.grpc_world import World


async def test_a_call_knows_what_is_called_and_by_whom() -> None:
    """In the words that logs and middleware use, whatever the protocol."""
    seen: list[Any] = []

    async def answer(call: Any) -> bytes:
        assert isinstance(call, RpcCall)
        seen.append((call.transport, call.method, call.request, call.stream))
        seen.append(getattr(call.scope.peer, "address", None))
        seen.append(call.head[b"te"])
        assert call.initial_metadata is call.initial_metadata
        assert call.trailing_metadata == []
        return b""

    world = World(answer)
    world.call(b"x")
    assert (await world.settled()).status == 0
    assert seen == [("grpc", "test.Service/Do", b"x", None), "10.0.0.7:5", b"trailers"]
