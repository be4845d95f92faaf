"""Base64 in pieces, padded wherever a writer has flushed, and the envelopes in it.

gRPC-Web's text format is that (grpc/grpc, doc/PROTOCOL-WEB.md, "Message framing"): a reader may
not take padding for the end.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

from mainstay.wire.envelopes import COMPRESSED, EnvelopeError, EnvelopeReader

__all__ = ["TextEnvelopeReader", "decode_padded"]

_QUAD: Final = 4


def decode_padded(text: bytes) -> bytes:
    """What whole groups of four characters say; padding may end any of them.

    Raises: ValueError for what is no base64.
    """
    parts = []
    start = 0
    while start < len(text):
        padding = text.find(b"=", start)
        end = len(text) if padding < 0 else padding + _QUAD - padding % _QUAD
        try:
            parts.append(b64decode(text[start:end], validate=True))
        except Base64Error:
            raise ValueError("the text is no base64") from None
        start = end
    return parts[0] if len(parts) == 1 else b"".join(parts)


class TextEnvelopeReader(EnvelopeReader):
    """See `EnvelopeReader`; it is fed text.

    Args:
        limit: bytes of one message.
        flags: that may be set.
    """

    __slots__ = ("_rest",)

    def __init__(self, limit: int, flags: int = COMPRESSED) -> None:
        super().__init__(limit, flags)
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """The next characters. Raises: EnvelopeError for what is no base64."""
        text = self._rest + data
        whole = len(text) - len(text) % _QUAD
        self._rest = text[whole:]
        try:
            decoded = decode_padded(text[:whole])
        except ValueError as error:
            raise EnvelopeError(str(error)) from None
        if decoded:
            super().feed(decoded)

    @property
    def pending(self) -> int:
        """See `EnvelopeReader`."""
        return super().pending + len(self._rest)
