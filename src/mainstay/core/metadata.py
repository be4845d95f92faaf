"""Key/value pairs that travel with a call, and who is at the other end."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Sequence, ValuesView
from dataclasses import dataclass
from typing import Self

__all__ = ["EMPTY", "Metadata", "Peer"]


class Metadata:
    """An immutable sequence of (key, value) pairs with lower-case keys; a key may come twice.

    It is what HTTP calls headers, gRPC metadata, and a broker message properties. Order is kept.
    Iterating goes over every pair. ``[key]``, `keys`, `values` and `items` are those of a mapping:
    every key once, with its first value; ``dict(metadata)`` is that mapping.
    """

    __slots__ = ("_decoded", "_raw")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._raw: Sequence[tuple[bytes, bytes]] = ()
        self._decoded: tuple[tuple[str, str], ...] | None = tuple(
            (key.lower(), value) for key, value in pairs
        )

    @classmethod
    def from_fields(cls, fields: Sequence[tuple[bytes, bytes]]) -> Self:
        """The same over fields as they came over the wire, with lower-case names; decoded (as
        Latin-1, which loses nothing) when somebody looks. `fields` must not change afterwards."""
        made = cls.__new__(cls)
        made._raw = fields
        made._decoded = None
        return made

    @staticmethod
    def from_packed(fields: Sequence[tuple[bytes, bytes]]) -> Metadata:
        """As `from_fields`, but decoded at every look, and not kept: for calls that last."""
        return _Packed.from_fields(fields)

    @property
    def _pairs(self) -> tuple[tuple[str, str], ...]:
        if self._decoded is None:
            self._decoded = _decode(self._raw)
        return self._decoded

    def get(self, key: str, default: str | None = None) -> str | None:
        """The first value of `key`, in whatever case it is given, or `default`."""
        key = key.lower()
        if self._decoded is None:
            # Most calls are asked for a name or two: that is no reason to decode them all.
            wanted = key.encode("latin-1", "replace")  # no name has the ? of what is not in it
            for field, text in self._raw:
                if field == wanted:
                    return text.decode("latin-1")
            return default
        for name, value in self._decoded:
            if name == key:
                return value
        return default

    def get_all(self, key: str) -> list[str]:
        """Every value of `key`, in order."""
        key = key.lower()
        return [value for name, value in self._pairs if name == key]

    def keys(self) -> KeysView[str]:
        """Every key once."""
        return self._firsts().keys()

    def values(self) -> ValuesView[str]:
        """The first value of every key."""
        return self._firsts().values()

    def items(self) -> ItemsView[str, str]:
        """Every key once, with its first value; iterate over the object itself for every pair."""
        return self._firsts().items()

    def _firsts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in self._pairs:
            found.setdefault(name, value)
        return found

    def __getitem__(self, key: str) -> str:
        """The first value of `key`, in whatever case it is given. Raises: KeyError."""
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Metadata) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        # Keys only: values may be credentials, and a repr ends up in logs.
        return f"<Metadata {' '.join(name for name, _ in self._pairs) or 'empty'}>"


class _Packed(Metadata):
    """See `Metadata.from_packed`."""

    __slots__ = ()

    @property
    def _pairs(self) -> tuple[tuple[str, str], ...]:
        return _decode(self._raw)


def _decode(raw: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)


EMPTY = Metadata()


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a call.

    Attributes:
        address: where it calls from, such as ``10.0.0.7:51234``, or ``local`` in process.
        identity: who it proved to be (a certificate's name), or None.
    """

    address: str
    identity: str | None = None
