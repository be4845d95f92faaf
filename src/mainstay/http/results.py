"""What handlers return, as responses.

==================================  ================================================================
a `Response`                        as it is; the route's status does not apply
None                                204, no body
text                                ``text/plain; charset=utf-8``
bytes, bytearray, memoryview        ``application/octet-stream``
structs, dataclasses, TypedDicts,   JSON: attrs and pydantic classes, dicts, lists, numbers, UUIDs,
and so on                           dates, Decimals, Enums, … too; see `mainstay.http.encode`
async iterator of bytes             a body that is sent as it comes
async iterator of text              the same, as UTF-8
async iterator of `Event`           server-sent events; `EventStream[T]` too
async iterator of anything else     one JSON value a line, ``application/x-ndjson``
==================================  ================================================================

The type of the *value* decides, by one look into a table that each route has; the annotation
decides what cannot be known from the value, which is what an iterator yields, and is checked once,
at the start. ``Annotated[…, ContentType("text/csv")]`` names another type for text and bytes.

``return body, status`` means nothing here: a tuple is a JSON array, and guessing which tuples are
not would depend on what is in them. Return a `Response`, or give the route its ``status=``.
Whoever calls a responder awaits `Prepared.prepare` when it gets a `Prepared`.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
)
from typing import Annotated, Any, Final, Union, get_args, get_origin

from mainstay.core.signature import MISSING, say_type, where
from mainstay.errors import UsageError, WiringError
from mainstay.http.encode import is_model, json_encoder, unsayable
from mainstay.http.response import Response
from mainstay.http.route import Route
from mainstay.http.sse import EVENTS, Event, event_response

__all__ = ["JSON", "JSON_LINES", "ContentType", "alternatives_of", "responder", "yields_of"]

JSON: Final = "application/json"
JSON_LINES: Final = "application/x-ndjson"

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_ASYNC: Final = (AsyncIterator, AsyncGenerator, AsyncIterable)
_BLOCKING: Final = (Iterator, Generator)
_BODILESS: Final = (204, 205, 304)
_KINDS_KEPT: Final = 256

Maker = Callable[[Any], Response]


class ContentType(str):
    """In ``Annotated[str, ContentType("text/csv")]``: the media type of text or bytes returned."""

    __slots__ = ()


def alternatives_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, however it is written; else `annotation` alone. `Annotated` is
    taken off the outside, and stays on iterators, where it may say `EventStream`."""
    if get_origin(annotation) is Annotated:
        inner = annotation.__origin__
        if get_origin(inner) not in (Union, types.UnionType):
            return (annotation,) if yields_of(inner) is not None else (inner,)
        annotation = inner
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(each for arg in get_args(annotation) for each in alternatives_of(arg))
    return (annotation,)


def yields_of(annotation: Any) -> Any:
    """What an annotation of an async iterator says that it yields: a type, `EVENTS` for server-sent
    events, MISSING when it does not say; None when it is no async iterator."""
    if get_origin(annotation) is Annotated:
        inner = yields_of(annotation.__origin__)
        return EVENTS if inner is not None and EVENTS in annotation.__metadata__ else inner
    if annotation in _ASYNC:
        return MISSING
    if get_origin(annotation) not in _ASYNC:
        return None
    item = get_args(annotation)[0]
    members = [each for each in alternatives_of(item) if each is not type(None)]
    return EVENTS if any((get_origin(each) or each) is Event for each in members) else item


def responder(annotation: Any, route: Route) -> Callable[[Any], Response]:
    """A function from what the handler of `route` returns to a response.

    Args:
        annotation: what the handler says that it returns, resolved; MISSING if it does not.
        route: its status applies to every value that is no `Response`.

    Raises: WiringError for an annotation that no reply can be made of.

    The function raises: UsageError for a value that no reply can be made of.
    """
    place = where(route.function)
    alternatives = alternatives_of(annotation)
    _check(annotation, alternatives, route, place)
    makers = _Makers(annotation, alternatives, route, place)
    kinds = makers.kinds
    discover = makers.discover

    def respond(value: Any) -> Response:
        maker = kinds.get(value.__class__)
        if maker is None:
            maker = discover(value)
        return maker(value)

    return respond


