"""Exceptions that nobody is to hear of.

asyncio tells of a task or a future that has failed when nobody has asked for its exception: with a
traceback, when it is collected, in the log of whatever is done then. Whoever lets go of one that
may still fail says so.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["see"]


def see(future: asyncio.Future[Any]) -> None:
    """Ask `future`, which has ended, for its exception; a callback for `add_done_callback`."""
    if not future.cancelled():
        future.exception()
