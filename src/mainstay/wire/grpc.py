"""gRPC over HTTP/2, without I/O: time limits, binary metadata, status messages, codes.

After the specification "gRPC over HTTP2" (grpc/grpc, doc/PROTOCOL-HTTP2.md) and "HTTP to gRPC
Status Code Mapping" (doc/http-grpc-status-mapping.md).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = [
    "OK",
    "decode_binary",
    "decode_message",
    "decode_timeout",
    "encode_binary",
    "encode_message",
    "encode_timeout",
    "is_over",
    "is_timeout",
    "of_http_status",
]

OK: Final = 0
"""The code of a call that succeeded."""

_LONGEST: Final = 9
"""Characters of a ``grpc-timeout``: up to eight digits and a unit."""
_BRIEF: Final = 5
"""The same for ten microseconds, said in nanoseconds."""
_SECONDS: Final[Mapping[int, float]] = {
    ord("H"): 3600.0,
    ord("M"): 60.0,
    ord("S"): 1.0,
    ord("m"): 1e-3,
    ord("u"): 1e-6,
    ord("n"): 1e-9,
}
_MOST: Final = 99_999_999
"""The largest of eight digits."""

_UNSAFE: Final = re.compile(rb"[^\x20-\x24\x26-\x7e]")

_UNKNOWN: Final = 2
_OF_HTTP: Final[Mapping[int, int]] = {
    400: 13,
    401: 16,
    403: 7,
    404: 12,
    429: 14,
    502: 14,
    503: 14,
    504: 14,
}


def is_timeout(value: bytes) -> bool:
    """Whether it is a ``grpc-timeout`` that can be understood."""
    return value[:-1].isdigit() and len(value) <= _LONGEST and value[-1] in _SECONDS


def is_over(value: bytes) -> bool:
    """Whether a ``grpc-timeout`` leaves no time to do anything: it is nothing, or some nanoseconds."""
    if value[:1] == b"0":
        return not int(value[:-1])
    return len(value) <= _BRIEF and value[-1:] == b"n"


def decode_timeout(value: bytes) -> float | None:
    """Seconds of a ``grpc-timeout``; None when it cannot be understood."""
    return int(value[:-1]) * _SECONDS[value[-1]] if is_timeout(value) else None


def encode_timeout(seconds: float) -> bytes:
    """The ``grpc-timeout`` of so many seconds: the finest unit that has room for it."""
    left = max(seconds, 0.0)
    for unit, scale in ((b"n", 1e9), (b"u", 1e6), (b"m", 1e3), (b"S", 1.0)):
        number = int(left * scale)
        if number <= _MOST:
            return b"%d%b" % (number, unit)
    return b"%dH" % min(int(left / 3600), _MOST)


def decode_binary(value: bytes | str) -> bytes:
    """What a ``-bin`` value says; padded or not.

    Raises: ValueError for what is no base64.
    """
    text = value.encode("latin-1") if isinstance(value, str) else value
    try:
        return b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except Base64Error as error:
        raise ValueError(f"a binary value is no base64: {error}") from None


def encode_binary(value: bytes) -> bytes:
    """A ``-bin`` value, without padding."""
    return b64encode(value).rstrip(b"=")


def encode_message(text: str) -> bytes:
    """A ``grpc-message``: UTF-8, percent-encoded outside of printable ASCII."""
    raw = text.encode("utf-8", "replace")
    return _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], raw)


def decode_message(value: bytes) -> str:
    """What a ``grpc-message`` says; what cannot be decoded stays as it is."""
    return unquote_to_bytes(value).decode("utf-8", "replace")


def of_http_status(status: int) -> int:
    """The code of a reply that says nothing but its HTTP status."""
    return _OF_HTTP.get(status, _UNKNOWN)
