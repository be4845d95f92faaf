"""Exceptions of tasks and futures that have ended, and that nobody is to hear of.

asyncio tells of a task or a future that has failed when nobody has asked for its exception: with a
traceback, when it is collected, in the log of whatever is done then. Whoever lets go of one that
may still fail says so.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["failure_of", "see"]


def failure_of(future: asyncio.Future[Any]) -> BaseException | None:
    """What `future`, which has ended, failed with; None if it went well or was cancelled."""
    return None if future.cancelled() else future.exception()


def see(future: asyncio.Future[Any]) -> None:
    """Ask `future`, which has ended, for its exception; a callback for `add_done_callback`."""
    failure_of(future)
