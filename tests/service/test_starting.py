"""Facts about `mainstay.service.starting`."""

import asyncio
import threading
from contextlib import suppress

import pytest

from mainstay import Scope
from mainstay.errors import DeadlineExceeded, ShuttingDown, StartError
from mainstay.service.starting import CLEANUP, step
from tests.service.parts import FOR_EVER, Events, Stubborn, now, released, stall
from tests.unseen import listen


async def hanging() -> None:
    """Never ends."""
    await asyncio.sleep(FOR_EVER)


async def test_a_step_has_its_own_scope_and_deadline() -> None:
    """Its result is the step's; what it opened in its scope is over when it returns."""

    async def work() -> tuple[str, float]:
        return Scope.current().name, Scope.current().remaining()

    assert await step(Scope.current(), "hook 'h'", 7, work) == ("hook 'h'", 7)
    assert Scope.current().children() == []


async def test_its_failure_is_named_and_keeps_its_cause() -> None:
    """For the log and for the exit."""

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(StartError, match="hook 'h' could not be started: no") as caught:
        await step(Scope.current(), "hook 'h'", 7, fail)
    assert caught.value.component == "hook 'h'"
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_step_that_hangs_is_given_up_and_cleans_up() -> None:
    """After its timeout; the cleanup is waited for, for up to `CLEANUP` seconds."""
    events = Events()

    async def work() -> None:
        try:
            await hanging()
        finally:
            await asyncio.sleep(0.3)
            events("cleaned up")

    with pytest.raises(StartError, match="7 s") as caught:
        await step(Scope.current(), "h", 7, work)
    assert isinstance(caught.value.__cause__, DeadlineExceeded)
    assert events.times["cleaned up"] == pytest.approx(7.3, abs=0.02)


async def test_on_a_virtual_clock_it_says_what_may_be_wrong() -> None:
    """A driver's thread of its own is not seen, and the clock jumps over what it does."""
    loop = asyncio.get_running_loop()
    done, given_up = asyncio.Event(), threading.Event()

    def drive() -> None:
        given_up.wait()
        loop.call_soon_threadsafe(done.set)

    thread = threading.Thread(target=drive)
    thread.start()
    with pytest.raises(StartError, match=r"60 s, which are over; the clock is virtual.*real_loop"):
        await step(Scope.current(), "resource 'database'", 60, done.wait)
    given_up.set()
    await done.wait()
    thread.join()


@pytest.mark.real_loop
async def test_on_a_real_clock_it_speaks_of_none() -> None:
    """Only of the time that is over."""
    with pytest.raises(StartError, match=r"0\.01 s, which are over$"):
        await step(Scope.current(), "h", 0.01, hanging)


async def test_a_step_that_never_ends_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Its stack is in the log, and it is cancelled again and again."""
    async with released(Stubborn()) as stubborn:
        with pytest.raises(StartError, match="7 s"):
            await step(Scope.current(), "h", 7, stubborn.hold)
        assert now() == pytest.approx(7 + CLEANUP, abs=0.02)
        assert "h does not end and is left behind:\n" in caplog.text
        assert "Stubborn.hold" in caplog.text
        await asyncio.sleep(10)
        assert stubborn.cancellations > 10


async def test_a_cancellation_from_within_is_a_failure() -> None:
    """And one from outside is none: it goes through, when the step has ended."""

    async def stray() -> None:
        raise asyncio.CancelledError

    with pytest.raises(StartError, match="something that it waited for was cancelled"):
        await step(Scope.current(), "h", 7, stray)

    events = Events()

    async def work() -> None:
        try:
            await hanging()
        finally:
            events("ended")

    waiting = asyncio.ensure_future(step(Scope.current(), "h", 7, work))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert events == ["ended"]


@pytest.mark.parametrize(
    ("error", "logged"), [(ShuttingDown("the parent ends"), False), (ValueError("no"), True)]
)
async def test_what_fails_as_it_is_given_up_is_seen(
    error: Exception, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What it waited for may end in the same moment; only a failure of its own is worth a line.

    The loop would speak of an exception that nobody has asked for, with its traceback.
    """
    complaints = listen()

    async def work() -> None:
        try:
            await hanging()
        except asyncio.CancelledError as cancelled:
            raise error from cancelled

    waiting = asyncio.ensure_future(step(Scope.current(), "hook 'h'", 7, work))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    with pytest.raises(StartError, match="7 s"):
        await step(Scope.current(), "hook 'h'", 7, work)
    said = [each.getMessage() for each in caplog.records]
    assert said == ["hook 'h' failed after it was given up"] * (2 if logged else 0)
    caplog.clear()  # its records hold the errors
    assert complaints() == []


async def test_what_fails_in_the_moment_in_which_the_start_is_given_up_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It has ended before it could be cancelled, and nobody else asks for its error."""
    complaints = listen()
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise ValueError("no")

    waiting = asyncio.ensure_future(step(Scope.current(), "hook 'h'", 7, work))
    await asyncio.sleep(1)
    gate.set()
    await asyncio.sleep(0)  # it has failed, and whoever waits for it does not know yet
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert [each.getMessage() for each in caplog.records] == [
        "hook 'h' failed after it was given up"
    ]
    caplog.clear()
    assert complaints() == []


async def test_what_fails_after_it_was_left_behind_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its stack was in the log; how it ended is there, too."""
    complaints = listen()
    gate = asyncio.Event()

    async def work() -> None:
        while not gate.is_set():
            with suppress(asyncio.CancelledError):
                await gate.wait()
        raise ValueError("no")

    with pytest.raises(StartError, match="7 s"):
        await step(Scope.current(), "hook 'h'", 7, work)
    assert "left behind" in caplog.text
    caplog.clear()
    gate.set()
    await asyncio.sleep(1)
    assert [each.getMessage() for each in caplog.records] == [
        "hook 'h' failed after it was given up"
    ]
    caplog.clear()
    assert complaints() == []


async def test_a_machine_that_stalls_is_no_reason_to_blame_a_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its time to end is over before it could take a step; it would, in a few turns."""

    async def work() -> None:
        try:
            await hanging()
        finally:
            stall(1000)
            for _ in range(5):
                with suppress(asyncio.CancelledError):  # it is told again, as it is late
                    await asyncio.sleep(0)

    waiting = asyncio.ensure_future(step(Scope.current(), "hook 'h'", 7, work))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert "left behind" not in caplog.text
