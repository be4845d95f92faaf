"""What a peer over HTTP/2 may not do too often: floods that are legal frame by frame.

The guard looks at the headers of frames, before an engine spends anything on them, and knows
nothing else of the protocol. It answers for:

* rapid resets (CVE-2023-44487), and streams that the peer makes us reset (CVE-2025-8671);
* streams beyond those that our SETTINGS allow, from a peer that has acknowledged them;
* SETTINGS, PING, PRIORITY, empty DATA and frames of unknown kind (CVE-2019-9512, 9515, 9518): each
  costs us work or an answer, and brings nothing. Clients of gRPC answer DATA with a PING, to learn
  how much is on its way (grpc-go one for each frame, while none is out), see `FrameGuard.wrote`;
* WINDOW_UPDATE of less than `SMALL` bytes to a server (CVE-2019-9511): a reply would go in crumbs.
  Replies that are small themselves may be answered so, see `FrameGuard.wrote`;
* endless or huge header blocks (CVE-2024-27316): those are counted as they come, encoded, because
  a decoder that is given them has to decode them all;
* a first frame that is not SETTINGS (RFC 9113 §3.4), and GOAWAY on a stream (§6.8).

Counts are kept for windows of time that do not overlap, so twice the number may pass within one
window at worst, and nothing is remembered for each frame.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from mainstay.wire.http2 import PREFACE, ErrorCode
from mainstay.wire.http2_known import Found, KnownHeads

__all__ = ["FRAME", "SMALL", "FrameGuard", "Violation"]

SMALL: Final = 1024
"""Bytes; clients that give windows back in smaller parts than this are hard to find."""

_HEADER: Final = 9
_frame: Final = Struct(">BHBB").unpack_from
"""The two parts of a frame's length, its kind and its flags."""
_UPDATE: Final = 4
_DATA: Final = 0
_HEADERS: Final = 1
_RST_STREAM: Final = 3
_SETTINGS: Final = 4
_PING: Final = 6
_GOAWAY: Final = 7
_WINDOW_UPDATE: Final = 8
_CONTINUATION: Final = 9
_SIZE: Final = 2**31 - 1
FRAME: Final = 14
"""A frame of DATA has up to 2**14 bytes, unless a peer allows more."""
_END_STREAM: Final = 1
_ACK: Final = 1
_END_HEADERS: Final = 4


