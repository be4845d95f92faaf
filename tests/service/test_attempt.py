"""Facts about `mainstay.service.attempt`."""

import asyncio

import pytest

from mainstay import Scope
from mainstay.errors import Cancelled, ShuttingDown
from mainstay.service.attempt import attempt
from tests.service.parts import FOR_EVER


async def hanging() -> None:
    """Never ends."""
    await asyncio.sleep(FOR_EVER)


async def test_success_and_failure_are_answers() -> None:
    """None, or the error itself."""
    error = ValueError("no")

    async def fail() -> None:
        raise error

    async def work() -> str:
        return "dropped"

    assert await attempt(work) is None
    assert await attempt(fail) is error


async def test_a_cancellation_that_nobody_sent_is_a_failure() -> None:
    """It keeps the stray one as its cause, for the log."""
    other = asyncio.ensure_future(hanging())

    async def wait() -> None:
        asyncio.get_running_loop().call_later(1, other.cancel)
        await other

    failure = await attempt(wait)
    assert isinstance(failure, Cancelled)
    assert isinstance(failure.__cause__, asyncio.CancelledError)


async def test_a_cancelled_scope_is_no_failure() -> None:
    """The cancellation goes through, and the scope makes its cause of it."""
    with pytest.raises(ShuttingDown), Scope("work") as scope:
        asyncio.get_running_loop().call_later(1, scope.cancel, ShuttingDown("it stops"))
        await attempt(hanging)


async def test_a_cancelled_task_is_no_failure() -> None:
    """By whoever holds it."""
    task = asyncio.ensure_future(attempt(hanging))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
