"""What a handler returns becomes the response that its type and annotation say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest

from mainstay.core.scope import Scope
from mainstay.core.signature import MISSING, returns_of
from mainstay.errors import UsageError, WiringError
from mainstay.http.replies import Created, Html, Redirect
from mainstay.http.response import Response
from mainstay.http.results import ContentType, alternatives_of, responder, yields_of
from mainstay.http.route import Route
from mainstay.http.sse import EVENTS, Event, EventStream


class User(msgspec.Struct):
    id: int


class Admin(User):
    level: int = 1


class Model(pydantic.BaseModel):
    id: int


@dataclass
class Opaque:
    held: complex


async def handler() -> None: ...


def respond(value: Any, annotation: Any = MISSING, status: int | None = None) -> Response:
    return responder(annotation, Route(path="/", function=handler, status=status))(value)


def wire(function: Callable[..., Any], status: int | None = None) -> Callable[[Any], Response]:
    return responder(returns_of(function), Route(path="/", function=function, status=status))


async def body_of(response: Response) -> bytes:
    assert not isinstance(response.body, bytes)
    with Scope("call"):
        return b"".join([part async for part in response.body])


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        (User(1), b'{"id":1}', "application/json"),
        (Admin(1), b'{"id":1,"level":1}', "application/json"),
        (Model(id=1), b'{"id":1}', "application/json"),
        ([Model(id=1)], b'[{"id":1}]', "application/json"),
        ({"a": 1}, b'{"a":1}', "application/json"),
        (7, b"7", "application/json"),
        (True, b"true", "application/json"),
        ("grün", "grün".encode(), "text/plain; charset=utf-8"),
        (b"\0", b"\0", "application/octet-stream"),
        (bytearray(b"ab"), b"ab", "application/octet-stream"),
        pytest.param(memoryview(b"ab"), b"ab", "application/octet-stream", id="memoryview"),
    ],
    ids=str,
)
def test_the_type_of_the_value_decides(value: Any, body: bytes, content_type: str) -> None:
    """With or without an annotation, and again once the class is known."""
    make = responder(MISSING, Route(path="/", function=handler))
    for _ in range(2):
        response = make(value)
        assert (response.status, response.body) == (200, body)
        assert response.content_type == content_type


def test_none_is_204() -> None:
    """Nothing to say is a success without a body."""
    assert (respond(None).status, respond(None).body) == (204, b"")


def test_the_status_of_the_route_applies_to_values() -> None:
    """To None too."""
    assert respond(User(1), User, 201).status == 201
    assert respond(None, None, 202).status == 202


@pytest.mark.parametrize("response", [Response("x", 404), Html("x", 404), Redirect("/")])
def test_a_response_passes_as_it_is(response: Response) -> None:
    """The route's status does not apply to it."""
    assert respond(response, MISSING, 201) is response


def test_a_text_may_have_another_type() -> None:
    """`ContentType` in the annotation names it, for text, bytes and streams of them."""
    assert respond("a,b", Annotated[str, ContentType("text/csv")]).content_type == "text/csv"
    assert respond(b"%PDF", Annotated[bytes, ContentType("application/pdf")]).content_type == (
        "application/pdf"
    )


async def test_an_iterator_of_bytes_is_the_body_itself() -> None:
    """Nothing stands between the handler and the connection."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    source = parts()
    response = wire(parts)(source)
    assert response.body is source
    assert response.content_type == "application/octet-stream"
    assert await body_of(response) == b"ab"


async def test_an_iterator_of_text_is_sent_as_utf8() -> None:
    """Each piece as it comes."""

    async def parts() -> AsyncGenerator[str, None]:
        yield "grün"

    response = wire(parts)(parts())
    assert response.content_type == "text/plain; charset=utf-8"
    assert await body_of(response) == "grün".encode()


async def test_an_iterator_of_values_is_json_lines() -> None:
    """One value a line, and the handler's generator is closed with the stream."""
    closed = []

    async def users() -> AsyncIterator[User]:
        try:
            yield User(1)
            yield User(2)
        finally:
            closed.append(True)

    make = wire(users)
    response = make(users())
    assert response.content_type == "application/x-ndjson"
    assert await body_of(response) == b'{"id":1}\n{"id":2}\n'
    stream = make(users()).body
    assert not isinstance(stream, bytes)
    left: Any = aiter(stream)
    await anext(left)
    await left.aclose()
    assert closed == [True, True]


@pytest.mark.parametrize(
    "annotation",
    [EventStream[User], AsyncIterator[Event], AsyncIterator[Event | None] | None],
    ids=str,
)
async def test_an_iterator_of_events_is_server_sent_events(annotation: Any) -> None:
    """By the alias, or by what is yielded."""

    async def events() -> AsyncIterator[Any]:
        yield Event(User(1))

    response = respond(events(), annotation)
    assert response.content_type == "text/event-stream"
    assert await body_of(response) == b'data: {"id":1}\n\n'


async def test_the_status_applies_to_streams() -> None:
    """A stream is a value like any other."""

    async def parts() -> AsyncIterator[bytes]:
        yield b""

    assert wire(parts, 206)(parts()).status == 206


def test_a_tuple_is_no_body_with_a_status() -> None:
    """Unless the annotation says that an array is meant, it is refused with the other ways."""
    with pytest.raises(UsageError, match="status="):
        respond((User(1), 404))
    assert respond((1, "a"), tuple[int, str]).body == b'[1,"a"]'
    assert respond((1, "a"), tuple[int, str] | None).body == b'[1,"a"]'


