"""A plan fills the parameters of a handler from a request, or names everything that is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import msgspec
import pydantic
import pytest

from mainstay.errors import ValidationFailed
from mainstay.http.call import HttpCall
from mainstay.http.request import Request
from mainstay.http.sources import Cookie, Form, Header, Path, Query
from tests.http.items import Colour, DataItem, Positive, StructItem
from tests.http.plans import JSON, Bound, planned, refused

# --- from the path and the query ----------------------------------------------------------------


async def test_a_path_and_a_query() -> None:
    """By name from the path, the rest from the query, defaults where there is nothing."""

    def hello(name: str, excited: bool = False, times: int = 1) -> None: ...

    bound = Bound(hello, "/hello/{name}")
    assert await bound("/hello/bob", params={"name": "bob"}) == {
        "name": "bob",
        "excited": False,
        "times": 1,
    }
    assert await bound("/hello/bob?times=3&excited=YES&x", params={"name": "bob"}) == {
        "name": "bob",
        "excited": True,
        "times": 3,
    }


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (str, "a+b%C3%A4", "a b\xe4"),
        (str, "", ""),
        (int, "-5", -5),
        (float, "1.5", 1.5),
        (bool, "on", True),
        (bool, "False", False),
        (Decimal, "1.50", Decimal("1.50")),
        (UUID, str(UUID(int=7)), UUID(int=7)),
        (date, "2026-01-31", date(2026, 1, 31)),
        (datetime, "2026-01-31T10:00:00", datetime(2026, 1, 31, 10)),  # noqa: DTZ001
        (Colour, "red", Colour.RED),
        (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2),
        (int | None, "5", 5),
        (str | None, "null", "null"),
        (int | str, "x", "x"),
        (NewType("UserId", int), "5", 5),
        (Positive, "5", 5),
        (Annotated[int, pydantic.Field(gt=0)], "5", 5),
        (pydantic.PositiveInt, "5", 5),
        (pydantic.HttpUrl, "http://a.b/", pydantic.HttpUrl("http://a.b/")),
    ],
)
async def test_text_becomes_what_the_type_says(kind: Any, text: str, value: Any) -> None:
    """In the query, in a path without converter, in a header and in a cookie."""

    def handler(a, b, c, d) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {
        "a": kind,
        "b": Annotated[kind, Path(name="p")],
        "c": Annotated[kind, Header],
        "d": Annotated[kind, Cookie],
    }
    bound = Bound(handler, "/{p}")
    said = value if isinstance(value, str) else text
    plain = said if said.isascii() else "x"
    made = await bound(f"/x?a={text}", [("c", plain), ("cookie", f"d={plain}")], params={"p": said})
    assert made["a"] == made["b"] == value
    assert made["c"] == made["d"] == (value if plain == said else plain)


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (int, "x", "type"),
        (int, "", "type"),
        (int, " 5", "type"),
        (int, "1_000", "type"),
        (int, "9" * 5000, "range"),
        (float, "nan", "value"),
        (float, "-Infinity", "value"),
        (Decimal, "NaN", "value"),
        (bool, "2", "type"),
        (UUID, "x", "format"),
        (date, "2026-13-01", "format"),
        (Colour, "green", "choice"),
        (Literal["a"], "b", "choice"),
        (Positive, "0", "range"),
        (Annotated[str, msgspec.Meta(max_length=2)], "abc", "length"),
        (Annotated[str, msgspec.Meta(pattern="^x")], "abc", "pattern"),
        (Annotated[int, pydantic.Field(gt=0)], "0", "greater_than"),
        (int | None, "null", "type"),
    ],
)
async def test_text_that_does_not_fit_is_refused(kind: Any, text: str, code: str) -> None:
    """With a code for machines, and where it stands."""

    def handler(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"a": kind}
    assert await Bound(handler).faults(f"/?a={text}") == [("/query/a", code)]


async def test_lists_take_every_value() -> None:
    """Of a name in the query, and of a header, whose members may share a line."""

    def handler(
        tag: list[int],
        kinds: Annotated[frozenset[str], Query(name="kind")] = frozenset(),
        flags: tuple[bool, ...] = (),
        x_tag: Annotated[list[str], Header] = [],  # noqa: B006 - it is copied
    ) -> None: ...

    bound = Bound(handler)
    made = await bound(
        "/?tag=1&kind=a&tag=2&kind=a&flags=on&flags=no",
        [("x-tag", 'a, "b, c"'), ("x-tag", "d,,")],
    )
    assert made == {
        "tag": [1, 2],
        "kinds": frozenset({"a"}),
        "flags": (True, False),
        "x_tag": ["a", '"b, c"', "d"],
    }
    assert await bound.faults("/?tag=1&tag=x&tag=y") == [
        ("/query/tag/1", "type"),
        ("/query/tag/2", "type"),
    ]
    assert await bound.faults("/") == [("/query/tag", "missing")]


async def test_the_first_of_several_values_counts() -> None:
    """Where one is asked for; so does `request.query.get`."""

    def handler(a: int, b: Annotated[str, Header], c: Annotated[str, Cookie]) -> None: ...

    made = await Bound(handler)("/?a=1&a=2", [("b", "1"), ("b", "2"), ("cookie", "c=1; c=2")])
    assert made == {"a": 1, "b": "1", "c": "1"}


async def test_a_mutable_default_is_new_for_each_call() -> None:
    """What one call does to it the next does not see."""

    def handler(
        ids: Annotated[list[int], Query(default_factory=list)],
        tags: list[str] = [],  # noqa: B006 - it is copied
    ) -> None: ...

    bound = Bound(handler)
    first = await bound()
    first["tags"].append("x")
    first["ids"].append(1)
    assert await bound() == {"ids": [], "tags": []}


async def test_what_may_be_none_may_be_left_out() -> None:
    """Text cannot say null, so to leave it out is the way; in a body it is not."""

    def handler(a: int | None, b: Annotated[str | None, Header]) -> None: ...

    assert await Bound(handler)() == {"a": None, "b": None}

    def body(item: StructItem | None) -> None: ...

    bound = Bound(body, method="POST")
    assert await bound("/", [JSON], b"null") == {"item": None}
    assert await bound.faults() == [("/body", "missing")]


async def test_names_are_what_the_request_calls_them() -> None:
    """An alias as given; a header with dashes, in any case."""

    def handler(
        user_id: Annotated[int, Query(name="user-id")],
        user_agent: Annotated[str, Header],
        token: Annotated[str, Header(name="X-Token")],
        session: Annotated[str, Cookie(name="__Host-s")],
    ) -> None: ...

    bound = Bound(handler)
    made = await bound(
        "/?user-id=5",
        [("User-Agent", "curl"), ("x-token", "t"), ("cookie", "a=b; __Host-s=1")],
    )
    assert made == {"user_id": 5, "user_agent": "curl", "token": "t", "session": "1"}
    assert await bound.faults() == [
        ("/query/user-id", "missing"),
        ("/header/user-agent", "missing"),
        ("/header/x-token", "missing"),
        ("/cookie/__Host-s", "missing"),
    ]


async def test_converters_of_the_path_do_the_work() -> None:
    """Their value is passed on; constraints are checked all the same."""

    def handler(id: UUID, number: Positive, rest: str) -> None: ...

    bound = Bound(handler, "/{id:uuid}/{number:int}/{rest:path}")
    params = {"id": UUID(int=1), "number": 5, "rest": "a/b"}
    assert await bound(params=params) == params
    assert await bound.faults(params={**params, "number": 0}) == [("/path/number", "range")]


async def test_a_parameter_of_the_path_may_stay_unannotated() -> None:
    """It is what the converter makes."""

    def handler(id) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    assert await Bound(handler, "/{id:int}")(params={"id": 5}) == {"id": 5}


async def test_a_shorter_route_has_defaults() -> None:
    """For parameters that its path leaves out."""

    def handler(page: int) -> None: ...

    bound = Bound(handler, "/", defaults={"page": 1})
    assert await bound(params={}) == {"page": 1}


async def test_a_parameter_of_the_host() -> None:
    """Is one of the path, to the handler."""

    def handler(tenant: str) -> None: ...

    bound = Bound(handler, "/", host="{tenant}.example.org")
    assert await bound(params={"tenant": "acme"}) == {"tenant": "acme"}


async def test_the_request_itself() -> None:
    """Is passed to whom asks for it."""

    def handler(request: Request, call: HttpCall) -> None: ...

    bound = Bound(handler)
    call = bound.call()
    assert bound.plan.arguments(call) == {"request": call.request, "call": call}


# --- models in text -----------------------------------------------------------------------------


class StructFilters(msgspec.Struct, rename={"page_size": "page-size"}, kw_only=True):
    """All families have these fields."""

    query: str
    page_size: Positive = 20
    tags: list[str] = []
    active: bool = False
    ratio: float = 0.5


@dataclass
class DataFilters:
    query: str
    active: bool = False


class PydanticFilters(pydantic.BaseModel):
    query: str
    page_size: Annotated[int, pydantic.Field(gt=0, alias="page-size")] = 20
    tags: list[str] = []


async def test_a_model_takes_all_its_fields_from_the_query() -> None:
    """Aliases, lists, flags and defaults are those of the model."""

    def handler(filters: Annotated[StructFilters, Query], other: int = 1) -> None: ...

    bound = Bound(handler)
    made = await bound("/?query=x&page-size=5&tags=a&tags=b&active=yes&other=2")
    assert made["filters"] == StructFilters(
        query="x", page_size=5, tags=["a", "b"], active=True, ratio=0.5
    )
    assert made["other"] == 2
    assert await bound.faults("/?page-size=0&ratio=nan&active=7") == [
        ("/query/query", "missing"),
        ("/query/page-size", "range"),
        ("/query/active", "type"),
        ("/query/ratio", "value"),
    ]


async def test_a_model_of_another_library_does_too() -> None:
    """A dataclass, and a model of pydantic's with its own names."""

    def data(filters: Annotated[DataFilters, Query]) -> None: ...

    made = await Bound(data)("/?query=x&active=on")
    assert made["filters"] == DataFilters("x", active=True)

    def pydantic_(filters: Annotated[PydanticFilters, Query]) -> None: ...

    bound = Bound(pydantic_)
    made = await bound("/?query=x&page-size=5&tags=a")
    assert made["filters"].page_size == 5
    assert made["filters"].tags == ["a"]
    assert await bound.faults("/?page-size=0") == [
        ("/query/query", "missing"),
        ("/query/page-size", "greater_than"),
    ]


