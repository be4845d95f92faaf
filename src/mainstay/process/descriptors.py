"""Whether a process may open what a service needs, before anything fails for it half way."""

from __future__ import annotations

import os
import resource
from typing import Final

from mainstay.errors import ResourceError

__all__ = ["FEWEST", "check_descriptors"]

FEWEST: Final = 24
"""Descriptors that have to be free: an event loop, its wake-ups, control and listening sockets, a
child with its channel, and some modules to import take 16; the rest is for clients."""


def check_descriptors(fewest: int = FEWEST) -> None:
    """See that this process may open so many files. Raises: ResourceError, which says what to do."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit - _open() >= fewest:
        return
    raise ResourceError(
        f"this process may have {limit} open files, and has {_open()}; a service needs {fewest} "
        "more, and one for each connection: raise the limit, with ulimit -n or systemd's LimitNOFILE="
    )


def _open() -> int:
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - the number only
    except OSError:
        return 3