class _Makers:
    """The table of one route: a class of values → what makes a response of them.

    Attributes:
        kinds: grows with the classes that the handler returns, up to a bound.
    """

    def __init__(
        self, annotation: Any, alternatives: tuple[Any, ...], route: Route, place: str
    ) -> None:
        self._place = place
        self._encode = json_encoder(place)
        self._status = route.status or 200
        self._content_type = _content_type(annotation)
        self._says_tuple = any(
            isinstance(kind := get_origin(each) or each, type) and issubclass(kind, tuple)
            for each in alternatives
        )
        yields = [found for each in alternatives if (found := yields_of(each)) is not None]
        self._yields = yields[0] if yields else MISSING
        text, octets = self._content_type or _TEXT, self._content_type or _BYTES
        status, none = self._status, route.status or 204
        self._json = _json_maker(self._encode, status)
        self.kinds: dict[type, Maker] = {
            types.NoneType: lambda _: Response(b"", none),
            str: lambda value: Response(value.encode(), status, content_type=text),
            bytes: lambda value: Response(value, status, content_type=octets),
            bytearray: lambda value: Response(bytes(value), status, content_type=octets),
            memoryview: lambda value: Response(bytes(value), status, content_type=octets),
            Response: _as_it_is,
        }
        for kind in (dict, list, int, float, bool):
            self.kinds[kind] = self._json

    def discover(self, value: Any) -> Maker:
        """What makes a response of `value`, whose class was not seen before."""
        maker = self._maker_for(value)
        if len(self.kinds) < _KINDS_KEPT:  # a program may make classes without end
            self.kinds[type(value)] = maker
        return maker

    def _maker_for(self, value: Any) -> Maker:
        if isinstance(value, Response):
            return _as_it_is
        if isinstance(value, AsyncIterable):
            return self._stream_maker()
        if is_model(type(value)):
            return self._model
        if inspect.isawaitable(value):
            awaited = "it"
            if inspect.iscoroutine(value):
                value.close()  # which would complain of it as well, later and elsewhere
                awaited = f"{value.__qualname__}()"
            raise UsageError(f"{self._place} returned a {say_type(type(value))}: await {awaited}")
        if isinstance(value, Iterator):
            raise UsageError(f"{self._place} returned a {say_type(type(value))}: {_NO_BLOCKING}")
        if type(value) is tuple and not self._says_tuple:
            message = (
                f"{self._place} returned a tuple without saying so: a tuple is a JSON array, and "
                "never a body with a status. Return a Response, give the route its status=, or "
                "write '-> tuple[…]' if an array is meant"
            )
            raise UsageError(message)
        return self._json

    def _model(self, value: Any) -> Response:
        body = value.model_dump_json(by_alias=True).encode()
        return Response(body, self._status, content_type=JSON)

    def _stream_maker(self) -> Maker:
        item, status, encode = self._yields, self._status, self._encode
        if item is MISSING:
            raise UsageError(f"{self._place} returned an async iterator: {_SAY_WHAT}")
        if item is EVENTS:
            return lambda source: event_response(source, status=status, encode=encode)
        if item in (bytes, bytearray, memoryview):
            octets = self._content_type or _BYTES
            return lambda source: Response(source, status, content_type=octets)
        if item is str:
            text = self._content_type or _TEXT
            return lambda source: Response(_texts(source), status, content_type=text)
        lines = self._content_type or JSON_LINES
        return lambda source: Response(_lines(source, encode), status, content_type=lines)


_SAY_WHAT: Final = (
    "say in the annotation what it yields, because the head of the reply goes out first: "
    "'-> AsyncIterator[bytes]', of str, of Event, or of a type that becomes one line of JSON each"
)
_NO_BLOCKING: Final = (
    "what blocks cannot be a reply. Make it an async generator, or return a list of what it yields"
)


def _as_it_is(value: Response) -> Response:
    return value


def _json_maker(encode: Callable[[Any], bytes], status: int) -> Maker:
    def make(value: Any) -> Response:
        return Response(encode(value), status, None, content_type=JSON)

    return make


async def _texts(source: AsyncIterable[str]) -> AsyncIterator[bytes]:
    try:
        async for text in source:
            yield text.encode()
    finally:
        await _close(source)


async def _lines(
    source: AsyncIterable[Any], encode: Callable[[Any], bytes]
) -> AsyncIterator[bytes]:
    try:
        async for item in source:
            yield encode(item) + b"\n"
    finally:
        await _close(source)


async def _close(source: Any) -> None:
    # Left alone, the handler's generator would be closed when the collector finds it.
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


def _content_type(annotation: Any) -> str | None:
    if get_origin(annotation) is not Annotated:
        return None
    found = [each for each in annotation.__metadata__ if isinstance(each, ContentType)]
    return str(found[-1]) if found else None


def _check(annotation: Any, alternatives: tuple[Any, ...], route: Route, place: str) -> None:
    if inspect.isgeneratorfunction(route.function):
        raise WiringError(f"{place} is a generator: {_NO_BLOCKING}")
    says_nothing = annotation in (MISSING, Any)
    if inspect.isasyncgenfunction(route.function) and says_nothing:
        raise WiringError(f"{place} is an async generator: {_SAY_WHAT}")
    for each in alternatives:
        _check_one(each, place)
        _check_pair(each, place)
    if route.status in _BODILESS and not says_nothing:
        for each in alternatives:
            if each not in (None, types.NoneType) and not _is_response(each):
                message = (
                    f"{place} returns {say_type(each)}, but status {route.status} of {route!r} "
                    "has no body: choose another status, or return None"
                )
                raise WiringError(message)


def _check_one(annotation: Any, place: str) -> None:
    item = yields_of(annotation)
    if item is MISSING:
        raise WiringError(f"{place} returns {say_type(annotation)}: {_SAY_WHAT}")
    if (get_origin(annotation) or annotation) in _BLOCKING:
        raise WiringError(f"{place} returns {say_type(annotation)}: {_NO_BLOCKING}")
    if annotation is MISSING or item is EVENTS:
        return
    said = get_args(annotation) if _is_response(annotation) else (item or annotation,)
    wrong = next(filter(None, map(unsayable, said)), None)
    if wrong is not None:
        message = (
            f"{place} returns {wrong}, which cannot be said in JSON: return a msgspec Struct, a "
            "dataclass, a TypedDict, an attrs or pydantic class, plain values, or a Response"
        )
        raise WiringError(message)


def _check_pair(annotation: Any, place: str) -> None:
    """A body and a status, as other frameworks take them; pairs of numbers are what they are."""
    if get_origin(annotation) is not tuple:
        return
    match [
        kind.__origin__ if get_origin(kind) is Annotated else kind for kind in get_args(annotation)
    ]:
        case [body, status] if status is int and body not in (int, float):
            message = (
                f"{place} returns {say_type(annotation)}: a tuple is a JSON array, and never a body "
                "with a status. What decides about a status at run time returns a Response, or "
                "raises an error; one that is known is the route's status=. If an array is meant, "
                "write list[…] or a NamedTuple"
            )
            raise WiringError(message)


def _is_response(annotation: Any) -> bool:
    plain = get_origin(annotation) or annotation
    return isinstance(plain, type) and issubclass(plain, Response)
