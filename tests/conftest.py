"""How tests that are coroutines run: see `pytest_pyfunc_call`."""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from mainstay.testing import VirtualLoop, run

# Real seconds. Generous: a slow machine passes, a hanging test does not hang the suite.
TIMEOUT = 20.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def`` tests on a `VirtualLoop`, or on a real one if marked ``real_loop`` (which
    takes ``timeout=`` in seconds).

    Either way in a root scope, with leaked tasks an error, and for no longer than a real timeout
    after which every thread's stack is printed.
    """
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = inspect.signature(function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    real = pyfuncitem.get_closest_marker("real_loop")
    timeout = TIMEOUT if real is None else float(real.kwargs.get("timeout", TIMEOUT))
    with _bounded(timeout):
        run(
            function(**arguments),
            name=pyfuncitem.name,
            loop_factory=VirtualLoop if real is None else asyncio.new_event_loop,
        )
    return True


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        faulthandler.dump_traceback(sys.__stderr__ or sys.stderr, all_threads=True)
        pytest.fail(f"the test hung for {seconds:g} s of real time; the stacks are on stderr")

    previous = signal.signal(signal.SIGALRM, give_up)
    # Again and again, since a failure raised inside a task may be swallowed there.
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
