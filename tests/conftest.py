"""Coroutine tests run in virtual time; see `mainstay.testing.plugin`."""

from __future__ import annotations

import gc
import signal
from collections.abc import Generator
from typing import Final

import pytest

pytest_plugins = ["mainstay.testing.plugin"]

FAULTS: Final = frozenset(
    {
        "cli/test_drain.py",
        "cli/test_hosted.py",
        "cli/test_restart.py",
        "cli/test_scale.py",
        "cli/test_status.py",
        "cli/test_stop.py",
        "cli/test_workers.py",
        "process/test_daemon.py",
        "process/test_generations.py",
        "process/test_handover.py",
        "process/test_pool.py",
        "process/test_reaper.py",
        "process/test_replacement.py",
        "process/test_restarts.py",
        "process/test_supervisor.py",
        "process/test_supervisor_signals.py",
        "service/test_succession.py",
        "service/test_succession_streams.py",
    }
)
"""What starts processes of its own and takes seconds a test: for `make faults`, not `make test`."""


def pytest_configure() -> None:
    """Let the processes of the tests hear Ctrl-C, QUIT and a hang-up, though whoever runs the tests in the
    background of a shell, or by nohup, has them ignored: programs inherit that, and no handlers."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in `FAULTS`."""
    for item in items:
        if "/".join(item.path.parts[-2:]) in FAULTS:
            item.add_marker(pytest.mark.faults)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the collector from looking at ten thousand tests again and again as they are made."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Hide thousands of collected tests from the collector: benches and tests for leaks ask it for
    full runs, again and again, which took half of the suite's time."""
    gc.collect()
    gc.freeze()
