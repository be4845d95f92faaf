"""Finding what a path stands for: a tree of segments, in which every place is looked at once at most.

A literal goes before ``*``, and that before ``**``; of a path with a colon in its last segment the
verb goes before the plain text. If the first template that fits has not the method, the next is
asked. This file is in the hot path of calls by JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

from mainstay.rpc.transcoding.template import ANY, REST, Template, Variable

__all__ = ["MalformedPath", "Matcher", "decode_text", "texts_of"]

T = TypeVar("T")

_SLASH: Final = re.compile(r"(%2[Ff])")

_ANY_VERB: Final = "*"
"""The verb of a rule for every method (``custom { kind: "*" }``)."""


class MalformedPath(ValueError):
    """A path that is not UTF-8 when it is decoded."""


class _Node(Generic[T]):
    __slots__ = ("any", "ends", "literals", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.any: _Node[T] | None = None
        self.rest: _Node[T] | None = None
        self.ends: dict[str, dict[str, T]] = {}
        """By the verb behind the colon, then by HTTP's method."""


class Matcher(Generic[T]):
    """Values by template and HTTP method."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._verbs: set[str] = set()

    def add(self, method: str, template: Template, value: T) -> T | None:
        """Keep `value`; or return what is at the same place already."""
        node = self._root
        for segment in template.segments:
            node = _step(node, segment)
        ends = node.ends.setdefault(template.verb, {})
        if template.verb:
            self._verbs.add(template.verb)
        found = ends.setdefault(method, value)
        return None if found is value else found

    def find(self, method: str, path: str) -> tuple[T, list[str]] | None:
        """What answers `method` at `path`, and the path's segments as they were sent.

        A segment that is not UTF-8 has its place like any other: that it is none is for whoever
        answers there to say.
        """
        for ends, raw in self._places(path):
            found = ends.get(method)
            if found is None and method == "HEAD":
                found = ends.get("GET")
            if found is None:
                found = ends.get(_ANY_VERB)
            if found is not None:
                return found, raw
        return None

    def methods(self, path: str) -> set[str]:
        """All methods that something answers at `path`; HEAD where GET is."""
        found = {method for ends, _ in self._places(path) for method in ends}
        found.discard(_ANY_VERB)
        return found | {"HEAD"} if "GET" in found else found

    def _places(self, path: str) -> Iterator[tuple[dict[str, T], list[str]]]:
        raw = path[1:].split("/")
        decoded = raw if "%" not in path else [_decode_somehow(each) for each in raw]
        if self._verbs:
            before, colon, said = raw[-1].rpartition(":")
            verb = _decode_somehow(said)
            if colon and verb in self._verbs:
                shorter = [*raw[:-1], before] if before or len(raw) == 1 else raw[:-1]
                last = [_decode_somehow(before)] if len(shorter) == len(raw) else []
                for node in _search(self._root, [*decoded[:-1], *last], 0):
                    if verb in node.ends:
                        yield node.ends[verb], shorter
        for node in _search(self._root, decoded, 0):
            if "" in node.ends:
                yield node.ends[""], raw


def _step(node: _Node[T], segment: str) -> _Node[T]:
    if segment == ANY:
        node.any = node.any or _Node()
        return node.any
    if segment == REST:
        node.rest = node.rest or _Node()
        return node.rest
    return node.literals.setdefault(segment, _Node())


def _search(node: _Node[T], segments: list[str], at: int) -> Iterator[_Node[T]]:
    if at == len(segments):
        yield node
        if node.rest is not None:
            yield node.rest
        return
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None:
        yield from _search(literal, segments, at + 1)
    if node.any is not None and segment:
        yield from _search(node.any, segments, at + 1)
    if node.rest is not None:
        yield node.rest


def texts_of(variable: Variable, raw: list[str]) -> str:
    """The text of a variable in a path that fits its template.

    Of one segment everything is decoded; of several all but ``%2F``, so that what was a slash in a
    name is not taken for one between names (google/api/http.proto).
    """
    if not variable.several:
        return decode_text(raw[variable.start])
    part = raw[variable.start : variable.end]
    return "/".join([_decode_but_slash(each) for each in part])


def decode_text(text: str) -> str:
    """Percent-encoded text, decoded. Raises: MalformedPath."""
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise MalformedPath("it is not UTF-8 when it is decoded") from None


def _decode_somehow(text: str) -> str:
    """The same; what is not UTF-8 becomes text that no template says."""
    try:
        return decode_text(text)
    except MalformedPath:
        return "\0"


def _decode_but_slash(text: str) -> str:
    if "%2" not in text:
        return decode_text(text)
    return "".join(
        [part if _SLASH.match(part) else decode_text(part) for part in _SLASH.split(text)]
    )
