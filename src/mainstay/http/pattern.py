"""The path and the host of a route, as they are written: ``/users/{id:int}``, ``{tenant}.example.org``.

Patterns are written decoded, as a person reads them. A parameter takes one whole segment, or the
middle of one that begins or ends with fixed text (``/files/{name}.json``); ``{name:path}`` takes all
that is left, and stands last.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeAlias

from mainstay.errors import WiringError
from mainstay.http.converters import CONVERTERS, PATH, PLAIN, Converter

__all__ = ["Hole", "Part", "Pattern", "host_of", "parse_host", "parse_path"]

_HOLE: Final = re.compile(r"([^{}]*)\{([^{}]*)\}([^{}]*)")
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_STRANGE: Final = re.compile(r"[?#\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Hole:
    """A parameter in its segment.

    Attributes:
        name: of the parameter.
        converter: what it may be.
        prefix, suffix: fixed text of the segment around it.
    """

    name: str
    converter: Converter
    prefix: str = ""
    suffix: str = ""


Part: TypeAlias = "str | Hole"
"""A segment of a path or a label of a host: fixed, or with a parameter."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, taken apart.

    Attributes:
        text: as written.
        parts: the segments after the first slash, or the labels of the host.
    """

    text: str
    parts: tuple[Part, ...]

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The parameters, in order."""
        return tuple(part for part in self.parts if isinstance(part, Hole))

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(hole.name for hole in self.holes)

    @property
    def shape(self) -> tuple[object, ...]:
        """Equal for patterns that the same requests fit, whatever their parameters are called."""
        return tuple(
            part if isinstance(part, str) else (part.prefix, part.converter.name, part.suffix)
            for part in self.parts
        )


def parse_path(text: str) -> Pattern:
    """Take the path of a route apart.

    Raises: WiringError that says what is wrong with it.
    """
    if not text.startswith("/"):
        raise _fault(text, "a path begins with a slash")
    if encoded := _ENCODED.search(text):
        raise _fault(text, f"a path is written decoded, without {encoded[0]}")
    if strange := _STRANGE.search(text):
        raise _fault(text, f"a path cannot have {strange[0]!r} in it")
    return _pattern(text, text[1:].split("/"))


def parse_host(text: str) -> Pattern:
    """Take the host of a route apart; case does not matter, and neither does the port of a request.

    Raises: WiringError that says what is wrong with it.
    """
    if text.startswith("[") and text.endswith("]"):
        return Pattern(text, (text.lower(),))
    pattern = _pattern(text, text.split("."))
    fixed = "".join(
        part if isinstance(part, str) else part.prefix + part.suffix for part in pattern.parts
    )
    if ":" in fixed:
        raise _fault(text, "a host is matched on every port, so leave the port out")
    if "" in pattern.parts or "/" in fixed:
        raise _fault(text, "a host looks like example.org or {tenant}.example.org")
    if any(hole.converter is PATH for hole in pattern.holes):
        raise _fault(text, "a parameter of a host takes one label and cannot be a path")
    return Pattern(
        text,
        tuple(
            part.lower()
            if isinstance(part, str)
            else Hole(part.name, part.converter, part.prefix.lower(), part.suffix.lower())
            for part in pattern.parts
        ),
    )


def host_of(authority: str) -> str:
    """The host of an authority in lower case, without its port and the dot of the root."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].removesuffix(".").lower()


def _pattern(text: str, pieces: Sequence[str]) -> Pattern:
    parts = tuple(_part(text, piece) for piece in pieces)
    pattern = Pattern(text, parts)
    names = pattern.names
    for name in names:
        if names.count(name) > 1:
            raise _fault(text, f"the parameter {name!r} is there twice")
    if any(hole.converter is PATH for hole in Pattern(text, parts[:-1]).holes):
        raise _fault(text, "a parameter of kind 'path' takes all that is left, so it stands last")
    return pattern


def _part(text: str, piece: str) -> Part:
    if "{" not in piece and "}" not in piece:
        if piece.startswith("<") and piece.endswith(">"):
            raise _fault(text, f"parameters are written {{name}} or {{name:int}}, not {piece}")
        return piece
    found = _HOLE.fullmatch(piece)
    if found is None:
        why = "has braces that do not fit" if piece.count("{") < 2 else "has two parameters"  # noqa: PLR2004
        raise _fault(text, f"the part {piece!r} {why}; there may be one {{name}} between slashes")
    prefix, inside, suffix = found.groups()
    name, colon, kind = inside.partition(":")
    converter = CONVERTERS.get(kind) if colon else PLAIN
    if converter is None:
        raise _fault(text, _unknown(name, kind))
    if not name.isidentifier():
        raise _fault(text, f"{name!r} cannot name a parameter, since no argument is called so")
    if converter is PATH and (prefix or suffix):
        raise _fault(text, "a parameter of kind 'path' has a whole segment for itself")
    return Hole(name, converter, prefix, suffix)


def _unknown(name: str, kind: str) -> str:
    if name in CONVERTERS:
        return f"the name comes first: {{{kind}:{name}}}"
    near = get_close_matches(kind, CONVERTERS, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(CONVERTERS)}"
    return f"there is no kind of parameter {kind!r}; {hint}"


def _fault(text: str, what: str) -> WiringError:
    return WiringError(f"the route {text!r} cannot be: {what}")
