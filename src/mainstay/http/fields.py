"""Where each parameter of a handler comes from, and what OpenAPI says about it.

What a marker says holds. Without one, the first that fits:

1. the path has a parameter of that name;
2. the type says it: `Request`, a form, an `UploadFile`, ``bytes``, ``AsyncIterator[bytes]``;
3. a value that text can stand for, or a list of them: the query;
4. a model or other data: the JSON body of a method that has one.

What could mean two things is refused when the service starts, with what to write instead.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from types import NoneType, UnionType
from typing import Any, Final, NoReturn, Union, get_args, get_origin

from mainstay.core.signature import MISSING, Parameter, say_type, where
from mainstay.errors import UsageError, WiringError
from mainstay.http.call import HttpCall
from mainstay.http.forms import FormData, Part
from mainstay.http.middleware.principal import Principal
from mainstay.http.models import members_of
from mainstay.http.pattern import Hole, parse_host, parse_path
from mainstay.http.request import Request
from mainstay.http.route import Route
from mainstay.http.shapes import Kind, Shape, is_default_of, shape_of, unwrap
from mainstay.http.sources import Json, Marker, RawBody, Source, Upload, marker_of
from mainstay.http.uploads import UploadFile

__all__ = ["Field", "Reader", "holes_of"]

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""Methods whose content means nothing (RFC 9110 §9.3), so that it has to be asked for."""
_STREAMS: Final = frozenset({abc.AsyncIterator, abc.AsyncIterable, abc.AsyncGenerator})
_OF_THE_BODY: Final = frozenset({"json", "form", "file", "raw", "stream"})
_BY_TYPE: Final[Mapping[Any, Source]] = {
    Request: "request",
    HttpCall: "request",
    FormData: "form",
}
_IN_TEXT: Final = frozenset({"path", "query", "header", "cookie", "form"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter of a handler, or one field of a model that is spread over the request.

    Attributes:
        parameter: of the handler; of the model, in `members`.
        source: where it comes from.
        key: what the request calls it; empty for a body, a model and the request itself.
        shape: its type: `shape.annotation` has its constraints.
        required: whether a request without it is refused.
        default: its default, or `MISSING`; also when a factory makes it.
        default_factory: makes the default.
        members: of a model that takes all its fields from `source`.
        media_types: of a body, beyond those its source stands for.
        description, examples, deprecated, documented: see `Marker`.
    """

    parameter: str
    source: Source
    key: str
    shape: Shape
    required: bool
    default: Any = MISSING
    default_factory: Callable[[], Any] | None = None
    members: tuple[Field, ...] = ()
    media_types: tuple[str, ...] = ()
    description: str | None = None
    examples: Any = ()
    deprecated: bool = False
    documented: bool = True

    @property
    def annotation(self) -> Any:
        """The type with its constraints, as msgspec or pydantic understands it."""
        return self.shape.annotation

    @property
    def of_the_body(self) -> bool:
        """Whether it comes from the body."""
        return self.source in _OF_THE_BODY

    @property
    def pointer(self) -> str:
        """Where faults of it are said to be."""
        part = {"json": "body", "file": "form", "raw": "body"}.get(self.source, self.source)
        return f"/{part}/{self.key}" if self.key else f"/{part}"


def holes_of(route: Route) -> dict[str, Hole]:
    """The parameters of the route's path and host, by name."""
    holes = [] if route.host is None else list(parse_host(route.host).holes)
    return {hole.name: hole for hole in (*holes, *parse_path(route.path or "/").holes)}


@dataclass(slots=True)
class Reader:
    """Reads the parameters of one handler.

    Args:
        function: for messages.
        route: what it answers.
    """

    function: Callable[..., Any]
    route: Route
    holes: dict[str, Hole] = field(init=False)

    def __post_init__(self) -> None:
        self.holes = holes_of(self.route)

    def field_of(self, parameter: Parameter) -> Field | None:
        """Where `parameter` comes from; None for one whose default is all there is.

        Raises: WiringError that names it and says what to write.
        """
        annotation = parameter.annotation
        if marker_of(parameter.default) is not None:
            word = type(marker_of(parameter.default)).__name__
            self._refuse(parameter, f"a marker is no default; write Annotated[…, {word}]")
        if annotation is MISSING:
            if parameter.name not in self.holes:
                self._refuse_bare(parameter)
            annotation = self.holes[parameter.name].converter.type
        self._check_who(parameter, annotation)
        special = self._special(parameter, annotation)
        if special is not None:
            return special
        try:
            shape = shape_of(annotation)
        except UsageError as error:
            self._refuse(parameter, error.message)
        if shape.marker is not None:
            return self._marked(parameter, shape, shape.marker)
        if parameter.name in self.holes or parameter.name in self.route.defaults:
            return self._made(parameter, shape, Marker(), "path")
        if shape.kind is Kind.OTHER:
            if parameter.default is not MISSING:
                return None
            self._refuse(
                parameter,
                f"a request holds no {say_type(annotation)}, and no resource provides it; declare it "
                "with @service.resource, or take a msgspec Struct, a dataclass or a pydantic model",
            )
        return self._made(parameter, shape, Marker(), self._by_kind(parameter, shape))

    def _refuse_bare(self, parameter: Parameter) -> NoReturn:
        """Refuse what has neither a hole nor a type."""
        first = next(iter(signature(self.function).parameters), None)
        if parameter.name == "self" == first:
            hint = (
                "; a method is no handler: declare a function, or decorate the method of an "
                "instance, as in service.get(…)(instance.method)"
            )
        else:
            hint = (
                ": say what it is, as in `page: int` for the query or `order: Order` for the body"
            )
        said = "it has no annotation, so nobody knows where it comes from"
        self._refuse(parameter, f"{said}{hint}")

    # --- by rule --------------------------------------------------------------------------------

    def _special(self, parameter: Parameter, annotation: Any) -> Field | None:
        """A parameter whose type says where it comes from, marked or not."""
        marker: Marker | None = None
        if hasattr(annotation, "__metadata__"):
            marker = next(filter(None, map(marker_of, annotation.__metadata__)), None)
        plain = unwrap(annotation)
        options = [each for each in get_args(plain) if each is not NoneType]
        if get_origin(plain) in (Union, UnionType) and len(options) == 1:
            plain = unwrap(options[0])
        source = _BY_TYPE.get(plain) if isinstance(plain, type) else None
        if plain is UploadFile or (get_origin(plain) is list and get_args(plain) == (UploadFile,)):
            source = "file"
        elif get_origin(plain) in _STREAMS and get_args(plain)[:1] in ((bytes,), (Part,)):
            source = "stream"
        elif plain is bytes and (marker is None or isinstance(marker, RawBody)):
            source = "raw"
        if source is None:
            return None
        if marker is not None and not isinstance(marker, _MARKERS_OF[source]):
            self._refuse(parameter, f"{say_type(plain)} cannot come from {type(marker).__name__}")
        if source in _OF_THE_BODY and marker is None:
            self._need_body(parameter, plain)
        shape = Shape(plain, plain, nullable=True, kind=Kind.OTHER, pydantic=False, marker=marker)
        made = self._made(parameter, shape, marker or Marker(), source)
        return made if source == "file" else replace(made, key="")

    def _check_who(self, parameter: Parameter, annotation: Any) -> None:
        """Who calls is what they have proved, and never what a request says of itself."""
        options = [unwrap(each) for each in (annotation, *get_args(unwrap(annotation)))]
        if any(isinstance(each, type) and issubclass(each, Principal) for each in options):
            self._refuse(
                parameter,
                f"{say_type(annotation)} is never taken from a request; write `Principal` or "
                "`Principal | None` alone for who calls, as the service's authentication found it",
            )

    def _by_kind(self, parameter: Parameter, shape: Shape) -> Source:
        body = self._has_body()
        said = say_type(shape.core)
        if shape.kind is Kind.SCALAR:
            return "query"
        if shape.kind is Kind.SCALARS:
            if body:
                self._refuse(
                    parameter,
                    f"it could be the query or the body; write Annotated[{said}, Query] or "
                    f"Annotated[{said}, Json]",
                )
            return "query"
        if not body:
            verbs = "/".join(self.route.methods) or self.route.kind
            self._refuse(
                parameter,
                f"{verbs} has no body to take it from; write Annotated[{said}, Query] to take it "
                "from the query"
                + (
                    f", or Annotated[{said}, Json] for a body all the same"
                    if self.route.kind == "http"
                    else ""
                ),
            )
        return "json"

    def _has_body(self) -> bool:
        return self.route.kind == "http" and not _WITHOUT_BODY.issuperset(self.route.methods)

    def _need_body(self, parameter: Parameter, annotation: Any) -> None:
        if not self._has_body():
            verbs = "/".join(self.route.methods) or self.route.kind
            self._refuse(
                parameter,
                f"{verbs} has no body; if it has one here, write "
                f"Annotated[{say_type(annotation)}, RawBody]",
            )

    # --- by marker ------------------------------------------------------------------------------

    def _marked(self, parameter: Parameter, shape: Shape, marker: Marker) -> Field:
        source = marker.source
        name = marker.name or parameter.name
        if self.route.kind != "http" and source in _OF_THE_BODY:
            self._refuse(parameter, f"a {self.route.kind} has no body to take it from")
        if source == "path" and name not in self.holes and name not in self.route.defaults:
            there = ", ".join(self.holes) or "none"
            self._refuse(parameter, f"the path {self.route.path!r} has no {name!r}; it has {there}")
        if isinstance(marker, Upload | RawBody):
            wanted = "UploadFile" if isinstance(marker, Upload) else "bytes or AsyncIterator[bytes]"
            self._refuse(
                parameter, f"{type(marker).__name__} is for {wanted}, not {say_type(shape.core)}"
            )
        if shape.kind is Kind.OTHER or (source in _IN_TEXT and shape.kind is Kind.DATA):
            word = type(marker).__name__
            self._refuse(parameter, f"{say_type(shape.core)} cannot come from {word}")
        if source in ("path", "cookie") and shape.kind is Kind.SCALARS:
            self._refuse(parameter, f"there is one value of it in the {source}, and no list")
        return self._made(parameter, shape, marker, source)

    def _made(self, parameter: Parameter, shape: Shape, marker: Marker, source: Source) -> Field:
        name = marker.name or parameter.name
        default, factory = parameter.default, marker.default_factory
        if (
            default is not MISSING
            and shape.kind is Kind.SCALAR
            and not is_default_of(shape, default)
        ):
            none = f"; write `{say_type(shape.core)} | None`" if default is None else ""
            self._refuse(parameter, f"its default {default!r} is no {say_type(shape.core)}{none}")
        if default is not MISSING and factory is not None:
            self._refuse(parameter, "it has a default and a default_factory; leave one out")
        if source == "path":
            self._check_path(parameter, shape, name)
            default = self.route.defaults.get(name, default)
        members: tuple[Field, ...] = ()
        if shape.kind is Kind.MODEL and source in _IN_TEXT:
            if source == "path":
                self._refuse(parameter, "one parameter of the path makes no model")
            members = self._members(parameter, shape, source)
        elif shape.nullable and default is MISSING and factory is None and source in _IN_TEXT:
            default = None  # text cannot say null: to leave it out is the only way
        return Field(
            parameter=parameter.name,
            source=source,
            key="" if members or source in ("json", "request") else _key(source, marker, name),
            shape=shape,
            required=default is MISSING and factory is None,
            default=default,
            default_factory=factory,
            members=members,
            media_types=marker.media_types if isinstance(marker, Json | RawBody) else (),
            description=marker.description or _description(shape.annotation),
            examples=marker.examples,
            deprecated=marker.deprecated,
            documented=marker.documented,
        )

    def _members(self, parameter: Parameter, shape: Shape, source: Source) -> tuple[Field, ...]:
        found = []
        for member in members_of(shape.core):
            annotation = member.annotation
            try:
                inner = shape_of(annotation)
            except UsageError as error:
                self._refuse(parameter, f"its field {member.name!r}: {error.message}")
            if inner.kind not in (Kind.SCALAR, Kind.SCALARS):
                self._refuse(
                    parameter,
                    f"its field {member.name!r} is {say_type(annotation)}, which the {source} "
                    "cannot hold",
                )
            marker = inner.marker or Marker()
            if inner.marker is not None and marker.source != source:
                self._refuse(parameter, f"its field {member.name!r} cannot come from another place")
            # A name that the model itself gives stands as it is.
            named = marker if marker.name or member.key == member.name else Marker(name=member.key)
            default = member.default() if member.default is not None else MISSING
            found.append(
                Field(
                    parameter=member.key,
                    source=source,
                    key=_key(source, named, member.name),
                    shape=inner,
                    required=member.required,
                    default=default,
                    description=marker.description or _description(inner.annotation),
                    examples=marker.examples,
                    deprecated=marker.deprecated,
                    documented=marker.documented,
                )
            )
        return tuple(found)

    def _check_path(self, parameter: Parameter, shape: Shape, name: str) -> None:
        if shape.kind is not Kind.SCALAR:
            self._refuse(parameter, f"the path cannot hold {say_type(shape.core)}")
        hole = self.holes.get(name)
        if hole is None or hole.converter.type is str:
            return
        kind = hole.converter.type
        core = unwrap(shape.core)
        if core is kind or (core is float and kind is int) or not isinstance(core, type):
            return
        if core in (str, bool) or core.__module__ in ("builtins", "datetime", "uuid"):
            self._refuse(
                parameter,
                f"the path says {hole.converter.name!r} and the annotation {say_type(core)}; "
                f"write {{{name}}} in the path, or {name}: {kind.__name__}",
            )

    def _refuse(self, parameter: Parameter, what: str) -> NoReturn:
        raise WiringError(
            f"{where(self.function)}: parameter {parameter.name!r} of "
            f"{self.route.method_name}: {what}"
        )


_MARKERS_OF: Final[Mapping[str, tuple[type[Marker], ...]]] = {
    "file": (Upload,),
    "form": (),
    "raw": (RawBody,),
    "request": (),
    "stream": (RawBody,),
}


def _key(source: Source, marker: Marker, name: str) -> str:
    if source == "header":
        return (marker.name or name.replace("_", "-")).lower()
    return name if marker.name is None else marker.name


def _description(annotation: Any) -> str | None:
    """What a msgspec.Meta or a field of pydantic's around the type says of it."""
    for extra in getattr(annotation, "__metadata__", ()):
        said = getattr(extra, "description", None)
        if isinstance(said, str):
            return said
    return None
