"""From a method, a path and a host to what answers: a tree of segments.

Rules:

1. Segments are split before they are decoded, so ``%2F`` is data and never a border. Empty segments
   count: ``/a//b`` is not ``/a/b``. Dots are not special. A path that is not UTF-8 when it is decoded
   is malformed where it would fit: with U+FFFD it would be the same as many others.
2. At every segment fixed text goes before a parameter with fixed text around it (more text first),
   that before a typed parameter (the narrower first: see `converters`), that before ``{name}``, and
   that before ``{name:path}``. Whatever fails further on, or has not the method, is given up for the
   next candidate. The order of registration plays no part.
3. A host with fixed labels goes before one with parameters, before routes for any host.
4. GET answers HEAD where HEAD has no route of its own.

A path without parameters is one look-up. Any other is walked greedily, by rule 2 and without a
record of what was passed over; that walk is right whenever it arrives, and it arrives nearly always.
If it does not, `_Node.candidates` looks at every way in order. Both cost a number of steps that
depends on the path and on the kinds of parameters that stand in one place, not on how many routes
there are (measured by ``bench/routes.py``).

After httprouter and chi; theirs compare bytes, ours compares whole segments, because one dict
look-up is what Python does fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote, unquote

from mainstay.errors import WiringError
from mainstay.http.converters import PATH, PLAIN
from mainstay.http.pattern import Hole, Part, host_of, parse_host, parse_path

__all__ = ["ANY_METHOD", "WEBSOCKET", "Match", "Miss", "Router", "Slashes", "redirect_of"]

T = TypeVar("T")

ANY_METHOD: Final = "*"
"""Registered for it, a value answers to every method that has none of its own."""

WEBSOCKET: Final = "WEBSOCKET"
"""What stands for the method of a WebSocket; HTTP has no such method."""

Slashes = Literal["strict", "redirect", "ignore"]
"""What a trailing slash too much or too little means: another path, a redirect, nothing."""

Match: TypeAlias = tuple[T, Mapping[str, Any]]
"""What was registered, and the values of the parameters. A plain tuple: it is made per call."""

_NO_PARAMS: Final[Mapping[str, Any]] = MappingProxyType({})
# Of a path, what may stand in a Location as it is; a backslash may not: browsers read it as a slash.
_SAFE: Final = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing matches.

    Attributes:
        allowed: the methods that the path has, sorted; empty for an unknown path (404).
        websocket: the path takes WebSockets, and nothing or something else.
        redirect: the path to go to instead, encoded; None for none.
        malformed: something would match, but the path is not UTF-8 when it is decoded.
    """

    allowed: tuple[str, ...] = ()
    websocket: bool = False
    redirect: str | None = None
    malformed: bool = False


_UNKNOWN: Final = Miss()
_MALFORMED: Final = Miss(malformed=True)

_KNOWN: Final = 256
"""Authorities remembered at a time: peers choose them, so there is a bound."""


class _Entry(Generic[T]):
    """What answers to one method of one pattern."""

    __slots__ = ("defaults", "implied", "match", "names", "said", "value")

    def __init__(
        self, value: T, names: tuple[str, ...], defaults: Mapping[str, Any], said: str
    ) -> None:
        self.value = value
        self.names = names
        self.defaults = defaults
        self.said = said
        self.implied = False
        self.match: Match[T] = (value, defaults or _NO_PARAMS)

    def params(self, values: Sequence[Any]) -> Mapping[str, Any]:
        params = dict(zip(self.names, values, strict=True))
        return {**self.defaults, **params} if self.defaults else params

    def as_head(self) -> _Entry[T]:
        """The same, where nobody has said anything about HEAD."""
        other = _Entry(self.value, self.names, self.defaults, self.said)
        other.implied = True
        return other


_Entries: TypeAlias = "dict[str, _Entry[T]]"
_Tables: TypeAlias = "list[tuple[_Table[T], tuple[Any, ...]]]"


class _Edge(Generic[T]):
    """A parameter that leads to a node; `take` gives its value, or None for text that does not
    fit."""

    __slots__ = ("key", "node", "take")

    def __init__(self, hole: Hole) -> None:
        self.node: _Node[T] = _Node()
        around = len(hole.prefix) + len(hole.suffix)
        # Total, so that the order of registration never decides.
        self.key = (-around, hole.converter.rank, hole.prefix, hole.suffix)
        self.take = _taker(hole)


_EMPTY: Final[dict[str, Any]] = {}


