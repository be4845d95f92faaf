"""What makes a request over HTTP/2 well-formed, beyond its frames (RFC 9113 §8.2 and §8.3).

Shared by the engines, so that they agree. A malformed request is never handed on: the stream is
reset with PROTOCOL_ERROR.
"""

from __future__ import annotations

from itertools import chain
from string import ascii_lowercase, digits
from typing import Final

from mainstay.wire.authority import HOST
from mainstay.wire.http2 import CONNECTION_FIELDS, Fields, RequestHead

__all__ = [
    "FIELD_COST",
    "check_fields",
    "decoded_size",
    "join_cookies",
    "request_head",
    "split_pseudo",
]

FIELD_COST: Final = 32
"""Bytes that a field counts beside its name and value (RFC 9113 §6.5.2)."""

_TOKEN: Final = frozenset((ascii_lowercase + digits + "!#$%&'*+-.^_`|~").encode())
"""Of a field's name (RFC 9110 §5.6.2), in lower case."""

_CONTROL: Final = frozenset({*range(0x20), 0x7F} - {0x09})
"""Bytes that no value has (RFC 9110 §5.5)."""

_PSEUDO: Final = frozenset(
    {b":method", b":scheme", b":authority", b":path", b":protocol", b":status"}
)

_SCHEMES: Final = frozenset({"http", "https"})


def decoded_size(fields: list[tuple[bytes, bytes]]) -> int:
    """The size of `fields` as SETTINGS_MAX_HEADER_LIST_SIZE counts it, bytes."""
    # Joined, because that is one loop in C, and this runs for each head.
    return FIELD_COST * len(fields) + len(b"".join(chain.from_iterable(fields)))


def join_cookies(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same with all ``cookie`` fields as one, at the place of the first (RFC 9113 §8.2.3)."""
    crumbs = b"; ".join(value for name, value in fields if name == b"cookie")
    joined = []
    pending = True
    for field in fields:
        if field[0] != b"cookie":
            joined.append(field)
        elif pending:
            joined.append((b"cookie", crumbs))
            pending = False
    return joined


def split_pseudo(
    fields: Fields,
) -> tuple[dict[bytes, str], list[tuple[bytes, bytes]]] | None:
    """The pseudo-fields and the others; None when they are malformed (RFC 9113 §8.2 and §8.3)."""
    pseudo: dict[bytes, str] = {}
    others: list[tuple[bytes, bytes]] = []
    for field in fields:
        name, value = bytes(field[0]), bytes(field[1])
        if name[:1] == b":":
            if others or name in pseudo or name not in _PSEUDO:
                return None
            pseudo[name] = value.decode("latin-1")
        elif _is_field(name, value):
            others.append((name, value))
        else:
            return None
    return pseudo, others


def check_fields(fields: Fields) -> None:
    """Raises: ValueError for fields that must not be sent."""
    for name, value in fields:
        if not _is_field(name, value):
            raise ValueError(f"the field {name!r} or its value is not for HTTP/2")


def _is_field(name: bytes, value: bytes) -> bool:
    if not name or not _TOKEN.issuperset(name) or name in CONNECTION_FIELDS:
        return False
    if name == b"te" and value != b"trailers":
        return False
    return _CONTROL.isdisjoint(value)


def request_head(
    stream: int,
    method: str | None,
    scheme: str | None,
    authority: str | None,
    path: str | None,
    protocol: str,
    hosts: list[bytes],
    fields: list[tuple[bytes, bytes]],
    length: int | None,
    ended: bool,
) -> RequestHead | None:
    """The head of a request, or None when it is malformed.

    `hosts` are the values of the Host field, which must not contradict ``:authority`` (§8.3.1).
    """
    if hosts:
        host = hosts[0].decode("latin-1")
        if len(hosts) > 1 or (authority and host.lower() != authority.lower()):
            return None
        authority = authority or host
    if not method or (authority and not HOST.fullmatch(authority.encode("latin-1"))):
        return None
    if length is not None and sum(name == b"content-length" for name, _ in fields) > 1:
        return None  # as over HTTP/1.1, even if they are equal
    # All at once, because it runs for each request: an authority that is missing reads None.
    if not _is_visible(f"{method}{authority}{path}"):
        return None
    if protocol and method != "CONNECT":
        return None  # RFC 8441 §4
    if method == "CONNECT":
        if not authority or (path is None) != (scheme is None):
            return None
        if path is None:  # a proxy is asked for, which names no path (§8.5)
            target = authority.encode("ascii")
            return RequestHead(
                stream, method, target, "", authority, "", fields, length, ended, False
            )
    if scheme not in _SCHEMES or not path or "#" in path:
        return None
    if path[0] != "/" and not (path == "*" and method == "OPTIONS"):
        return None
    return RequestHead(
        stream,
        method,
        path.encode("ascii"),
        scheme,
        authority or "",
        protocol,
        fields,
        length,
        ended,
        False,
    )


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
