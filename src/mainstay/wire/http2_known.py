"""Heads of requests that a peer sends again and again over HTTP/2, byte for byte.

Once a client has told its fields to the compression table, the header blocks of its requests are
often the same bytes: of a method that is called without a deadline of its own, of a page that is
asked for. What such a block says need not be decoded twice. This file is in the hot path (see
`bench/grpc`).

A block means the same as long as the table is the same (RFC 7541 §2.3.2). So what is known is
forgotten with the first block that changes the table, or that could not be looked at; and a block
that changes it is never known. A connection whose blocks are seldom the same is soon not looked at
any more.

`FrameGuard.feed` finds the requests that are known, those with a short body that came whole, and
`Http2Engine.receive_known` takes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final, TypeAlias

__all__ = ["LONGEST_BODY", "Found", "KnownHead", "KnownHeads", "changes_nothing"]

LONGEST_BODY: Final = 4096
"""Bytes of a body that is taken with a known head; what all streams of a connection may have of it
together is no more than its window."""

_LONGEST: Final = 512
"""Bytes of a block."""
_MOST: Final = 32
"""Heads that are known of one connection."""
_MISSES: Final = 64
"""Blocks that may be unknown, beyond the known ones, before we cease to look."""

_HEADER: Final = 9
_frame: Final = Struct(">BHHL").unpack_from
"""The two parts of a frame's length, its kind and flags, its stream."""
_WHOLE_HEAD: Final = 0x0104
_LAST_DATA: Final = 0x0001
_END_HEADERS: Final = 4
_ENDS: Final = 5
_STREAM: Final = 2**31 - 1

_INDEXED: Final = 0x80
_CHANGE: Final = 0x60  # a literal that is added to the table, or a new size of it
_NEVER: Final = 0x10  # a literal that is not to be kept anywhere
_LENGTH: Final = 0x7F
_NAME: Final = 0x0F


class KnownHead:
    """What a header block says.

    Attributes:
        method, target, scheme, authority, fields, length: see `RequestHead`.
        use: what the application keeps for the next request with this head; None at first.
    """

    __slots__ = ("authority", "fields", "length", "method", "scheme", "target", "use")

    def __init__(
        self,
        method: str,
        target: bytes,
        scheme: str,
        authority: str,
        fields: Iterable[tuple[bytes, bytes]],
        length: int | None,
    ) -> None:
        self.method = method
        self.target = target
        self.scheme = scheme
        self.authority = authority
        self.fields = tuple(fields)
        self.length = length
        self.use: Any = None


Found: TypeAlias = tuple[int, KnownHead, bytes, int, int, int, int]
"""A request: its stream, its head, its body, and where its two frames begin and end in the bytes."""


