"""The Connect protocol, without I/O: codes, statuses, time limits, parameters of GET, error bodies.

After "Connect Protocol Reference" (connectrpc.com/docs/protocol): sections "Unary-Get-Request",
"Error Codes" and "Error End-Stream".
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

__all__ = [
    "CODES",
    "STATUSES",
    "decode_parameter",
    "decode_timeout",
    "end_of_stream",
    "grouped",
    "parameters",
]

CODES: Final[Mapping[int, str]] = {
    1: "canceled",
    2: "unknown",
    3: "invalid_argument",
    4: "deadline_exceeded",
    5: "not_found",
    6: "already_exists",
    7: "permission_denied",
    8: "resource_exhausted",
    9: "failed_precondition",
    10: "aborted",
    11: "out_of_range",
    12: "unimplemented",
    13: "internal",
    14: "unavailable",
    15: "data_loss",
    16: "unauthenticated",
}
"""What Connect calls gRPC's codes."""

STATUSES: Final[Mapping[int, int]] = {
    1: 499,
    2: 500,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    13: 500,
    14: 503,
    15: 500,
    16: 401,
}
"""The HTTP status of a unary call that ended with such a code of gRPC."""

_MILLISECONDS: Final = re.compile(rb"[0-9]{1,10}")
_NO_PARAMETERS: Final = 20
"""Parts of a query, above which it is none of this protocol; it has five."""


def decode_timeout(value: bytes) -> float | None:
    """Seconds of a ``connect-timeout-ms``; None when it cannot be understood."""
    return int(value) / 1000 if _MILLISECONDS.fullmatch(value) else None


def parameters(query: bytes) -> dict[str, bytes]:
    """The parameters of a query, the first of each name; bytes, since a message may be any.

    Raises: ValueError for too many.
    """
    parts = query.split(b"&")
    if len(parts) > _NO_PARAMETERS:
        raise ValueError(f"there are more than {_NO_PARAMETERS} parameters")
    found: dict[str, bytes] = {}
    for part in parts:
        name, _, value = part.partition(b"=")
        if b"%" in value or b"+" in value:
            value = unquote_to_bytes(value.replace(b"+", b" "))
        found.setdefault(name.decode("latin-1"), value)
    return found


def decode_parameter(value: bytes) -> bytes:
    """The bytes of a message that came with ``base64=1``: URL-safe, padded or not.

    Raises: ValueError for what is no base64.
    """
    # Decoders differ in the alphabet that they take, and peers in the one that they use.
    text = value.replace(b"+", b"-").replace(b"/", b"_")
    if not _URL_SAFE.fullmatch(text):
        raise ValueError("the message is no base64")
    try:
        return urlsafe_b64decode(text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4))
    except Base64Error:
        raise ValueError("the message is no base64") from None


_URL_SAFE: Final = re.compile(rb"[A-Za-z0-9_-]*={0,2}")


def grouped(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    """Fields by name, each with all its values in their order."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


def end_of_stream(
    error: Mapping[str, Any] | None, trailers: Iterable[tuple[bytes, bytes]]
) -> dict[str, Any]:
    """What the last envelope of a stream says, as a JSON object.

    Args:
        error: as in the body of a unary call that failed; None for success.
        trailers: metadata.
    """
    said: dict[str, Any] = {}
    if error is not None:
        said["error"] = error
    metadata = grouped(trailers)
    if metadata:
        said["metadata"] = metadata
    return said
