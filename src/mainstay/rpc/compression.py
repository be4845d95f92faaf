"""How messages are compressed: ``gzip`` and ``deflate``, with the standard library's zlib.

``deflate`` is zlib's format (RFC 1950), as gRPC means it. What is decompressed is bounded while it
grows, so that a small message cannot become a large one.
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
    machine = zlib.decompressobj(_WINDOWS[name])
    try:
        out = machine.decompress(data, limit + 1)
    except zlib.error:
        raise RpcError(Code.INTERNAL, f"a message is no {name}") from None
    if len(out) > limit:
        raise TooLarge(f"a message is longer than the {limit} bytes allowed here when decompressed")
    if not machine.eof or machine.unused_data:
        raise RpcError(Code.INTERNAL, f"a message is no whole {name}")
    return out
