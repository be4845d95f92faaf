"""Path templates of ``google.api.http`` (google/api/http.proto, "Path template syntax")::

    Template  = "/" Segments [ ":" LITERAL ]
    Segments  = Segment { "/" Segment }
    Segment   = "*" | "**" | LITERAL | Variable
    Variable  = "{" FieldPath [ "=" Segments ] "}"

``*`` is one segment that is not empty, ``**`` all that are left, also none: it stands last. A variable
without a pattern is ``*``, and there are none within variables. ``/`` alone is the root.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from mainstay.errors import WiringError

__all__ = ["ANY", "REST", "Template", "Variable", "parse_template"]

ANY: Final = "*"
REST: Final = "**"

_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_LITERAL: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=@:]|%[0-9A-Fa-f]{2})+\Z")
_PIECE: Final = re.compile(r"/((?:\{[^{}]*\}|[^/{}])*)")


@dataclass(frozen=True, slots=True)
class Variable:
    """What a part of the path is.

    Attributes:
        field: of the request, with dots for fields of fields.
        start, end: of its segments, the end excluded; None when it takes all that are left.
        several: whether it may be of more than one segment, so that its slashes are slashes, and
            ``%2F`` stays as it is.
    """

    field: str
    start: int
    end: int | None
    several: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A template, taken apart.

    Attributes:
        text: as written.
        segments: `ANY`, `REST`, and literals, decoded.
        verb: behind the colon; empty without one.
        variables: in order.
    """

    text: str
    segments: tuple[str, ...]
    verb: str
    variables: tuple[Variable, ...]

    @property
    def literal(self) -> bool:
        """Whether one path only fits."""
        return ANY not in self.segments and REST not in self.segments

    @property
    def shape(self) -> tuple[tuple[str, ...], str]:
        """Equal for templates that the same paths fit."""
        return self.segments, self.verb


def parse_template(text: str) -> Template:
    """Take a template apart.

    Raises: WiringError that says what is wrong with it.
    """
    if text == "/":
        return Template(text, ("",), "", ())
    pieces = _split(text)
    pieces[-1], verb = _split_verb(text, pieces[-1])
    segments: list[str] = []
    variables: list[Variable] = []
    for piece in pieces:
        if not piece.startswith("{"):
            segments.append(_segment(text, piece))
            continue
        name, equals, pattern = piece[1:-1].partition("=")
        if not piece.endswith("}") or not _FIELD.match(name):
            raise _fault(text, f"{piece!r} is no variable: {{field}} or {{field=pattern}}")
        if any(each.field == name for each in variables):
            raise _fault(text, f"{name!r} is in it twice")
        start = len(segments)
        inner = pattern.split("/") if equals else [ANY]
        segments += [_segment(text, each) for each in inner]
        rest = segments[-1] == REST
        end = None if rest else len(segments)
        variables.append(Variable(name, start, end, rest or len(inner) > 1))
    if REST in segments[:-1]:
        raise _fault(text, "** stands last, because it takes all that is left")
    return Template(text, tuple(segments), verb, tuple(variables))


def _split(text: str) -> list[str]:
    pieces = []
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            raise _fault(text, "it begins with a slash, and its braces are closed and not nested")
        pieces.append(found[1])
        at = found.end()
    if not pieces:
        raise _fault(text, "it is empty")
    return pieces


def _split_verb(text: str, piece: str) -> tuple[str, str]:
    brace = piece.rfind("}")
    colon = piece.rfind(":")
    if colon <= brace:
        return piece, ""
    verb = piece[colon + 1 :]
    if not verb or not _LITERAL.match(verb):
        raise _fault(text, "what follows the colon is no word")
    return piece[:colon], unquote(verb)


def _segment(text: str, piece: str) -> str:
    if piece in (ANY, REST):
        return piece
    if not piece:
        raise _fault(text, "a segment of it is empty")
    decoded = unquote(piece)
    if not _LITERAL.match(piece) or decoded in (ANY, REST):
        raise _fault(text, f"{piece!r} is no segment: text, *, ** or one {{variable}}")
    return decoded


def _fault(text: str, what: str) -> WiringError:
    return WiringError(f"the path {text!r} of google.api.http is wrong: {what}")
