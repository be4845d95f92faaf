"""Facts about `mainstay.service.dispatch`."""

import asyncio
from typing import Any

import pytest

from mainstay import Call, Scope
from mainstay.errors import DeadlineExceeded, Unimplemented
from mainstay.service.dispatch import Dispatcher
from mainstay.service.local import LocalStream
from tests.service.parts import FOR_EVER


async def remaining(call: Call) -> float:
    """How long the handler has."""
    return Scope.current().remaining()


async def hanging(call: Call) -> None:
    """Never answers."""
    await asyncio.sleep(FOR_EVER)


async def dispatch(dispatcher: Dispatcher, method: str, **more: Any) -> Any:
    """One call."""
    stream = more.pop("stream", None)
    with Scope("call", **more) as scope:
        return await dispatcher(Call("test", method, scope, None, stream))


async def test_a_call_without_a_deadline_gets_one() -> None:
    """The handler's scope has it."""
    assert await dispatch(Dispatcher({"m": remaining}, 30), "m") == 30


async def test_the_default_deadline_cuts_a_call() -> None:
    """The error names the method and the seconds."""
    with pytest.raises(DeadlineExceeded, match="'m' was given 30 s"):
        await dispatch(Dispatcher({"m": hanging}, 30), "m")


@pytest.mark.parametrize("timeout", [5, 500])
async def test_a_call_with_a_deadline_keeps_its_own(timeout: float) -> None:
    """A longer one too: the caller knows better."""
    assert await dispatch(Dispatcher({"m": remaining}, 30), "m", timeout=timeout) == timeout


async def test_streams_and_services_without_a_default_have_none() -> None:
    """A stream may be meant to last."""
    infinite = float("inf")
    assert await dispatch(Dispatcher({"m": remaining}, None), "m") == infinite
    stream = LocalStream()
    assert await dispatch(Dispatcher({"m": remaining}, 30), "m", stream=stream) == infinite


async def test_an_unknown_method_is_told_the_nearest() -> None:
    """A typing error is found at a glance; an entirely different name gets no guess."""
    dispatcher = Dispatcher({"hello": remaining}, 30)
    with pytest.raises(Unimplemented, match="nothing answers to 'hallo'; there is 'hello'"):
        await dispatch(dispatcher, "hallo")
    with pytest.raises(Unimplemented, match=r"nothing answers to 'xyz'$"):
        await dispatch(dispatcher, "xyz")
    assert dispatcher.in_flight == 0


async def test_calls_in_flight_are_counted() -> None:
    """Until they have ended, well or not, and whoever waits is told."""
    dispatcher = Dispatcher({"m": hanging}, 30)
    calls = [
        asyncio.ensure_future(dispatch(dispatcher, "m", timeout=timeout)) for timeout in (3, 7)
    ]
    await asyncio.sleep(1)
    assert dispatcher.in_flight == 2
    idle = [asyncio.ensure_future(dispatcher.wait_idle()) for _ in range(2)]
    await asyncio.sleep(4)
    assert dispatcher.in_flight == 1
    assert not any(waiting.done() for waiting in idle)
    await asyncio.wait([*calls, *idle])
    assert dispatcher.in_flight == 0
    for call in calls:
        assert isinstance(call.exception(), DeadlineExceeded)


async def test_waiting_for_idle_does_not_wait_when_nothing_is_in_flight() -> None:
    """It returns at once."""
    await Dispatcher({}, None).wait_idle()
