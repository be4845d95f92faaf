"""What an event loop tells of exceptions that nobody has asked for."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

__all__ = ["listen"]


def listen() -> Callable[[], list[str]]:
    """Have the running loop complain to us from now on; returns what gives all its complaints.

    Those come when a task or a future is collected, so the caller must hold none of its own.
    """
    told: list[str] = []

    def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        told.append(f"{context['message']}: {context.get('exception')!r}")

    def complaints() -> list[str]:
        gc.collect()
        return told

    asyncio.get_running_loop().set_exception_handler(note)
    return complaints
