"""Facts about `mainstay.service.background`."""

import asyncio

import pytest

from mainstay import Background, Scope
from mainstay.errors import ShuttingDown
from tests.service.parts import FOR_EVER, Events


async def test_work_outlives_the_call_that_began_it() -> None:
    """Its scope is the service's, not the call's: the end of the call does not cancel it."""
    events = Events()

    async def work() -> str:
        await asyncio.sleep(5)
        events(f"done in {Scope.current().name}")
        return "result"

    with Scope("background") as holder:
        background = Background(holder)
        with Scope("call", timeout=1) as call:
            task = background.start(work(), "welcome")
            call.cancel()
        assert len(background) == 1
        assert await task == "result"
    assert events == ["done in welcome"]
    assert len(background) == 0


async def test_a_failure_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With its name; nobody need wait for the task."""

    async def work() -> None:
        raise ValueError("no")

    with Scope("background") as holder:
        Background(holder).start(work(), "welcome")
        await asyncio.sleep(1)
    assert "background work 'welcome' failed" in caplog.text
    assert "ValueError: no" in caplog.text


async def test_none_is_begun_once_the_service_cancels() -> None:
    """The coroutine is closed, so that Python does not complain about it."""

    async def work() -> None: ...

    with Scope("outer"):
        holder = Scope("background").open()
        holder.cancel(ShuttingDown("stopping"))
        with pytest.raises(ShuttingDown, match="starts no more background work"):
            Background(holder).start(work())
        holder.close()


@pytest.mark.parametrize("own", [True, False])
async def test_what_the_end_of_the_service_cuts_has_not_failed(
    own: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be told of the end by an error, which is no failure of its own; another error is."""

    async def work() -> None:
        try:
            await asyncio.sleep(FOR_EVER)
        finally:
            if own:
                raise ValueError("no")
            Scope.current().check()

    holder = Scope("background").open()
    task = Background(holder).start(work(), "letters")
    await asyncio.sleep(1)
    holder.cancel(ShuttingDown("the service has stopped"))
    await asyncio.wait([task])
    holder.close()
    told = [each.getMessage() for each in caplog.records]
    assert told == (["background work 'letters' failed"] if own else [])
