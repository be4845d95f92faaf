"""Where a handler's parameter comes from, said in its annotation.

::

    async def search(
        filters: Annotated[Filters, Query],                 # every field from the query
        user: Annotated[int, Query(name="user-id")],
        agent: Annotated[str, Header(name="user-agent")] = "",
    ) -> list[Item]: ...

A marker is needed only where the type alone does not say it; see ``docs/howto/requests.md``. The
class itself stands for one without arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias

from mainstay.errors import UsageError

__all__ = [
    "Body",
    "Cookie",
    "Upload",
    "Form",
    "Header",
    "Json",
    "Marker",
    "Path",
    "Query",
    "RawBody",
    "Source",
    "marker_of",
]

Source: TypeAlias = Literal[
    "path", "query", "header", "cookie", "json", "form", "file", "raw", "stream", "request"
]
"""A part of the request: ``raw`` is the whole body as bytes, ``stream`` the same as it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Base of the markers.

    Args:
        name: as the request calls it, where that is not the parameter's name.
        description: for OpenAPI.
        examples: for OpenAPI.
        deprecated: for OpenAPI.
        documented: whether OpenAPI lists it.
        default_factory: makes the value for a request without one.

    Raises: UsageError for a value without a name, and for an option that it has not.
    """

    source: ClassVar[Source]

    name: str | None = None
    description: str | None = None
    examples: tuple[Any, ...] | Mapping[str, Any] = ()
    deprecated: bool = False
    documented: bool = True
    default_factory: Callable[[], Any] | None = None

    def __new__(cls, *values: Any, **options: Any) -> Self:
        """Say what to write instead of what other frameworks take here."""
        if values:
            raise UsageError(
                f"{cls.__name__}({values[0]!r}) says no name of what it gives: "
                f"{_DEFAULT.format(cls.__name__)}; another name is {cls.__name__}(name=…)"
            )
        known = [each.name for each in fields(cls)]
        for option in options:
            if option not in known:
                hint = _hint(option, cls.__name__, known)
                raise UsageError(f"{cls.__name__} has no option {option!r}; {hint}")
        return object.__new__(cls)


_DEFAULT: Final = "a default stands behind the parameter, as in `x: Annotated[int, {0}] = 1`"
_CONSTRAINT: Final = (
    "constraints stand beside the marker, as in `Annotated[int, {0}, msgspec.Meta(ge=1)]`"
)
_INSTEAD: Final = {
    "alias": "write {0}(name=…)",
    "validation_alias": "write {0}(name=…)",
    "default": _DEFAULT,
    "title": "write {0}(description=…)",
    "example": "write {0}(examples=(…,))",
    "include_in_schema": "write {0}(documented=False)",
    **dict.fromkeys(
        ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "regex"),
        _CONSTRAINT,
    ),
}


def _hint(option: str, marker: str, known: Sequence[str]) -> str:
    instead = _INSTEAD.get(option)
    if instead is not None:
        return instead.format(marker)
    near = get_close_matches(option, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"


class Path(Marker):
    """From the path of the route."""

    __slots__ = ()
    source = "path"


class Query(Marker):
    """From the query: a value, a list for a name that comes several times, or a model."""

    __slots__ = ()
    source = "query"


class Header(Marker):
    """From a field of the head; ``x_token`` is called ``x-token`` unless `name` says otherwise.

    A list takes every field of the name, and the members of comma-separated ones (RFC 9110 §5.6.1).
    """

    __slots__ = ()
    source = "header"


class Cookie(Marker):
    """From a cookie."""

    __slots__ = ()
    source = "cookie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Json(Marker):
    """The body, as JSON.

    Args:
        media_types: accepted beside ``application/json`` and those that end in ``+json``.
    """

    source = "json"
    media_types: tuple[str, ...] = ()


Body: Final = Json


class Form(Marker):
    """From a form in the body, urlencoded or multipart: a field, a list, or a model of all."""

    __slots__ = ()
    source = "form"


class Upload(Marker):
    """A file of a multipart form."""

    __slots__ = ()
    source = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBody(Marker):
    """The body as it is: ``bytes``, or ``AsyncIterator[bytes]`` to read it as it comes.

    Args:
        media_types: accepted; empty for any, and then none need be named.
    """

    source = "raw"
    media_types: tuple[str, ...] = ()


def marker_of(value: Any) -> Marker | None:
    """`value` as a marker, if it is one: the class stands for one without arguments."""
    if isinstance(value, type) and issubclass(value, Marker) and value is not Marker:
        return value()
    return value if isinstance(value, Marker) else None