async def test_a_model_of_headers_and_cookies() -> None:
    """Names with dashes in the head, as they are in cookies."""

    class Traced(msgspec.Struct):
        request_id: str
        x_hops: list[int] = []

    class Session(msgspec.Struct):
        user_id: int

    def handler(traced: Annotated[Traced, Header], session: Annotated[Session, Cookie]) -> None: ...

    handler.__annotations__ = {
        "traced": Annotated[Traced, Header],
        "session": Annotated[Session, Cookie],
    }
    bound = Bound(handler)
    made = await bound("/", [("request-id", "r"), ("x-hops", "1,2"), ("cookie", "user_id=5")])
    assert (made["traced"], made["session"]) == (Traced("r", [1, 2]), Session(5))
    assert await bound.faults("/", [("cookie", "user_id=x")]) == [
        ("/header/request-id", "missing"),
        ("/cookie/user_id", "type"),
    ]


async def test_an_optional_model_is_absent_when_nothing_of_it_is_there() -> None:
    """Then the default holds; a part of it is not enough."""

    def handler(filters: Annotated[StructFilters | None, Query] = None) -> None: ...

    bound = Bound(handler)
    assert await bound() == {"filters": None}
    assert await bound.faults("/?page-size=1") == [("/query/query", "missing")]


async def test_a_check_of_the_models_own_is_told_of_the_whole() -> None:
    """When every field is right."""

    class Span(msgspec.Struct):
        start: int
        end: int

        def __post_init__(self) -> None:
            if self.end < self.start:
                raise ValueError("the end is before the start")

    def handler(span) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"span": Annotated[Span, Query]}
    bound = Bound(handler)
    with pytest.raises(ValidationFailed, match="/query: the end is before the start"):
        await bound("/?start=2&end=1")