async def test_a_stream_that_nobody_announced_is_refused() -> None:
    """What is yielded decides about the head, which goes out first."""

    async def parts() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(UsageError, match="what it yields"):
        respond(parts())


def test_a_blocking_iterator_is_refused() -> None:
    """It would stop everything else while it makes its next item."""
    with pytest.raises(UsageError, match="async generator"):
        respond(iter([1]))


async def test_what_was_not_awaited_is_named() -> None:
    """The slip is a forgotten word, and neither a generator nor a warning of Python says so."""

    async def later() -> str:
        return "later"

    with pytest.raises(UsageError, match=r"returned a coroutine: await .*later\(\)$"):
        respond(later())
    with pytest.raises(UsageError, match=r"returned a Future: await it$"):
        respond(asyncio.get_running_loop().create_future())


def test_an_opaque_value_names_its_handler() -> None:
    """The error leads to the function that returned it."""
    with pytest.raises(UsageError, match=r"handler.*object cannot be said in JSON"):
        respond(object())


def test_classes_without_end_do_not_fill_the_memory() -> None:
    """The table of a route stops to grow, and still answers."""
    make = responder(MISSING, Route(path="/", function=handler))
    for number in range(300):
        assert make(msgspec.defstruct(f"S{number}", [("id", int)])(1)).body == b'{"id":1}'
    assert make.__closure__ is not None
    tables = [cell.cell_contents for cell in make.__closure__]
    assert [len(each) for each in tables if isinstance(each, dict)] == [256]


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (AsyncIterator, "what it yields"),
        (Iterator[int], "async generator"),
        (Opaque, "complex"),
        (list[Opaque], "complex"),
        (AsyncIterator[Opaque], "complex"),
        (User | Opaque, "complex"),
    ],
    ids=str,
)
def test_an_impossible_annotation_is_found_at_the_start(annotation: Any, says: str) -> None:
    """Before the first request."""
    with pytest.raises(WiringError, match=says):
        respond(None, annotation)


def test_an_async_generator_says_what_it_yields() -> None:
    """Without an annotation the service does not start."""

    async def feed():  # type: ignore[no-untyped-def]  # noqa: ANN202
        yield 1

    with pytest.raises(WiringError, match="what it yields"):
        wire(feed)


def test_a_blocking_generator_is_no_handler() -> None:
    """Also found at the start."""

    def feed() -> Any:
        yield 1

    with pytest.raises(WiringError, match="async generator"):
        wire(feed)


def test_a_status_without_a_body_goes_with_no_value() -> None:
    """A route with 204 that returns something contradicts itself."""
    with pytest.raises(WiringError, match="204"):
        respond(None, User, 204)
    assert respond(None, None, 204).status == 204
    assert respond(None, Response | None, 204).status == 204


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (User, (User,)),
        (User | None, (User, type(None))),
        (Annotated[User | None, "x"], (User, type(None))),
        (Annotated[User, "x"], (User,)),
        (EventStream[User] | User, (EventStream[User], User)),
        (Literal["a"], (Literal["a"],)),
    ],
    ids=str,
)
def test_a_union_is_taken_apart(annotation: Any, found: tuple[Any, ...]) -> None:
    """However it is written; annotated iterators stay whole."""
    assert alternatives_of(annotation) == found


@pytest.mark.parametrize(
    ("annotation", "item"),
    [
        (AsyncIterator[int], int),
        (AsyncGenerator[int, None], int),
        (AsyncIterator, MISSING),
        (AsyncIterator[Event], EVENTS),
        (EventStream[int], EVENTS),
        (Annotated[AsyncIterator[int], "other"], int),
        (list[int], None),
    ],
    ids=str,
)
def test_an_iterator_says_what_it_yields(annotation: Any, item: Any) -> None:
    """None is for what is no async iterator."""
    assert yields_of(annotation) is item


def test_a_generic_response_is_checked_by_what_it_carries() -> None:
    """`Created[…]` and `Event[…]` are what they are without their type; one that cannot be said in
    JSON is found at the start."""

    async def create() -> Created[User]: ...  # type: ignore[empty-body]

    async def opaque() -> Created[complex]: ...  # type: ignore[empty-body]

    made = Created(User(1), "/users/1")
    assert wire(create)(made) is made
    with pytest.raises(
        WiringError, match=r"opaque.* returns complex, which cannot be said in JSON"
    ):
        wire(opaque)
    assert yields_of(AsyncIterator[Event[User]]) is EVENTS


@pytest.mark.parametrize(
    "annotation",
    [
        tuple[dict[str, int], int],
        tuple[str, int],
        tuple[Any, int] | None,
        tuple[None, Annotated[int, "status"]],
    ],
)
def test_a_body_with_a_status_is_refused_at_the_start(annotation: Any) -> None:
    """It would be answered 200 with an array."""
    with pytest.raises(WiringError, match="a tuple is a JSON array, and never a body with a statu"):
        respond(None, annotation)


@pytest.mark.parametrize(
    ("annotation", "value", "body"),
    [
        (tuple[int, int], (1, 2), b"[1,2]"),
        (tuple[float, int], (1.5, 2), b"[1.5,2]"),
        (tuple[str, ...], ("a",), b'["a"]'),
        (tuple[int, str], (1, "a"), b'[1,"a"]'),
        (tuple[str, int, int], ("a", 1, 2), b'["a",1,2]'),
        (list[tuple[str, int]], [("a", 1)], b'[["a",1]]'),
    ],
)
def test_other_tuples_are_arrays(annotation: Any, value: Any, body: bytes) -> None:
    """Pairs of numbers, and pairs inside of something else, too."""
    assert respond(value, annotation).body == body
