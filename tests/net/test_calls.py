"""How calls start, wait and end; what HTTP and RPC make of it is tested there."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from mainstay.core.metadata import Metadata
from mainstay.core.scope import Scope, stand_in
from mainstay.errors import DeadlineExceeded, PeerGone, UsageError
from mainstay.net.calls import SWEEP, CallRunner, ExchangeCall, as_failure, is_cancelled
from mainstay.net.exchange import Exchange
from mainstay.testing import virtual_effects
from mainstay.testing.exchange import MemoryExchange
from tests.net.memory_port import make_port

WHO: ContextVar[str] = ContextVar("who", default="nobody")


class Plain(ExchangeCall):
    """A call that notes how it was answered."""

    __slots__ = ("late", "limit")

    def __init__(self, runner: CallRunner[Any], limit: float | None = None) -> None:
        self.transport, self.method, self.request, self.stream = "test", "do", None, None
        self.exchange: Exchange = MemoryExchange()
        self.timeout, self.begun = 50.0, False
        self.limit = limit
        self._made, self._maker, self._ended = None, runner.make_scope, False
        self.late: list[Exception] = []

    def budget(self, metadata: Metadata) -> float | None:
        return self.limit


def world() -> CallRunner[Plain]:
    """A runner in virtual time."""
    loop: Any = asyncio.get_running_loop()
    scope = Scope("calls", parent=None, effects=virtual_effects(loop)).open()
    return CallRunner(
        make_port(lambda exchange: None), scope, lambda call, cause: call.late.append(cause)
    )


async def in_callback(function: Any, *args: Any) -> None:
    """Run it where no task is current, as connections do."""
    done = asyncio.get_running_loop().create_future()

    def run() -> None:
        function(*args)
        done.set_result(None)

    asyncio.get_running_loop().call_soon(run)
    await done


async def test_a_call_that_does_not_wait_is_done_at_once() -> None:
    """In the callback that began it, without a scope, in the context of the server's opening."""
    seen: list[Any] = []
    WHO.set("server")
    runner = world()
    WHO.set("somebody else")
    call = Plain(runner)

    async def work() -> None:
        seen.append(WHO.get())
        WHO.set("the call")

    def begin() -> None:
        runner.run(call, work())
        seen.append("begun")

    await in_callback(begin)
    assert seen == ["server", "begun"]
    assert (runner.tasks, call._made) == ({}, None)


async def test_a_call_that_waits_has_a_scope_and_can_be_cancelled_by_its_peer() -> None:
    """With the tighter of its own limit and its caller's."""
    runner = world()
    call = Plain(runner, 7.0)

    async def work() -> None:
        stand_in(call)
        try:
            await asyncio.sleep(5)
        finally:
            call.end()

    await in_callback(runner.run, call, work())
    [task] = runner.tasks
    assert call.scope.remaining() == 7.0
    assert call.exchange.gone is not None
    call.exchange.gone("left")
    await asyncio.wait([task])
    assert isinstance(call.scope.cause, PeerGone)
    assert runner.tasks == {}


async def test_a_detached_call_goes_on_without_its_peer() -> None:
    """Nobody is told that the peer has left."""
    runner = world()
    call = Plain(runner)
    await in_callback(lambda: runner.run(call, asyncio.sleep(1), detached=True))
    assert call.exchange.gone is None
    await asyncio.wait(list(runner.tasks))


@pytest.mark.parametrize("begun", [False, True])
async def test_a_call_that_outlives_its_deadline_is_answered_without_its_handler(
    begun: bool,
) -> None:
    """Or broken off, when its answer had begun; once, and not before its time."""
    runner = world()
    call = Plain(runner, 2.0)
    call.begun = begun

    async def work() -> None:
        for _ in range(6):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                continue

    await in_callback(runner.run, call, work())
    exchange = call.exchange
    assert isinstance(exchange, MemoryExchange)
    await asyncio.sleep(1.9 + SWEEP)
    assert (call.late, exchange.reply.broken) == ([], False)
    await asyncio.sleep(0.2 + SWEEP)
    if begun:
        assert exchange.reply.broken
    else:
        assert [type(each) for each in call.late] == [DeadlineExceeded]
        assert call.begun
    await asyncio.wait(list(runner.tasks))
    assert len(call.late) == (0 if begun else 1)


async def test_a_call_without_a_scope_is_given_up() -> None:
    """Nothing is raised into the connection, and nothing goes on that could not be stopped."""
    runner = world()
    call = Plain(runner)
    call._maker = lambda call: 1 / 0  # type: ignore[assignment]
    await in_callback(lambda: runner.run(call, asyncio.sleep(1)))
    exchange = call.exchange
    assert isinstance(exchange, MemoryExchange)
    assert exchange.reply.broken
    await asyncio.wait(list(runner.tasks))


async def test_what_a_handler_may_not_raise_is_a_fault_of_the_program() -> None:
    """Each with its cause; what is an exception stays itself."""
    error = ValueError("x")
    assert as_failure(error, None) is error
    for raised in (
        asyncio.CancelledError(),
        SystemExit(1),
        BaseExceptionGroup("g", [SystemExit()]),
    ):
        failure = as_failure(raised, None)
        assert isinstance(failure, UsageError)
        assert failure.__cause__ is raised
    scope = Scope("x", parent=None).open()
    scope.cancel()
    cancelled = asyncio.CancelledError()
    assert is_cancelled(scope)
    assert as_failure(cancelled, scope) is cancelled


async def test_a_late_answer_that_fails_keeps_nobody_else_from_theirs() -> None:
    """Its exchange is broken off, and the next look comes all the same."""
    runner = world()
    first, second = Plain(runner, 1.0), Plain(runner, 1.0)
    first.late = None  # type: ignore[assignment]  # so that answering it fails

    async def work() -> None:
        for _ in range(8):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                continue

    for call in (first, second):
        await in_callback(runner.run, call, work())
    await asyncio.sleep(2 + 2 * SWEEP)
    assert isinstance(first.exchange, MemoryExchange)
    assert first.exchange.reply.broken
    assert len(second.late) == 1
    await asyncio.wait(list(runner.tasks))
