"""The fields of a reply, or of a client's request: names in any case, order kept, checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from mainstay.errors import UsageError
from mainstay.wire.http1_reply import CheckedFields

__all__ = ["FRAMING", "HeaderSource", "Headers"]

HeaderSource: TypeAlias = "Headers | Mapping[str, str] | Iterable[tuple[str, str]]"

FRAMING: Final = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields that are written elsewhere: by the connection, or from `Response.content_type`."""

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE: Final = re.compile(r"[\0\r\n]")


class Headers:
    """A mutable list of (name, value); a name may come twice. Names are kept in lower case.

    Args:
        source: pairs to begin with.

    Raises: UsageError for a name that is no token, and for CR, LF or NUL in a value (RFC 9110 §5).
    """

    __slots__ = ("_pairs", "framed")

    framed: bool
    """Whether a field was added that is written elsewhere: see `FRAMING`."""

    def __init__(self, source: HeaderSource = ()) -> None:
        self._pairs: list[tuple[str, str]] = []
        self.framed = False
        if isinstance(source, Headers):
            self._pairs += source._pairs
            self.framed = source.framed
        else:
            for name, value in source.items() if isinstance(source, Mapping) else source:
                self.add(name, value)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`, or `default`."""
        name = name.lower()
        return next((value for key, value in self._pairs if key == name), default)

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order."""
        name = name.lower()
        return [value for key, value in self._pairs if key == name]

    def add(self, name: str, value: str) -> None:
        """Append a field, beside others of that name."""
        lower = _known.get(name) or _known_name(name)
        # What is printable has no line break; asking for that is quicker than searching.
        if not value.isprintable() and _BAD_VALUE.search(value):
            raise UsageError(f"the value of {name!r} has a line break or NUL in it: {value!r}")
        if lower in FRAMING:
            self.framed = True
        self._pairs.append((lower, value))

    def set(self, name: str, value: str) -> None:
        """Let `name` have this value only."""
        if self._pairs:
            self.remove(name)
        self.add(name, value)

    def set_default(self, name: str, value: str) -> None:
        """Let `name` have this value, unless it has one."""
        if name not in self:
            self.add(name, value)

    def remove(self, name: str) -> None:
        """Drop every field of that name."""
        name = name.lower()
        self._pairs = [pair for pair in self._pairs if pair[0] != name]

    def vary(self, name: str) -> None:
        """Name a request field that the reply depends on, once, in ``vary``."""
        if self.get("vary") is None:
            self.add("vary", name.lower())
            return
        listed = [each.strip().lower() for each in ",".join(self.get_all("vary")).split(",")]
        if name.lower() not in listed and "*" not in listed:
            self.set("vary", ", ".join([*filter(None, listed), name.lower()]))

    def fields(self) -> list[tuple[bytes, bytes]]:
        """As they go over the wire: UTF-8, which for ASCII is what RFC 9110 asks for."""
        return CheckedFields([(_encoded[name], value.encode()) for name, value in self._pairs])

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        # Names only: values may be credentials, and a repr ends up in logs.
        return f"<Headers {' '.join(name for name, _ in self._pairs) or 'empty'}>"


_known: dict[str, str] = {}
_encoded: dict[str, bytes] = {}
_MANY: Final = 10_000


def _known_name(name: str) -> str:
    """The name in lower case, checked; names are few, so each is looked at once."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a header field")
    lower = name.lower()
    if len(_known) < _MANY:
        _known[name] = lower
    # Never dropped: a `Headers` somewhere may have it still. A program that makes up names without
    # end has other troubles.
    _encoded[lower] = lower.encode("ascii")
    return lower