# --- what is refused at start -------------------------------------------------------------------


def test_a_request_has_one_body() -> None:
    """Two that want it are told what to do; so are those that want it in different ways."""

    def two(a: StructItem, b: DataItem) -> None: ...

    assert "make one model" in refused(two, method="POST")

    def mixed(a: StructItem, b: Annotated[str, Form]) -> None: ...

    assert "keep those of one kind" in refused(mixed, method="POST")

    def streams(a: StructItem, b: AsyncIterator[bytes]) -> None: ...

    assert "keep those of one kind" in refused(streams, method="POST")

    def raw(a: bytes, b: Annotated[str, Form]) -> None: ...

    assert "keep those of one kind" in refused(raw, method="POST")


def test_every_fault_of_a_signature_is_told_at_once() -> None:
    """Mending one and being told of the next wastes starts."""

    def handler(a, b: StructItem) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    message = refused(handler)
    assert "'a'" in message
    assert "'b'" in message


def test_a_plan_tells_what_it_does() -> None:
    """For whoever looks for a parameter."""

    def handler(name: str, limit: int = 5) -> None: ...

    assert repr(planned(handler, "/{name}")) == "<Plan name from path, limit from query>"
    assert repr(planned(lambda: None)) == "<Plan of nothing>"


async def test_a_failure_of_the_program_stays_one() -> None:
    """A factory that fails is no fault of the request."""

    def fail() -> int:
        raise ValueError("the factory is broken")

    def handler(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"a": Annotated[int, Query(default_factory=fail)]}
    with pytest.raises(ValueError, match="the factory is broken"):
        await Bound(handler)()
