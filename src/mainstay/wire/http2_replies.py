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
from struct import Struct
from typing import Final, TypeAlias

from mainstay.wire.http2_guard import FrameGuard

__all__ = ["LONGEST_BODY", "KnownReplies", "Reply", "ReplyGuard"]

LONGEST_BODY: Final = 4096
"""Bytes of a body that need not be told to an engine."""

_LONGEST: Final = 64
"""Bytes of a block."""
_ALIKE: Final = 8
"""Replies in a row that are alike before the next one is expected to be."""
_PATIENCE: Final = 4096
"""Frames to look at, beyond those of known replies, before we cease to look."""
_FORGIVEN: Final = 16
"""Times to forget what was known, before we cease to look."""

_MOST: Final = 4096
"""Blocks that the engine did not say yet what they are."""

_HEADER: Final = 9
_frame: Final = Struct(">BHBBL").unpack_from
"""The two parts of a frame's length, its kind, its flags and its stream."""
_HEADERS: Final = 1
_PUSH_PROMISE: Final = 5
_CONTINUATION: Final = 9
_END_STREAM: Final = 1
_END_HEADERS: Final = 4

_INDEXES: Final = bytes(range(0x81, 0xFF))
"""What a field is that is in the table, in one byte."""

_OK: Final = 200
_OVER: Final = b"\x00\x00\x01\x01\x05"
_FOUND: Final = b"\x88"
"""Before and after the number of a stream: HEADERS that end it, with status 200 (RFC 7541, appendix
A) and nothing else."""

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
        self.patience = _PATIENCE
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
            or len(block) > _LONGEST
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


class ReplyGuard(FrameGuard):
    """The guard of a client's connection, which cuts known replies out before they are decoded.

    Args:
        resets, control_frames, window, block: see `FrameGuard`.
        known: of the engine; None to look for nothing.

    Attributes:
        found: the bodies of the replies that were cut out last, by stream.
    """

    __slots__ = ("_replies", "_rest", "found")

    def __init__(
        self,
        *,
        resets: int,
        control_frames: int,
        window: float,
        block: int,
        known: KnownReplies | None,
    ) -> None:
        super().__init__(
            server=False, resets=resets, control_frames=control_frames, window=window, block=block
        )
        self._replies = known
        self._rest = b""
        self.found: dict[int, bytes] = {}

    def look(self, data: bytes, now: float) -> bytes:
        """`feed`, and what is left for the engine: HEADERS that end a stream in the place of each
        reply in `found`. Short HEADERS that are not whole are kept for the next time.

        Raises: Violation.
        """
        known = self._replies
        if self._rest:
            data = self._rest + data
            self._rest = b""
        self.found = found = {}
        if known is None or self._first or self._block_is_open or self._carry:
            if known is not None:
                known.forget()
            self.feed(data, now)
            return data
        parts: list[bytes] = []
        kept = 0  # where begins what was not handed on
        at = self._skip
        end = len(data)
        number = int.from_bytes
        while at <= end - _HEADER:
            match = known.match
            begun = None if match is None else match(data, at)
            if begun is not None:
                stream, size = begun.groups()
                first = begun.end()
                stop = first + number(size, "big")
                after = known.before + stream + known.after
                name = number(stream, "big")
                if (
                    first < stop <= first + LONGEST_BODY
                    and data.startswith(after, stop)
                    and name not in found
                    and not known.passed(name)
                ):
                    if kept < at:
                        self.feed(data[kept:at], now)
                        parts.append(data[kept:at])
                    found[name] = data[first:stop]
                    parts += (_OVER, stream, _FOUND)
                    at = kept = stop + len(after)
                    continue
            high, low, kind, flags, name = _frame(data, at)
            stop = at + _HEADER + (high << 16 | low)
            if kind == _HEADERS:
                if stop > end and stop - at <= _HEADER + _LONGEST:
                    break
                whole = stop <= end and flags & ~_END_STREAM == _END_HEADERS
                known.passes(name, flags, data[at + _HEADER : stop] if whole else None)
            elif kind in (_PUSH_PROMISE, _CONTINUATION):
                known.forget()
            known.patience -= 1
            at = stop
        if at < end:
            self._rest = data[at:]
            data = data[:at]
        if known.patience < 0:
            known.forget()
            self._replies = None
        if not found:
            self.feed(data, now)
            return data
        known.patience = _PATIENCE
        if kept == len(data):
            self._skip = 0
        else:
            self.feed(data[kept:], now)
            parts.append(data[kept:])
        return b"".join(parts)
