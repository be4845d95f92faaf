"""A server that ends a call because its time is over."""

import asyncio

import pytest

from mainstay.rpc.client.failures import CancelledFailure, DeadlineExceededFailure, RpcFailed
from mainstay.wire.http2 import ErrorCode
from tests.rpc.client.world import World, settle, unary


@pytest.mark.parametrize(
    ("after", "expected"), [(0.5, CancelledFailure), (2.0, DeadlineExceededFailure)]
)
async def test_a_cancellation_at_the_end_of_a_calls_time_is_its_end(
    after: float, expected: type[RpcFailed]
) -> None:
    """Servers count the time as well, and some reset the stream at its end (as grpc-go does); our
    own timer, which is a coarse one, need not have been first."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        call = asyncio.create_task(unary(channel)(b"q", timeout=2.0))
        await settle()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def cancel() -> None:
            world.side.engine.reset(1, ErrorCode.CANCEL)
            world.side.flush()
            done.set_result(None)

        loop.call_later(after - 0.001, cancel)
        await done
        with pytest.raises(expected):
            await call
        await settle()
        assert world.side.resets == {}