class _Node(Generic[T]):
    """A place in the tree.

    Attributes:
        fixed: the nodes behind fixed segments.
        edges: the parameters, in the order in which they are tried.
        plain: the node behind ``{name}``, if that is the only edge.
        entries: what stands here, by method.
        rest: what takes all that is left from here, by method.
        below: for a label of a host: the tree of paths there.
    """

    __slots__ = ("below", "edges", "entries", "fixed", "plain", "rest")

    def __init__(self) -> None:
        # Shared until there is something to put in: most nodes have one of the four only.
        self.fixed: dict[str, _Node[T]] = _EMPTY
        self.edges: Sequence[_Edge[T]] = ()
        self.plain: _Node[T] | None = None
        self.entries: _Entries[T] = _EMPTY
        self.rest: _Entries[T] = _EMPTY
        self.below: _Table[T] | None = None

    def at(self, parts: Sequence[Part]) -> _Node[T]:
        """The node of `parts`, made if it is not there."""
        node = self
        for part in parts:
            node = node._step(part)
        return node

    def _step(self, part: Part) -> _Node[T]:
        if isinstance(part, str):
            if part not in self.fixed:
                self.fixed = self.fixed or {}
                self.fixed[part] = _Node()
            return self.fixed[part]
        new: _Edge[T] = _Edge(part)
        for edge in self.edges:
            if edge.key == new.key:
                return edge.node
        self.edges = sorted((*self.edges, new), key=lambda edge: edge.key)
        alone = len(self.edges) == 1 and new.key == _PLAIN_KEY
        self.plain = new.node if alone else None
        return new.node

    def candidates(
        self, segments: Sequence[str], start: int, values: tuple[Any, ...]
    ) -> Iterator[tuple[_Node[T], bool, tuple[Any, ...]]]:
        """Every place that fits `segments` from `start` on, by rule 2, with the values on the way
        there, and whether it takes all that is left."""
        if start == len(segments):
            yield self, False, values
            return
        segment = segments[start]
        if (fixed := self.fixed.get(segment)) is not None:
            yield from fixed.candidates(segments, start + 1, values)
        for edge in self.edges:
            if (value := edge.take(segment)) is not None:
                yield from edge.node.candidates(segments, start + 1, (*values, value))
        if self.rest:
            yield self, True, (*values, "/".join(segments[start:]))


def _taker(hole: Hole) -> Callable[[str], Any]:
    convert = hole.converter.convert
    prefix, suffix = hole.prefix, hole.suffix
    if not prefix and not suffix:
        return convert
    first, around = len(prefix), len(prefix) + len(suffix)

    def take(segment: str) -> Any:
        if len(segment) <= around or not segment.startswith(prefix) or not segment.endswith(suffix):
            return None
        return convert(segment[first : len(segment) - len(suffix)])

    return take


_PLAIN_KEY: Final = _Edge[Any](Hole("", PLAIN)).key


class _Table(Generic[T]):
    """The paths of one host, or of any.

    Attributes:
        whole: what answers to paths without parameters, by path and method.
        root: the tree of all of them.
    """

    __slots__ = ("root", "whole")

    def __init__(self) -> None:
        self.whole: dict[str, _Entries[T]] = {}
        self.root: _Node[T] = _Node()

    def match(self, method: str, path: str, of_host: Sequence[Any] = ()) -> Match[T] | None:
        """What the greedy walk finds: right if it is not None.

        Written out, because it runs for every request.
        """
        entries = self.whole.get(path)
        if entries is not None and (entry := entries.get(method)) is not None:
            return entry.match
        node = self.root
        values: list[Any] = [*of_host]
        segments = iter(path.split("/") if "%" not in path else _segments(path))
        for segment in segments:
            child = node.fixed.get(segment)
            if child is None:
                child = node.plain
                if child is not None and segment:
                    values.append(segment)
                else:
                    for edge in node.edges:
                        value = edge.take(segment)
                        if value is not None:
                            values.append(value)
                            child = edge.node
                            break
                    else:
                        values.append("/".join((segment, *segments)))
                        entries = node.rest
                        break
            node = child
        else:
            entries = node.entries
        entry = entries.get(method) or entries.get(ANY_METHOD)
        if entry is None:
            return None
        names = entry.names
        if len(names) == 1 and not entry.defaults:
            return entry.value, {names[0]: values[0]}
        return entry.value, entry.params(values)

    def places(self, path: str) -> Iterator[tuple[_Entries[T], tuple[Any, ...]]]:
        """What answers to `path` by method, and the values for it, best first."""
        for node, takes_rest, values in self.root.candidates(_segments(path), 0, ()):
            yield (node.rest if takes_rest else node.entries), values


_MALFORMED_PATH: Final = ["malformed"]  # all others begin with an empty segment


def _segments(path: str) -> list[str]:
    """Decoded; `_MALFORMED_PATH`, which fits nothing, for what is not UTF-8 then."""
    try:
        return [unquote(each, errors="strict") if "%" in each else each for each in path.split("/")]
    except UnicodeDecodeError:
        return _MALFORMED_PATH


def _as_text(path: str) -> str:
    """The path, encoded, with U+FFFD in the place of what is not UTF-8."""
    return "/".join(quote(unquote(segment), safe="") for segment in path.split("/"))


