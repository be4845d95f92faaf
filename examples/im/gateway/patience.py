"""Asking a logic that may be away for a moment: it is restarted, or was killed and comes back.

Only for what may be asked twice, which is all that a gateway asks: a message carries the client's id
of it, and marks only grow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from examples.im.api import is_away
from mainstay import Backoff, Scope
from mainstay.errors import Error

T = TypeVar("T")

_PAUSES: Final = Backoff(initial=0.05, factor=2.0, maximum=1.0, jitter=0.5)


async def patiently(ask: Callable[[], Awaitable[T]], seconds: float) -> T:
    """The answer; asked for again, while nobody answers, for some seconds.

    Raises: what `ask` raised last.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    failures = 0
    while True:
        try:
            return await ask()
        except Error as error:
            failures += 1
            pause = _PAUSES.delay(failures, Scope.current().effects.random)
            if not is_away(error) or loop.time() + pause > end:
                raise
        await asyncio.sleep(pause)
