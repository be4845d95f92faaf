"""The guard of a client's connection, which looks for replies that are known; see `http2_replies`.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from mainstay.wire.http2_guard import FrameGuard
from mainstay.wire.http2_replies import LONGEST_BLOCK, PATIENCE, KnownReplies

__all__ = ["LONGEST_BODY", "ReplyGuard"]

LONGEST_BODY: Final = 4096
"""Bytes of a body that need not be told to an engine."""

_HEADER: Final = 9
_frame: Final = Struct(">BHBBL").unpack_from
"""The two parts of a frame's length, its kind, its flags and its stream."""
_HEADERS: Final = 1
_PUSH_PROMISE: Final = 5
_CONTINUATION: Final = 9
_END_STREAM: Final = 1
_END_HEADERS: Final = 4

_OVER: Final = b"\x00\x00\x01\x01\x05"
_FOUND: Final = b"\x88"
"""Before and after the number of a stream: HEADERS that end it, with status 200 (RFC 7541, appendix
A) and nothing else."""


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
                if stop > end and stop - at <= _HEADER + LONGEST_BLOCK:
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
        known.patience = PATIENCE
        if kept == len(data):
            self._skip = 0
        else:
            self.feed(data[kept:], now)
            parts.append(data[kept:])
        return b"".join(parts)
