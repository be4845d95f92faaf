"""Facts about `mainstay.service.guard`; with real processes: test_hosting_signals."""

import signal
import threading
from typing import Any, NoReturn

import pytest

from mainstay import Effects
from mainstay.service.guard import CUT, Guard
from mainstay.testing import FakeProcess


class Ended(FakeProcess):
    """A process whose end ends the thread that asks for it, silently."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.ended = threading.Event()

    def exit(self, code: int) -> NoReturn:
        self.exit_code = code
        self.ended.set()
        raise SystemExit


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
class TestGuard:
    def wait_for_its_end(self) -> None:
        """Wait for the guard's thread."""
        for thread in threading.enumerate():
            if thread.name == "mainstay-guard":
                thread.join(60)
                assert not thread.is_alive()

    def test_it_ends_the_process_when_time_is_up(self, caplog: pytest.LogCaptureFixture) -> None:
        """After the stacks were logged and the log flushed."""
        process = Ended()
        flushed = []
        guard = Guard(Effects(process=process), lambda: flushed.append("flushed"))
        guard.arm(0.01)
        assert process.ended.wait(60)
        self.wait_for_its_end()
        assert process.exit_code == CUT
        assert flushed == ["flushed"]
        assert "the shutdown did not end; ending the process" in caplog.text
        assert "thread MainThread" in caplog.text

    def test_disarmed_it_does_nothing(self) -> None:
        """And its thread ends."""
        process = Ended()
        guard = Guard(Effects(process=process), lambda: None)
        guard.arm(600)
        guard.disarm()
        self.wait_for_its_end()
        assert process.exit_code is None

    def test_it_may_be_armed_in_the_middle_of_anything(self) -> None:
        """A signal handler interrupts the very call of `arm`, again and again, and nothing locks."""
        guard = Guard(Effects(process=Ended()), lambda: None)
        armed = []

        def handler(number: int, frame: object) -> None:
            guard.arm(600)
            armed.append(number)

        previous = signal.signal(signal.SIGVTALRM, handler)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0001, 0.0001)
        try:
            while len(armed) < 100:
                guard.arm(600)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, previous)
            guard.disarm()
        self.wait_for_its_end()

    def test_the_nearest_end_holds(self) -> None:
        """A forced stop brings the end forward; what comes after does not put it off."""
        process = Ended()
        guard = Guard(Effects(process=process), lambda: None)
        guard.arm(600)
        guard.arm(0.01)
        guard.arm(600)
        assert process.ended.wait(60)
        self.wait_for_its_end()
