"""Metadata as clients see it: pairs of a name and text, or bytes where the name ends with ``-bin``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from mainstay.rpc.framed import wire_fields
from mainstay.wire.grpc import decode_binary

__all__ = ["MetadataSource", "PairTuple", "pairs_of", "to_fields"]

PairTuple: TypeAlias = tuple[tuple[str, str | bytes], ...]

MetadataSource: TypeAlias = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]
"""What can be given as metadata."""

_OURS: Final = frozenset(
    {b"content-type", b"grpc-status", b"grpc-message", b"grpc-encoding", b"grpc-accept-encoding"}
)


def pairs_of(fields: Sequence[tuple[bytes, bytes]]) -> PairTuple:
    """What the server sent, without the protocol's own fields. Binary values that were joined by
    commas on the way are several (gRPC over HTTP/2, "Custom-Metadata"); what is no base64 is left
    out."""
    found: list[tuple[str, str | bytes]] = []
    for name, value in fields:
        if name in _OURS:
            continue
        text = name.decode("latin-1")
        if not text.endswith("-bin"):
            found.append((text, value.decode("latin-1")))
            continue
        for part in value.split(b","):
            try:
                found.append((text, decode_binary(part.strip())))
            except ValueError:
                continue
    return tuple(found)


def to_fields(source: MetadataSource) -> list[tuple[bytes, bytes]]:
    """What goes over the wire. Raises: UsageError for what cannot."""
    pairs = source.items() if isinstance(source, Mapping) else source
    return wire_fields([(name, value) for name, value in pairs])