class KnownHeads:
    """Those of one connection.

    Attributes:
        heads: by their blocks.
        candidates: blocks that would be known if it were known what they say, by streams.
    """

    __slots__ = (
        "_body",
        "_carried",
        "_found",
        "_highest",
        "_hits",
        "_looking",
        "_misses",
        "candidates",
        "heads",
    )

    def __init__(self) -> None:
        self.heads: dict[bytes, KnownHead] = {}
        self.candidates: dict[int, bytes] = {}
        self._body = LONGEST_BODY
        self._hits = 0
        self._misses = 0
        self._highest = 0  # stream on which fields came: a request is on a higher one
        self._found: dict[int, Found] | None = None
        self._carried = 0
        self._looking = True

    def bound(self, body: int | None) -> None:
        """Take no longer bodies than this, bytes."""
        if body is not None:
            self._body = min(body, LONGEST_BODY)

    def begin(self, carried: int, *, block_is_open: bool) -> bool:
        """Bytes came, after `carried` of those before; whether it is worth the while to look at the
        blocks in them. Those in the middle of which they begin cannot be looked at."""
        self._carried = carried
        self._looking = not block_is_open
        if self.candidates:  # the engine has seen them, and did not say what they are
            self.candidates.clear()
        if self._misses <= _MISSES + self._hits:
            return True
        self.heads.clear()
        self.candidates.clear()
        return False

    def find(self, data: bytes, at: int) -> int:
        """Look at the HEADERS frame at `at`, and as long as they are known at those that follow, with
        their DATA in whatever order: where what need not be looked at again ends, or `at`."""
        if not self.heads or not self._looking or at < self._carried:
            self._miss(data, at)
            return at
        begun = at
        end = len(data)
        last = end - _HEADER
        known = self.heads.get
        longest = self._body
        highest = self._highest
        found = self._found
        if found is None:
            found = {}
        waiting: dict[int, tuple[KnownHead, int, int]] = {}
        while at <= last:
            high, size, what, stream = _frame(data, at)
            start = at + _HEADER
            stop = start + size
            if high or stop > end:
                break
            if what == _WHOLE_HEAD:
                head = known(data[start:stop])
                if head is None or not highest < stream <= _STREAM:
                    break
                highest = stream
                waiting[stream] = (head, at, stop)
            elif what == _LAST_DATA and 0 < size <= longest and stream in waiting:
                head, first, second = waiting.pop(stream)
                if head.length is not None and head.length != size:
                    break
                found[stream] = (stream, head, data[start:stop], first, second, at, stop)
            else:
                break
            at = stop
        if at == begun:
            self._miss(data, at)
        else:
            self._misses += len(waiting)
            self._highest = highest
            if found:
                self._found = found
        return at

    def _miss(self, data: bytes, at: int) -> None:
        high, size, what, stream = _frame(data, at)
        stop = at + _HEADER + (high << 16 | size)
        flags = what & 0xFF
        block = b""
        if stop <= len(data) and flags | _ENDS == _ENDS and flags & _END_HEADERS:
            block = data[at + _HEADER : stop]
        if not block or len(block) > _LONGEST or not changes_nothing(block):
            self.heads.clear()
            self.candidates.clear()
        elif stream <= self._highest:  # trailers, or nothing that is allowed
            self.candidates.pop(stream, None)
        elif block not in self.heads:
            self.candidates[stream] = block
        self._misses += 1
        self._highest = max(self._highest, stream)

    def taken(self) -> dict[int, Found] | None:
        """The requests that were found since `begin`, by stream, if there are any."""
        found = self._found
        if found is not None:
            self._found = None
            self._hits += len(found)
            back = self._carried
            if back:  # the engine has had those bytes
                for stream, (_, head, body, *places) in found.items():
                    first, second, third, fourth = (place - back for place in places)
                    found[stream] = (stream, head, body, first, second, third, fourth)
        return found

    def learn(self, stream: int, head: KnownHead) -> None:
        """This is what the candidate of `stream` says."""
        if len(self.heads) >= _MOST:
            self.heads.clear()
        self.heads[self.candidates.pop(stream)] = head


def changes_nothing(block: bytes) -> bool:
    """Whether a header block leaves the table as it is, and may be kept (RFC 7541 §6)."""
    at, end = 0, len(block)
    try:
        while at < end:
            first = block[at]
            if first & _INDEXED:
                at = _integer(block, at, _LENGTH)[1]
            elif first & (_CHANGE | _NEVER):
                return False
            else:
                index, at = _integer(block, at, _NAME)
                for _ in range(1 if index else 2):
                    size, at = _integer(block, at, _LENGTH)
                    at += size
    except IndexError:
        return False
    return at == end


def _integer(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    """The number at `at`, and where it ends (RFC 7541 §5.1). Raises: IndexError for a cut one."""
    number = block[at] & prefix
    at += 1
    if number == prefix:
        shift = 0
        while True:
            octet = block[at]
            at += 1
            number += (octet & _LENGTH) << shift
            shift += 7
            if not octet & _INDEXED:
                break
    return number, at
