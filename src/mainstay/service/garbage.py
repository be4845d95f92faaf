"""The garbage collector of a process that is one service's.

CPython looks for cycles after every 700 objects more (2,000 from 3.13 on), and now and then among
all that there are: the modules, the routes, the tables of an ORM. A service makes that many objects
in a few calls, nearly all of which go by reference counting. So what is there after the start is
not looked at any more, and the collector looks more rarely at what comes after.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["rarely_collected"]


@contextmanager
def rarely_collected(threshold: int) -> Iterator[None]:
    """Collect rarely for as long as the ``with`` block. For a process of one's own: it is about all
    that is in it.

    Args:
        threshold: objects more, after which the youngest are looked at; 0 leaves all as it is.
    """
    if not threshold:
        yield
        return
    before = gc.get_threshold()
    # Without a collection before it, which would keep the loop for some 40 ms: a start leaves
    # hardly any cycles behind.
    gc.freeze()
    gc.set_threshold(threshold, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
