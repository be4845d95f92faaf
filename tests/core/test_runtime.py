"""Facts about `mainstay.core.runtime`."""

import asyncio
import threading

import pytest

from mainstay.core.effects import Effects
from mainstay.core.runtime import Runtime
from mainstay.core.scope import Scope
from mainstay.errors import UsageError


async def test_it_is_about_the_loop_that_runs() -> None:
    """Loop, thread and timers are those of whoever makes it."""
    runtime = Runtime(Scope.current().effects)
    assert runtime.loop is asyncio.get_running_loop()
    assert runtime.thread == threading.get_ident()
    assert runtime.monotonic() == asyncio.get_running_loop().time()
    assert len(runtime.wheel) == 0


def test_it_needs_a_loop() -> None:
    """Outside of a loop the error says what is missing."""
    with pytest.raises(UsageError, match="while an event loop is running"):
        Runtime()


async def test_the_real_world_is_made_once() -> None:
    """Roots without effects of their own share one record."""
    assert Runtime().effects is Runtime().effects
    mine = Effects()
    assert Runtime(mine).effects is mine
