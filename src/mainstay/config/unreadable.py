"""The one way in which a file's text fails to become values; it never leaves the package."""

from __future__ import annotations

__all__ = ["Unreadable"]


class Unreadable(Exception):
    """A file, or JSON text, cannot be read; `str` gives the reason and shows no content."""
