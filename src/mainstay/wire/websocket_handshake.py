"""The opening handshake of a WebSocket, for both sides, without the connection.

Over HTTP/1.1 a key is answered with its hash, which shows that the server meant it (RFC 6455 §4);
over HTTP/2 an extended CONNECT needs none (RFC 8441 §5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final

from websockets.exceptions import InvalidHandshake
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.headers import build_extension, parse_extension

from mainstay.errors import HttpError, InvalidRequest

__all__ = [
    "Fields",
    "accept_of",
    "agree_on_deflate",
    "choose_subprotocol",
    "offer",
    "read_agreement",
    "values_of",
    "verify_request",
]

Fields = Sequence[tuple[bytes, bytes]]

VERSION: Final = b"13"

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_SIZE: Final = 16

WINDOW_BITS: Final = 12
"""Of both windows: 4 KiB each instead of 32, at little loss for messages of a usual size."""

MEMORY_LEVEL: Final = 5
"""Of zlib's compressor. With the windows above a connection costs about 64 KiB instead of 316."""

_offered: Final = ClientPerMessageDeflateFactory(
    client_max_window_bits=WINDOW_BITS, compress_settings={"memLevel": MEMORY_LEVEL}
)
_accepted: Final = ServerPerMessageDeflateFactory(
    server_max_window_bits=WINDOW_BITS,
    client_max_window_bits=WINDOW_BITS,
    compress_settings={"memLevel": MEMORY_LEVEL},
)


def values_of(fields: Fields, name: bytes) -> list[bytes]:
    """Every value of `name`."""
    return [value for key, value in fields if key == name]


def accept_of(key: bytes) -> bytes:
    """What a server answers to the key of a client (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def verify_request(fields: Fields, version: str) -> bytes | None:
    """Check the request of a client; return the value of ``sec-websocket-accept``, if it has one.

    Args:
        fields: of the request.
        version: of HTTP; only 1.1 has a key.

    Raises: HttpError 426 for another version of WebSocket; InvalidRequest for anything else.
    """
    versions = values_of(fields, b"sec-websocket-version")
    if versions != [VERSION]:
        message = "this server speaks version 13 of WebSocket (RFC 6455)"
        raise HttpError(
            426,
            message,
            headers={"sec-websocket-version": "13", "upgrade": "websocket"},
            reason="UPGRADE_REQUIRED",
        )
    if version != "1.1":
        return None
    keys = values_of(fields, b"sec-websocket-key")
    try:
        good = len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == _KEY_SIZE
    except binascii.Error:
        good = False
    if not good:
        raise InvalidRequest("sec-websocket-key has to be 16 bytes in base64, once")
    return accept_of(keys[0])


def choose_subprotocol(fields: Fields, supported: Sequence[str]) -> str | None:
    """The first of `supported` that the client offers, or None.

    Raises: InvalidRequest when the client's list cannot be read.
    """
    offered = []
    for value in values_of(fields, b"sec-websocket-protocol"):
        offered += [token.strip() for token in value.decode("latin-1").split(",")]
    if not all(offered):
        raise InvalidRequest("sec-websocket-protocol has an empty name in it")
    return next((name for name in supported if name in offered), None)


def agree_on_deflate(fields: Fields) -> tuple[bytes | None, Extension | None]:
    """The value of ``sec-websocket-extensions`` that accepts compression, and the extension;
    neither when the client does not offer it, or not within our bounds.

    Raises: InvalidRequest when the client's offer cannot be read.
    """
    for value in values_of(fields, b"sec-websocket-extensions"):
        try:
            offers = parse_extension(value.decode("latin-1"))
        except InvalidHandshake as error:
            raise InvalidRequest(f"sec-websocket-extensions cannot be read: {error}") from None
        for name, asked in offers:
            if name != _accepted.name:
                continue
            try:
                granted, extension = _accepted.process_request_params(asked, [])
            except InvalidHandshake:
                continue  # a client offers several, by preference
            return build_extension([(name, list(granted))]).encode(), extension
    return None, None


# --- the client's side --------------------------------------------------------------------------


def offer(
    key: bytes, subprotocols: Sequence[str] = (), *, compress: bool = True
) -> list[tuple[bytes, bytes]]:
    """The fields of a client's request, beside ``connection`` and ``upgrade``.

    Args:
        key: 16 random bytes; empty for HTTP/2.
        subprotocols: by preference.
        compress: offer permessage-deflate.
    """
    fields = [(b"sec-websocket-version", VERSION)]
    if key:
        fields.append((b"sec-websocket-key", base64.b64encode(key)))
    if subprotocols:
        fields.append((b"sec-websocket-protocol", ", ".join(subprotocols).encode()))
    if compress:
        params = list(_offered.get_request_params())
        value = build_extension([(_offered.name, params)]).encode()
        fields.append((b"sec-websocket-extensions", value))
    return fields


def read_agreement(
    fields: Fields, key: bytes, subprotocols: Sequence[str] = (), *, compress: bool = True
) -> tuple[str | None, Extension | None]:
    """Check the server's answer; return the subprotocol and the extension agreed upon.

    Args:
        fields: of the answer, whose status was 101 (HTTP/2: 200).
        key: as it was given to `offer`, and so are the others.
        subprotocols: see there.
        compress: see there.

    Raises: InvalidRequest when the server agrees to what was not offered, or has not understood.
    """
    if key and values_of(fields, b"sec-websocket-accept") != [accept_of(base64.b64encode(key))]:
        raise InvalidRequest("the server's sec-websocket-accept does not fit our key")
    named = [value.decode("latin-1") for value in values_of(fields, b"sec-websocket-protocol")]
    if len(named) > 1 or any(name not in subprotocols for name in named):
        raise InvalidRequest(f"the server chose the subprotocol {named}, which was not offered")
    extension: Extension | None = None
    for value in values_of(fields, b"sec-websocket-extensions"):
        try:
            granted = parse_extension(value.decode("latin-1"))
            for name, params in granted:
                if name != _offered.name or not compress or extension is not None:
                    raise InvalidRequest(f"the server uses {name}, which was not offered")
                extension = _offered.process_response_params(params, [])
        except InvalidHandshake as error:
            raise InvalidRequest(f"the server's extensions do not fit ours: {error}") from None
    return next(iter(named), None), extension
