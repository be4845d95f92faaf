"""A module that is imported only to find the service in it: that service must not run meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from mainstay.errors import UsageError

__all__ = ["importing", "refuse_to_run"]

_importing: Final = ContextVar("mainstay_importing", default=False)


@contextmanager
def importing() -> Iterator[None]:
    """Hold the services back that would run inside of the block."""
    token = _importing.set(True)
    try:
        yield
    finally:
        _importing.reset(token)


def refuse_to_run() -> None:
    """Raises: UsageError inside of `importing`, where a running service would never let go."""
    if _importing.get():
        raise UsageError(
            "run() would run the service while its module is imported; keep it under "
            "`if __name__ == '__main__':`"
        )
