"""What a process that the service forks may not keep: sockets and locks that speak for the service.

A fork without an exec (``os.fork``, ``multiprocessing`` with its method ``fork``) copies every
descriptor, whatever its close-on-exec flag says. With a copy of a listening socket alive, the port
stays taken, and connections wait in a queue that nobody reads; with a copy of a lock, the service
seems to run; with one of a channel, the other side never sees its end. So a holder of such things
says which they are, and the child lets go of them as the first thing it does.

In the child each becomes the null device, under the same number: if it were closed, the number
would soon mean something else, which the objects that the child has copied as well would close.
What a child starts by exec is not concerned: these descriptors are closed on exec.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakSet

__all__ = ["Holder", "keep_from_forks"]


class Holder(Protocol):
    """Has descriptors that are this process's alone."""

    def descriptors(self) -> Iterable[int]:
        """Those that are open now, called in the forked child; it must touch no event loop."""


_holders: Final = WeakSet[Holder]()
_hooked = False


def keep_from_forks(holder: Holder) -> None:
    """Let no process that is forked from this one keep what `holder` has, as long as that lives."""
    global _hooked  # noqa: PLW0603 - a hook cannot be taken back, so there is one for the process
    _holders.add(holder)
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(after_in_child=_let_go)


def _let_go() -> None:
    found: list[int] = []
    for holder in list(_holders):
        # One that was caught in the middle of a change must not keep the others' open.
        with suppress(Exception):
            found += holder.descriptors()
    _holders.clear()
    if not found:
        return
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        # No descriptor left, or no /dev here: better a number that is free than a copy that lives.
        for each in found:
            with suppress(OSError):
                os.close(each)
        return
    for each in found:
        with suppress(OSError):
            os.dup2(null, each, inheritable=False)
    os.close(null)
