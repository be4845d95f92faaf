"""Facts about `mainstay.testing.process`."""

from __future__ import annotations

import signal

import pytest

from mainstay.errors import UsageError
from mainstay.testing import FakeProcess, ProcessExited


def test_a_signal_reaches_its_latest_handler() -> None:
    """`send` runs the handler set last; restoring brings the one before back."""
    process = FakeProcess()
    seen: list[tuple[str, int]] = []
    process.on_signal(signal.SIGTERM, lambda number: seen.append(("first", number)))
    restore = process.on_signal(signal.SIGTERM, lambda number: seen.append(("second", number)))
    process.send(signal.SIGTERM)
    restore()
    process.send(signal.SIGTERM)
    assert seen == [("second", signal.SIGTERM), ("first", signal.SIGTERM)]


def test_a_signal_without_a_handler_is_an_error() -> None:
    """A real process would have died, so the test is told."""
    process = FakeProcess()
    restore = process.on_signal(signal.SIGHUP, lambda _: None)
    restore()
    with pytest.raises(UsageError, match="SIGHUP"):
        process.send(signal.SIGHUP)


def test_an_ignored_signal_does_nothing() -> None:
    """A signal that the parent had set to be ignored is ignored until it gets a handler."""
    process = FakeProcess(ignored=[signal.SIGHUP])
    process.send(signal.SIGHUP)
    assert process.is_ignored(signal.SIGHUP)
    process.on_signal(signal.SIGHUP, lambda _: None)
    assert not process.is_ignored(signal.SIGHUP)


def test_exit_raises_and_is_recorded() -> None:
    """`exit` never returns, and the test reads the code."""
    process = FakeProcess()
    with pytest.raises(ProcessExited) as caught:
        process.exit(124)
    assert caught.value.code == process.exit_code == 124


def test_the_repr_is_one_line_of_state() -> None:
    """Pid, handled signals and exit code are visible."""
    process = FakeProcess(pid=7, terminal=True)
    process.on_signal(signal.SIGTERM, lambda _: None)
    assert process.has_terminal()
    assert process.handled == {signal.SIGTERM}
    assert repr(process) == "<FakeProcess 7 handles SIGTERM>"
