"""Replies over HTTP/2 that begin and end as those before them did, byte for byte.

Once a server has told its fields to the compression table, the head and the trailers of its replies
are the same few bytes each time: of gRPC, those of every call that succeeds. What they say need not
be decoded again, and a reply that came whole needs no more of an engine than that its stream is over.

A block of fields means the same as long as the compression table is the same (RFC 7541 §2.3.2). So
only blocks count that are nothing but indexes, which leave the table alone; and with the first block
that is anything else, or that could not be looked at, all is forgotten. Where replies are seldom
alike, they are soon not looked at any more.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["LONGEST_BLOCK", "PATIENCE", "KnownReplies", "Reply"]

LONGEST_BLOCK: Final = 64
"""Bytes of a block."""
_ALIKE: Final = 8
"""Replies in a row that are alike before the next one is expected to be."""
PATIENCE: Final = 4096
"""Frames to look at, beyond those of known replies, before we cease to look."""
_FORGIVEN: Final = 16
"""Times to forget what was known, before we cease to look."""

_MOST: Final = 4096
"""Blocks that the engine did not say yet what they are."""

_HEADERS: Final = 1
_END_STREAM: Final = 1
_END_HEADERS: Final = 4

_INDEXES: Final = bytes(range(0x81, 0xFF))
"""What a field is that is in the table, in one byte."""

_OK: Final = 200

_Fields = list[tuple[bytes, bytes]]

Reply: TypeAlias = tuple[int, _Fields, bytes, _Fields]
"""An event: a stream, the fields of its head, which has status 200, the body, and the trailers. The
lists are to be read only, and the bytes are credited."""


class KnownReplies:
    """What is known of the replies of one connection.

    Attributes:
        match: finds the beginning of a known reply, to the first byte of its body; None while none
            is known.
        head, end: the fields of a known reply, to be read only.
        before, after: its bytes from the end of its body on, around the number of its stream.
        patience: frames that may still be looked at before a reply is known.
    """

    __slots__ = (
        "_alike",
        "_begun",
        "_end_block",
        "_end_fields",
        "_ended",
        "_forgotten",
        "_head_block",
        "_head_fields",
        "after",
        "before",
        "end",
        "head",
        "match",
        "patience",
    )

    def __init__(self) -> None:
        self.match: Callable[[bytes, int], re.Match[bytes] | None] | None = None
        self.head: _Fields = []
        self.end: _Fields = []
        self.before = self.after = b""
        self.patience = PATIENCE
        self._alike = 0
        self._forgotten = 0
        self._head_block = self._end_block = b""
        self._head_fields: _Fields = []
        self._end_fields: _Fields = []
        self._begun: dict[int, bytes] = {}
        self._ended: dict[int, bytes] = {}

    def passes(self, stream: int, flags: int, block: bytes | None) -> None:
        """A block of fields that is not known goes to the engine; None for one that is not whole."""
        if (
            not block
            or len(block) > LONGEST_BLOCK
            or block.translate(None, _INDEXES)
            or len(self._begun) + len(self._ended) >= _MOST  # of no streams that the engine knows
        ):
            self.forget()
        elif flags & _END_STREAM:
            self._ended[stream] = b"" if stream in self._ended else block
        else:  # which of several the engine tells of is not known
            self._begun[stream] = b"" if stream in self._begun else block

    def passed(self, stream: int) -> bool:
        """Whether fields of this stream went to the engine, which did not say yet what they are."""
        return stream in self._begun or stream in self._ended

    def forget(self) -> None:
        """Nothing is known any more."""
        if self.match is not None:
            self.match = None
            self._forgotten += 1
            if self._forgotten > _FORGIVEN:
                self.patience = -1
        self._alike = 0
        self._head_block = self._end_block = b""
        self._begun.clear()
        self._ended.clear()

    def began(self, stream: int, status: int, fields: _Fields) -> None:
        """The engine says what the head of a reply is."""
        block = self._begun.pop(stream, None)
        # A declared length has to be compared with the body's, which the engine does.
        if not block or status != _OK or any(name == b"content-length" for name, _ in fields):
            self._alike = 0
        elif block != self._head_block:
            self._alike = 0
            self._head_block, self._head_fields = block, fields.copy()

    def ended(self, stream: int, fields: _Fields) -> None:
        """The engine says what the end of a reply is."""
        block = self._ended.pop(stream, None)
        if not block:
            self._alike = 0
        elif block != self._end_block:
            self._alike = 0
            self._end_block, self._end_fields = block, fields.copy()
        else:
            self._alike += 1
            if self._alike >= _ALIKE and self.match is None and self._head_block:
                self._know()

    def _know(self) -> None:
        head, end = self._head_block, self._end_block
        self.head, self.end = self._head_fields, self._end_fields
        # HEADERS, and DATA without padding on the same stream, which has bytes and is not its end.
        begin = b"\x00\x00" + bytes([len(head), _HEADERS, _END_HEADERS])
        pattern = (
            re.escape(begin) + rb"([\x00-\x7f].{3})" + re.escape(head) + rb"\x00(..)\x00\x00\1"
        )
        self.match = re.compile(pattern, re.DOTALL).match
        self.before = b"\x00\x00" + bytes([len(end), _HEADERS, _END_HEADERS | _END_STREAM])
        self.after = end
