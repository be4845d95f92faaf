"""What the comments of ``.proto`` files say, kept by the pool that the types live in.

Descriptors do not keep comments; who compiles or builds files has them, and leaves them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["comment_of", "keep_comments"]

_kept: Final[dict[Any, dict[str, str]]] = {}


def keep_comments(pool: Any, comments: Mapping[str, str]) -> None:
    """Keep comments, and with them their pool, which cannot be referred to weakly.

    Args:
        pool: of the types.
        comments: by the full name of what they stand at, such as ``hello.v1.HelloRequest.name``.
    """
    _kept.setdefault(pool, {}).update(comments)


def comment_of(descriptor: Any) -> str:
    """The comment of a message, field, enumeration, service or method; empty for none."""
    file = getattr(descriptor, "file", None)
    if file is None:
        # Methods have only their service's.
        file = descriptor.containing_service.file
    return _kept.get(file.pool, {}).get(descriptor.full_name, "")
