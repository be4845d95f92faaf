"""Messages in a stream of bytes: five bytes before each, flags and length.

gRPC calls it a length-prefixed message (gRPC over HTTP/2, "Length-Prefixed-Message"), Connect an
envelope; gRPC-Web is the same. Messages and the pieces in which their bytes arrive have nothing to
do with one another.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = [
    "COMPRESSED",
    "END_STREAM",
    "PLAIN",
    "PREFIX",
    "TRAILERS",
    "EnvelopeError",
    "EnvelopeReader",
    "seal",
]

PREFIX: Final = 5
"""Bytes before a message."""

COMPRESSED: Final = 0x01
"""The flag of a message that is compressed."""

END_STREAM: Final = 0x02
"""Connect's flag of the last envelope, which says how the stream ended."""

TRAILERS: Final = 0x80
"""gRPC-Web's flag of the block of trailers."""

_HEAD: Final = Struct(">BI")
_pack: Final = _HEAD.pack
_unpack_from: Final = _HEAD.unpack_from


class EnvelopeError(Exception):
    """What arrived is no envelope, or a longer one than allowed.

    Attributes:
        oversize: whether it is too long, and nothing else.
    """

    def __init__(self, message: str, *, oversize: bool = False) -> None:
        super().__init__(message)
        self.oversize = oversize


PLAIN: Final = tuple(_pack(0, size) for size in range(1024))
"""Prefixes of messages without flags, by their length: half the price of making them."""


def seal(message: bytes, flags: int = 0) -> bytes:
    """The message with its prefix."""
    return _pack(flags, len(message)) + message


class EnvelopeReader:
    """Fed bytes as they come, gives messages one by one, when asked: so what waits is bytes.

    Args:
        limit: bytes of one message.
        flags: that may be set.
    """

    __slots__ = ("_at", "_buffer", "_flags", "_limit")

    def __init__(self, limit: int, flags: int = COMPRESSED) -> None:
        self._limit = limit
        self._flags = ~flags
        self._buffer: bytes | bytearray = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        buffer = self._buffer
        if self._at >= len(buffer):
            self._buffer, self._at = data, 0
            return
        if isinstance(buffer, bytearray):
            # A long message in many pieces: joining bytes anew for each would be quadratic.
            if self._at:
                del buffer[: self._at]
                self._at = 0
            buffer += data
        else:
            self._buffer = bytearray(buffer[self._at :])
            self._buffer += data
            self._at = 0

    def next(self) -> tuple[int, bytes] | None:
        """Flags and bytes of the next message; None when it is not all there.

        Raises: EnvelopeError.
        """
        buffer = self._buffer
        at = self._at
        fed = len(buffer)
        if fed < at + PREFIX:
            return None
        flags, length = _unpack_from(buffer, at)
        if flags & self._flags or length > self._limit:
            raise self._wrong(flags, length)
        start = at + PREFIX
        end = start + length
        if fed < end:
            return None
        self._at = end
        data = buffer[start:end]
        return flags, data if type(data) is bytes else bytes(data)

    def _wrong(self, flags: int, length: int) -> EnvelopeError:
        if flags & self._flags:
            return EnvelopeError(
                f"a message begins with flags {flags:#04x}, which mean nothing here"
            )
        message = f"a message of {length} bytes is longer than the {self._limit} allowed here"
        return EnvelopeError(message, oversize=True)

    @property
    def pending(self) -> int:
        """Bytes that are fed and not taken: at the end of the stream, those of a cut message."""
        return len(self._buffer) - self._at