class Router(Generic[T]):
    """Values by method, path and host.

    Args:
        slashes: see `Slashes`.
        lenient: whether a value answers to a path that is not UTF-8 as well, with U+FFFD in it.

    Attributes:
        slashes: as given.
    """

    def __init__(
        self, slashes: Slashes = "strict", lenient: Callable[[T], bool] = lambda value: False
    ) -> None:
        self.slashes = slashes
        self._lenient = lenient
        self._any: _Table[T] = _Table()
        self._hosts: _Node[T] | None = None
        self._known: dict[str, _Tables[T]] = {}

    def add(
        self,
        method: str,
        path: str,
        value: T,
        host: str | None = None,
        *,
        defaults: Mapping[str, Any] = _NO_PARAMS,
        said: str = "",
    ) -> None:
        """Register `value`.

        Args:
            method: upper case, or `WEBSOCKET`, or `ANY_METHOD`.
            path: a pattern.
            value: what a match gives back.
            host: a pattern; None for any.
            defaults: values of parameters that the pattern does not have.
            said: how to name it in the message about a conflict.

        Raises: WiringError for a pattern that cannot be, and for one that the same requests fit as
        one before.
        """
        said = said or f"{method} {host or ''}{path}"
        self._known.clear()
        # The empty segment before the first slash tells paths from "*" and from authorities.
        parts: tuple[Part, ...] = ("", *parse_path(path).parts)
        names = tuple(part.name for part in parts if isinstance(part, Hole))
        table = self._any
        if host is not None:
            of_host = parse_host(host)
            if twice := set(names) & set(of_host.names):
                message = f"{said} has the parameter {min(twice)!r} in its host and in its path"
                raise WiringError(message)
            names = of_host.names + names
            self._hosts = self._hosts or _Node()
            label = self._hosts.at(of_host.parts)
            table = label.below = label.below or _Table()
        last = parts[-1]
        takes_rest = isinstance(last, Hole) and last.converter is PATH
        node = table.root.at(parts[:-1] if takes_rest else parts)
        if takes_rest:
            entries = node.rest = node.rest or {}
        else:
            entries = node.entries = node.entries or {}
        other = entries.get(method)
        if other is not None and not other.implied:
            message = f"{said} answers to the same requests as {other.said}"
            raise WiringError(message)
        entry = entries[method] = _Entry(value, names, dict(defaults), said)
        if method == "GET":
            entries.setdefault("HEAD", _Entry.as_head(entry))
        if not names:
            table.whole[path] = entries

    def match(self, method: str, path: str, host: str = "") -> Match[T] | Miss:
        """What answers to a request.

        Args:
            method: as sent; `WEBSOCKET` for one that wants a WebSocket.
            path: as sent, without the query.
            host: the authority as sent; its port does not matter.
        """
        if self._hosts is None:
            found = self._any.match(method, path)
            if found is not None:
                return found
        return self._search(method, path, host)

    def _match_malformed(self, method: str, path: str, host: str) -> Match[T] | Miss:
        found = self._search(method, _as_text(path), host)
        if isinstance(found, Miss):
            return found if found.redirect is None else _MALFORMED
        return found if self._lenient(found[0]) else _MALFORMED

    def _search(self, method: str, path: str, host: str) -> Match[T] | Miss:
        tables = self._tables(host)
        found = _look(tables, method, path)
        if isinstance(found, Miss) and not found.allowed and not found.websocket:
            if "%" in path and _segments(path) is _MALFORMED_PATH:
                return self._match_malformed(method, path, host)
            other = _with_other_end(path)
            if self.slashes == "strict" or len(path) < len("/a"):
                return found
            instead = _look(tables, method, other)
            if self.slashes == "ignore":
                return instead
            if not isinstance(instead, Miss):
                return Miss(redirect=_location(other))
        return found

    def _tables(self, host: str) -> _Tables[T]:
        """What to look at for this authority, best first."""
        known = self._known.get(host)
        if known is not None:
            return known
        tables: _Tables[T] = []
        if self._hosts is not None:
            name = host_of(host)
            labels = [name] if name.startswith("[") else name.split(".")
            for node, _, values in self._hosts.candidates(labels, 0, ()):
                if node.below is not None:
                    tables.append((node.below, values))
        tables.append((self._any, ()))
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[host] = tables
        return tables


def redirect_of(path: str, answers: Callable[[str], bool]) -> Miss | None:
    """The redirect from a path with a slash too much or too little at its end to one that `answers`
    says is answered; None for no such path."""
    other = _with_other_end(path)
    if len(path) < len("/a") or not answers(other):
        return None
    return Miss(redirect=_location(other))


def _with_other_end(path: str) -> str:
    return path[:-1] if path.endswith("/") else f"{path}/"


def _location(path: str) -> str | None:
    # With two slashes in front it would lead to another host.
    return None if path.startswith("//") else quote(path, safe=_SAFE)


def _look(tables: _Tables[T], method: str, path: str) -> Match[T] | Miss:
    """The first place in `tables` that has the method; else what methods there are."""
    allowed: set[str] = set()
    for table, of_host in tables:
        if (found := table.match(method, path, of_host)) is not None:
            return found
        for entries, of_path in table.places(path):
            entry = entries.get(method) or entries.get(ANY_METHOD)
            if entry is not None:
                return entry.value, entry.params((*of_host, *of_path))
            allowed |= entries.keys()
    if not allowed:
        return _UNKNOWN
    methods = allowed - {WEBSOCKET}
    if methods:
        methods.add("OPTIONS")
    return Miss(tuple(sorted(methods)), websocket=WEBSOCKET in allowed)
