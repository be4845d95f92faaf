"""Ports for processes that bind them a while after they were chosen."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from itertools import cycle

# Below those that the kernel hands out by itself: to whoever asks for port 0, and to clients.
_RANGE = range(20_000, 32_000)
_START = os.getpid() * 127 % len(_RANGE)
_candidates: Iterator[int] = cycle((*_RANGE[_START:], *_RANGE[:_START]))


def free_port() -> int:
    """A port that nobody has, and that nobody gets by chance; another one each time."""
    for port in _candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is always another candidate")
