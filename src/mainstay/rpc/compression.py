"""How messages are compressed: ``gzip`` and ``deflate``, with the standard library's zlib.

``deflate`` is zlib's format (RFC 1950), as gRPC means it. What is decompressed is bounded while it
grows, so that a small message cannot become a large one. A gzip may have several members in a row
(RFC 1952 §2.2), which are one message.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final

from mainstay.errors import Code, RpcError, TooLarge

__all__ = ["ACCEPTED", "COMPRESSORS", "compress", "decompress"]

_GZIP: Final = 16 + zlib.MAX_WBITS
_LEVEL: Final = 1
"""Speed before size: what is compressed here is compressed for every call."""


def _packer(window: int) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        machine = zlib.compressobj(_LEVEL, zlib.DEFLATED, window)
        return machine.compress(data) + machine.flush()

    return pack


COMPRESSORS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": _packer(_GZIP),
    "deflate": _packer(zlib.MAX_WBITS),
}
"""By the name on the wire."""

_WINDOWS: Final = {"gzip": _GZIP, "deflate": zlib.MAX_WBITS}

_MEMBERS: Final = 128
"""Of one gzip: what follows a member is copied for each. Even those that hold 64 KiB, as tools make
them which compress in blocks, are twice the longest message by default."""

ACCEPTED: Final = b"identity,gzip,deflate"
"""The value of ``grpc-accept-encoding``."""


def compress(name: str, data: bytes) -> bytes:
    """`data`, compressed."""
    return COMPRESSORS[name](data)


def decompress(name: str, data: bytes, limit: int) -> bytes:
    """What `data` was before.

    Args:
        name: ``gzip`` or ``deflate``.
        data: a whole message.
        limit: bytes that it may become.

    Raises: TooLarge; RpcError with INTERNAL for what cannot be decompressed.
    """
    out, rest = _member(name, data, limit, limit)
    if not rest:
        return out
    parts = [out]
    left = limit - len(out)
    while rest:
        if name != "gzip" or len(parts) == _MEMBERS:
            raise RpcError(Code.INTERNAL, f"a message is no whole {name}")
        out, rest = _member(name, rest, left, limit)
        left -= len(out)
        parts.append(out)
    return b"".join(parts)


def _member(name: str, data: bytes, left: int, limit: int) -> tuple[bytes, bytes]:
    """What the first member of `data` was before, and what follows it."""
    machine = zlib.decompressobj(_WINDOWS[name])
    try:
        out = machine.decompress(data, left + 1)
    except zlib.error:
        raise RpcError(Code.INTERNAL, f"a message is no {name}") from None
    if len(out) > left:
        raise TooLarge(f"a message is longer than the {limit} bytes allowed here when decompressed")
    if not machine.eof:
        raise RpcError(Code.INTERNAL, f"a message is no whole {name}")
    return out, machine.unused_data
