"""Waiting for what other processes do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds for what takes a moment, on a machine that is busy."""


def wait_until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Look again and again until it holds. Raises: TimeoutError."""
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("it does not come about")
        threading.Event().wait(0.01)
