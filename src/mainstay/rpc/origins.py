"""Which pages in browsers may call methods (https://fetch.spec.whatwg.org/#http-cors-protocol).

A browser asks first, by OPTIONS, whether a page of another origin may call: every protocol of RPC
has a content type that no form can send. An origin that the operator has named may send whatever
metadata it likes, and read all that is answered, so the names are taken from the question and from
the answer, and nobody has to list them.

Only the protocols that browsers can speak, gRPC-Web and Connect, answer with these fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mainstay.net.exchange import Exchange

__all__ = ["allowed_origin", "answer_preflight", "is_origin", "origin_fields"]

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,]+")
_NAMES: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z, -]*")
_REMEMBERED: Final = (b"access-control-max-age", b"7200")
"""Seconds, and the most that browsers take."""
_CREDENTIALS: Final = (b"access-control-allow-credentials", b"true")
_SAFE: Final = frozenset(
    {b"cache-control", b"content-language", b"content-length", b"content-type", b"expires"}
)
"""What a page may read of any answer."""
_VARY: Final = (b"vary", b"origin")
_ASKED: Final = (
    b"vary",
    b"origin, access-control-request-method, access-control-request-headers",
)


def is_origin(value: str) -> bool:
    """Whether it names an origin, as browsers write it."""
    return _ORIGIN.fullmatch(value) is not None


def allowed_origin(origins: Sequence[str], origin: bytes, *, credentials: bool) -> bytes | None:
    """What to answer to a page of `origin`; None when it may not call.

    Args:
        origins: that may, or ``*``.
        origin: that a browser has sent.
        credentials: whether it may send cookies.
    """
    if "*" in origins and not credentials:
        return b"*"
    return origin if origin.decode("latin-1") in origins else None


def origin_fields(
    origins: Sequence[str],
    head: Mapping[bytes, bytes],
    names: Iterable[bytes],
    *,
    credentials: bool,
) -> list[tuple[bytes, bytes]]:
    """The fields of an answer that let a page read it; none where no origin is allowed.

    Args:
        origins: that may call.
        head: of the request.
        names: of the other fields of the answer, which it may read as well.
        credentials: whether cookies may be sent.
    """
    if not origins:
        return []
    fields = [] if "*" in origins else [_VARY]
    origin = head.get(b"origin")
    if origin is None:
        return fields
    allowed = allowed_origin(origins, origin, credentials=credentials)
    if allowed is None:
        return fields
    fields.append((b"access-control-allow-origin", allowed))
    if credentials:
        fields.append(_CREDENTIALS)
    exposed = sorted(set(names) - _SAFE)
    if exposed:
        fields.append((b"access-control-expose-headers", b", ".join(exposed)))
    return fields


def answer_preflight(
    exchange: Exchange,
    origins: Sequence[str],
    methods: bytes,
    *,
    credentials: bool,
) -> bool:
    """Answer a browser that asks whether a page may call; False when it does not ask that.

    Args:
        exchange: whose path is a method's.
        origins: that may call.
        methods: of HTTP by which it is called, such as ``POST, GET``.
        credentials: whether cookies may be sent.
    """
    head = dict(exchange.fields)
    origin = head.get(b"origin")
    if exchange.method != "OPTIONS" or not origin:
        return False
    if b"access-control-request-method" not in head:
        return False
    allowed = allowed_origin(origins, origin, credentials=credentials)
    if allowed is None:
        exchange.respond(403, b"text/plain", (_ASKED,), b"pages of this origin may not call this\n")
        return True
    fields = [
        _ASKED,
        (b"access-control-allow-origin", allowed),
        (b"access-control-allow-methods", methods),
        _REMEMBERED,
    ]
    wanted = head.get(b"access-control-request-headers", b"")
    if wanted and _NAMES.fullmatch(wanted):
        fields.append((b"access-control-allow-headers", wanted))
    if credentials:
        fields.append(_CREDENTIALS)
    exchange.respond(204, None, fields, b"")
    return True
