"""HTTP/1.1 replies: heads and chunks as bytes (RFC 9112)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mainstay.wire.errors import WireError
from mainstay.wire.statuses import phrase_of

__all__ = [
    "CLOSE",
    "CONTINUE",
    "CheckedFields",
    "HEADS",
    "KEEP_ALIVE",
    "LAST_CHUNK",
    "chunk",
    "fields_block",
    "head_of",
]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"
KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

_MANY: Final = 1000
HEADS: Final[dict[tuple[int, bytes | None], bytes]] = {}
"""What `head_of` has made."""


def head_of(status: int, content_type: bytes | None = None) -> bytes:
    """The status line and, if given, the content-type field; kept, since they are always the same."""
    head = HEADS.get((status, content_type))
    if head is None:
        head = f"HTTP/1.1 {status} {phrase_of(status)}\r\n".encode()
        if content_type is not None:
            head += fields_block([(b"content-type", content_type)])
        if len(HEADS) >= _MANY:
            HEADS.clear()
        HEADS[status, content_type] = head
    return head


class CheckedFields(list[tuple[bytes, bytes]]):
    """Fields of which somebody knows that none ends its line."""

    __slots__ = ()


def fields_block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The fields, a line each.

    Those of `Headers.fields` were checked as they were set.

    Raises: WireError when a name or value would end its line, which is how headers are injected.
    """
    if fields.__class__ is CheckedFields:
        return b"".join([b"%b: %b\r\n" % field for field in fields])
    lines = [b"%b: %b\r\n" % field for field in fields]
    block = b"".join(lines)
    number = len(lines)
    if block.count(b"\n") != number or block.count(b"\r") != number or b"\0" in block:
        raise WireError(500, "a header field of the reply has a line break or NUL in it")
    return block


def chunk(data: bytes) -> bytes:
    """One chunk; `data` is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)