class Violation(Exception):
    """The connection has to end, with GOAWAY of this `code`."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class FrameGuard:
    """Watches the frames of one connection.

    Args:
        server: whether the peer is a client, which sends the preface first.
        resets: streams reset within `window`.
        control_frames: frames that bring nothing within `window`.
        window: seconds.
        block: bytes of one encoded header block.
        known: the heads that need not be decoded; None to look for none.
    """

    __slots__ = (
        "_block",
        "_block_is_open",
        "_block_size",
        "_carry",
        "_control",
        "_first",
        "_known",
        "_most_control",
        "_most_resets",
        "_refused",
        "_resets",
        "_settled",
        "_since",
        "_skip",
        "_small",
        "_window",
        "acknowledged",
        "in_head",
        "owed",
    )

    def __init__(
        self,
        *,
        server: bool,
        resets: int,
        control_frames: int,
        window: float,
        block: int,
        known: KnownHeads | None = None,
    ) -> None:
        self._most_resets = resets
        self._most_control = control_frames
        self._window = window
        self._block = block
        self._known = known
        self._skip = len(PREFACE) if server else 0
        self._carry = b""
        self._first = True
        self._since = 0.0
        self._resets = 0
        self._refused = 0
        self._control = 0
        self._small = SMALL if server else 0
        self.owed = 0
        """Small updates and pings that what we wrote may bring, see `wrote`."""
        self._settled = False  # whether `acknowledged` held before the bytes that came last
        self._block_size = 0
        self._block_is_open = False
        self.in_head = True
        """Whether the peer has begun a header block, or the connection, and not ended it."""
        self.acknowledged = False
        """Whether the peer has acknowledged our SETTINGS."""

    def feed(self, data: bytes, now: float) -> dict[int, Found] | None:
        """Look at what came, at monotonic second `now`, before the engine does.

        Returns: the requests that are known, by stream, if there are any.

        Raises: Violation.
        """
        self._settled = self.acknowledged
        known = self._known
        if known is not None and not known.begin(
            len(self._carry), block_is_open=self._block_is_open
        ):
            self._known = known = None
        if self._carry:
            data = self._carry + data
            self._carry = b""
        at = self._skip
        end = len(data)
        last = end - _HEADER
        kind = -1
        if self._first and at <= last:
            if data[at + 3] != _SETTINGS or data[at + 4] & _ACK:
                raise Violation(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._first = False
        while at <= last:
            high, low, kind, flags = _frame(data, at)
            length = high << 16 | low
            if kind == _DATA and length:
                pass  # what a connection is for
            elif kind == _HEADERS:
                if known is not None:
                    over = known.find(data, at)
                    if over != at:
                        at, kind = over, _DATA
                        continue
                self._block_size = 0
                if flags & _END_HEADERS and length <= self._block:
                    self._block_is_open = False
                else:
                    self._grow(length, flags, now)
            elif kind == _CONTINUATION:
                self._grow(length, flags, now)
            elif kind == _RST_STREAM:
                self.count_reset(now)
            elif kind == _WINDOW_UPDATE:
                if length == _UPDATE:
                    if at + _HEADER + _UPDATE > end:
                        break  # looked at once it is whole
                    self._updated(int.from_bytes(data[at + 9 : at + 13], "big"), now)
            elif kind == _PING and self.owed:
                self.owed -= 1
            elif kind != _DATA or not flags & _END_STREAM:
                self._count_control(now)
                if kind == _SETTINGS:
                    self.acknowledged = self.acknowledged or bool(flags & _ACK)
                elif kind == _GOAWAY and any(data[at + 5 : at + 9]):
                    raise Violation(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
            at += _HEADER + length
        if at <= end:
            self._carry = data[at:]
            self._skip = 0
            self.in_head = self._first or self._block_is_open
        else:
            self._skip = at - end
            if kind != -1:  # else it goes on with the frame it was in
                self.in_head = self._first or self._block_is_open or kind == _HEADERS
        return None if known is None else known.taken()

    def _grow(self, length: int, flags: int, now: float) -> None:
        self._block_size += length
        if self._block_size > self._block:
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "a header block is too long")
        self._block_is_open = not flags & _END_HEADERS
        if self._block_is_open and not length:
            self._count_control(now)

    def _updated(self, size: int, now: float) -> None:
        if size & _SIZE >= self._small:
            return
        if self.owed:
            self.owed -= 1
        else:
            self._count_control(now)

    def wrote(self, size: int) -> None:
        """A part of a body was written: the peer may give it back, for its stream and for all, and
        may answer every frame of it with a ping. What that costs is less than what we do ourselves.
        """
        self.owed += 3 + (size >> FRAME)

    def count_refused(self, streams: int, now: float) -> None:
        """A stream beyond `streams` was refused.

        It counts as reset once the peer knows the bound, and if it takes its time to know, from as
        many on. Raises: Violation.
        """
        self._turn(now)
        self._refused += 1
        if self._settled or self._refused > streams:
            self.count_reset(now)

    def count_reset(self, now: float) -> None:
        """A stream was reset, by the peer or because of it. Raises: Violation."""
        self._turn(now)
        self._resets += 1
        if self._resets > self._most_resets:
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "too many streams were reset")

    def _count_control(self, now: float) -> None:
        self._turn(now)
        self._control += 1
        if self._control > self._most_control:
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that bring nothing")

    def _turn(self, now: float) -> None:
        if now - self._since > self._window:
            self._since = now
            self._resets = self._refused = self._control = 0
