"""A call by HTTP and the scope that it has only if somebody asks."""

import asyncio

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import PeerGone
from mainstay.http.call import HttpCall
from mainstay.http.route import Route
from mainstay.testing.exchange import MemoryExchange

ROUTE = Route(path="/a/{b}", function=print, methods=("GET",))


def make(made: list[HttpCall] | None = None, scope: Scope | None = None) -> HttpCall:
    def maker(call: HttpCall) -> Scope:
        assert made is not None
        made.append(call)
        return Scope("made", parent=None)

    exchange = MemoryExchange("GET", "/a/7?c=d")
    return HttpCall("http", ROUTE.method_name, scope or maker, exchange, ROUTE, {"b": 7})


async def test_the_request_is_made_once() -> None:
    """When it is first asked for, from the exchange and the parameters of the path."""
    call = make(scope=Scope("given"))
    assert call.request is call.request
    assert call.request.query["c"] == "d"
    assert call.request.params == {"b": 7}


async def test_a_scope_that_was_given_is_its_scope() -> None:
    """Whoever gave it opens and closes it."""
    given = Scope("given")
    assert make(scope=given).scope is given


async def test_its_scope_is_made_when_asked_for() -> None:
    """Once, and it cancels the task that asked."""
    made: list[HttpCall] = []
    call = make(made)
    assert made == []

    async def work() -> None:
        assert call.scope is call.scope
        assert made == [call]
        call.scope.cancel(PeerGone("nobody waits"))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())


async def test_a_call_that_waits_can_be_stopped() -> None:
    """`wait_with` is told the task; a peer that leaves cancels it, and says why."""
    made: list[HttpCall] = []
    call = make(made)
    task = asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    call.wait_with(task)
    assert made == [call]
    call.left("the peer closed the connection")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(call.scope.cause, PeerGone)


async def test_after_its_end_the_scope_holds_no_task() -> None:
    """Who asks late, such as a log, gets a scope, and the asking task is not adopted."""
    made: list[HttpCall] = []
    call = make(made)
    call.end()
    scope = call.scope
    scope.cancel(PeerGone("late"))
    await asyncio.sleep(0)  # would raise, were this task the scope's
    assert made == [call]
