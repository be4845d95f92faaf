"""A pytest plugin: runs tests that are coroutines.

Switch it on with ``pytest_plugins = ["mainstay.testing.plugin"]`` in the uppermost conftest.py.

An ``async def`` test runs by `mainstay.testing.run`: in a root scope, on a fresh loop, with leaked
tasks an error. Which loop, in this order:

* the test's argument ``loop_factory``, so that a test can be parametrised by loops;
* the attribute ``loop_factory`` of its class, as the contract suites have it;
* asyncio's own, in real time, if the test is marked ``real_loop``;
* otherwise a `VirtualLoop`.

Async fixtures of such a test are opened and closed in its task: see `mainstay.testing.fixtures`.

Tests that hang are ended after a while of real time, with the stack of every thread.
"""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from mainstay.testing.clock import VirtualLoop
from mainstay.testing.fixtures import call_with, pytest_fixture_setup
from mainstay.testing.running import run

__all__ = [
    "TIMEOUT",
    "TestHung",
    "pytest_configure",
    "pytest_fixture_setup",
    "pytest_pyfunc_call",
]

TIMEOUT: Final = 60.0
"""Seconds of real time for a coroutine test; ``real_loop(timeout=…)`` gives another number.
Generous, so that a slow machine passes."""

_AGAIN: Final = 5.0


class TestHung(BaseException):
    """The test did not end in time. Not an `Exception`, so that the hanging code lets it pass."""

    __test__ = False  # to pytest: not a class of tests


def pytest_configure(config: Any) -> None:
    """Tell pytest about the marker."""
    config.addinivalue_line("markers", "real_loop(timeout=60): run the coroutine in real time")


def pytest_pyfunc_call(pyfuncitem: Any) -> bool | None:
    """Run the test if it is a coroutine function; pytest runs the others.

    Raises: what the test and its async fixtures raise; TestHung.
    """
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(function).parameters}
    real = pyfuncitem.get_closest_marker("real_loop")
    factory = asyncio.new_event_loop if real is not None else VirtualLoop
    factory = getattr(pyfuncitem.cls, "loop_factory", factory)
    factory = arguments.get("loop_factory", factory)
    timeout = TIMEOUT if real is None else float(real.kwargs.get("timeout", TIMEOUT))
    with _bounded(timeout):
        main = call_with(pyfuncitem.funcargs, function, arguments)
        run(main, name=pyfuncitem.name, loop_factory=factory)
    return True


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        faulthandler.dump_traceback(sys.__stderr__ or sys.stderr, all_threads=True)
        raise TestHung(f"the test hung for {seconds:g} s of real time; the stacks are on stderr")

    previous = signal.signal(signal.SIGALRM, give_up)
    # Again and again: raised inside a task, it ends that task only.
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
