"""What a peer did wrong on the wire."""

from __future__ import annotations

__all__ = ["WireError"]


class WireError(Exception):
    """The peer sent what cannot be understood, or more than it may.

    Args:
        status: that tells it so: 400, 413, 414, 417, 431, 501 or 505.
        message: what is wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
