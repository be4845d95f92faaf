"""Bodies in a plan: JSON of every kind of model, forms, files, and bytes as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from mainstay.errors import BugError, HttpError, PeerTooSlow, TooLarge, ValidationFailed
from mainstay.http.forms import FormData, Part
from mainstay.http.sources import Cookie, Form, Header, Json, RawBody, Upload
from mainstay.http.uploads import UploadFile
from tests.http.items import (
    AttrsItem,
    DataItem,
    DictItem,
    PydanticData,
    PydanticItem,
    StructItem,
    TupleItem,
)
from tests.http.plans import JSON, URLENCODED, Bound, json


@pytest.mark.parametrize(
    "kind",
    [StructItem, DataItem, AttrsItem, DictItem, PydanticItem, PydanticData],
    ids=lambda kind: kind.__name__,
)
async def test_a_model_is_the_json_body(kind: Any) -> None:
    """Whatever it is written with; each of its faults has a pointer."""

    def handler(item) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"item": kind}
    bound = Bound(handler, method="POST")
    made = (await bound("/", [JSON], b'{"name": "a", "price": 1.5}'))["item"]
    name = made["name"] if isinstance(made, dict) else made.name
    assert name == "a"
    found = await bound.faults("/", [JSON], b'{"price": -1}')
    assert sorted(pointer for pointer, _ in found) == ["/body/name", "/body/price"]
    found = await bound.faults("/", [JSON], b"[]" if kind is not TupleItem else b"{}")
    assert [pointer for pointer, _ in found] == ["/body"]


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        (list[StructItem], [{"name": "a", "price": 1}], [StructItem("a", 1.0)]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (dict, {"a": [1]}, {"a": [1]}),
        (list, [1, "a"], [1, "a"]),
        (Any, {"a": 1}, {"a": 1}),
        (dict[str, object], {"a": [1]}, {"a": [1]}),
        (Annotated[int, Json], 5, 5),
        (Annotated[list[str], Json], ["a"], ["a"]),
        (TupleItem, ["a", 1], TupleItem("a", 1.0)),
        (list[PydanticItem], [{"name": "a", "price": 1}], [PydanticItem(name="a", price=1)]),
        (StructItem | None, None, None),
        (PydanticItem | None, None, None),
    ],
)
async def test_other_data_is_the_json_body(kind: Any, value: Any, made: Any) -> None:
    """Lists, dicts, anything; scalars when they are marked."""

    def handler(data) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"data": kind}
    assert await Bound(handler, method="PUT")("/", [JSON], json(value)) == {"data": made}


async def test_everything_that_is_wrong_is_told_at_once() -> None:
    """In the path, the query, the head, a cookie and deep in the body."""

    class Order(msgspec.Struct):
        customer: str
        items: list[StructItem]

    def handler(id, limit, x_token, session, order) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {
        "id": int,
        "limit": int,
        "x_token": Annotated[str, Header],
        "session": Annotated[UUID, Cookie],
        "order": Order,
    }
    bound = Bound(handler, "/{id}", "POST")
    body = json({"items": [{"name": 1, "price": -1}, {"name": "b", "price": 1, "tags": [1]}]})
    found = await bound.faults(
        "/x?limit=no", [JSON, ("cookie", "session=1")], body, params={"id": "x"}
    )
    assert found == [
        ("/path/id", "type"),
        ("/query/limit", "type"),
        ("/header/x-token", "missing"),
        ("/cookie/session", "format"),
        ("/body/customer", "missing"),
        ("/body/items/0/name", "type"),
        ("/body/items/0/price", "range"),
        ("/body/items/1/tags/0", "type"),
    ]


async def test_fifty_faults_are_enough() -> None:
    """The list is bounded, however much is wrong."""

    def handler(numbers: Annotated[list[int], Json]) -> None: ...

    found = await Bound(handler, method="POST").faults("/", [JSON], json(["x"] * 100_000))
    assert len(found) == 50


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"name": ', "truncated"),
        (b'{"name" 5}', "byte 8"),
        (b'{"name": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "deeply"),
    ],
)
@pytest.mark.parametrize("kind", [StructItem, PydanticItem])
async def test_a_body_that_is_no_json_is_malformed(kind: Any, body: bytes, said: str) -> None:
    """Which is 400 rather than 422, with the place; what else is wrong is told too."""

    def handler(item, n) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"item": kind, "n": int}
    with pytest.raises(ValidationFailed) as caught:
        await Bound(handler, method="POST")("/?n=x", [JSON], body)
    assert caught.value.malformed
    violations = {each.pointer: each for each in caught.value.violations}
    assert set(violations) == {"/body", "/query/n"}
    assert violations["/body"].code == "malformed"
    if kind is StructItem:
        assert said in violations["/body"].detail


async def test_another_media_type_is_refused() -> None:
    """Also none at all: nobody guesses what a body is. The answer says what is read."""

    def handler(item: StructItem) -> None: ...

    bound = Bound(handler, method="POST")
    body = json(StructItem("a", 1.0))
    for fields in ([], [("content-type", "text/plain")], [("content-type", "application/jsonx")]):
        with pytest.raises(HttpError) as caught:
            await bound("/", fields, body)
        assert (caught.value.status, caught.value.reason) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert caught.value.headers == {"accept": "application/json"}
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"):
        assert await bound("/", [("content-type", kind)], body)


async def test_a_useless_body_is_not_waited_for() -> None:
    """The media type is looked at first."""

    def handler(item: StructItem) -> None: ...

    bound = Bound(handler, method="POST")
    call = bound.call("/", [("content-type", "text/plain")], chunks=[PeerTooSlow("not reached")])
    call.exchange.length = 1_000_000
    with pytest.raises(HttpError):
        await bound.plan.arguments_async(call)


async def test_media_types_of_ones_own() -> None:
    """Are accepted beside JSON's; of a raw body they are all that is."""

    def handler(item: Annotated[StructItem, Json(media_types=("application/x-item",))]) -> None: ...

    body = json(StructItem("a", 1.0))
    assert await Bound(handler, method="POST")("/", [("content-type", "application/X-Item")], body)

    def raw(image: Annotated[bytes, RawBody(media_types=("image/png",))]) -> None: ...

    bound = Bound(raw, method="POST")
    assert await bound("/", [("content-type", "image/png")], b"x") == {"image": b"x"}
    with pytest.raises(HttpError, match="image/png"):
        await bound("/", [JSON], b"x")


async def test_an_optional_body_may_be_empty() -> None:
    """Then its default holds, and no content type is asked for."""

    def handler(item: StructItem | None = None) -> None: ...

    assert await Bound(handler, method="POST")() == {"item": None}


async def test_a_body_may_come_later() -> None:
    """In pieces; a body that came with the head needs nobody to wait."""

    def handler(item: StructItem) -> None: ...

    bound = Bound(handler, method="POST")
    assert bound.plan.needs_body
    call = bound.call("/", [JSON], chunks=[b'{"name": "a",', b'"price": 1}'])
    assert not bound.plan.ready(call)
    with pytest.raises(BugError):
        bound.plan.arguments(call)
    assert await bound.plan.arguments_async(call) == {"item": StructItem("a", 1.0)}
    assert bound.plan.ready(bound.call("/", [JSON], b"{}"))


@pytest.mark.parametrize("late", [True, False])
async def test_a_long_body_is_refused(late: bool) -> None:
    """By the limit that holds for the exchange, whole or in pieces."""

    def handler(body: bytes) -> None: ...

    bound = Bound(handler, method="POST")
    with pytest.raises(TooLarge):
        if late:
            await bound(chunks=[b"12345"], body_limit=4)
        else:
            await bound("/", [], b"12345", body_limit=4)


async def test_a_raw_body() -> None:
    """Whole, beside the value that it stands for (to check a signature), or as it comes."""

    def whole(payload: StructItem, body: bytes) -> None: ...

    text = b'{"name": "a", "price": 1}'
    made = await Bound(whole, method="POST")("/", [JSON], text)
    assert made == {"payload": StructItem("a", 1.0), "body": text}

    def stream(body: AsyncIterator[bytes]) -> None: ...

    bound = Bound(stream, method="POST")
    assert not bound.plan.needs_body
    made = bound.plan.arguments(bound.call(chunks=[b"a", b"b"]))
    assert [part async for part in made["body"]] == [b"a", b"b"]


# --- forms --------------------------------------------------------------------------------------

BOUNDARY = "----b"
MULTIPART = ("content-type", f"multipart/form-data; boundary={BOUNDARY}")


def multipart(*parts: tuple[str, str | None, bytes]) -> bytes:
    made = b""
    for name, filename, content in parts:
        head = f'content-disposition: form-data; name="{name}"'
        head += f'; filename="{filename}"' if filename is not None else ""
        made += f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"
    return made + f"--{BOUNDARY}--\r\n".encode()


async def test_fields_of_a_form() -> None:
    """Of either kind; a field that nobody filled in is absent, unless it is text."""

    def handler(
        name: Annotated[str, Form],
        age: Annotated[int | None, Form] = 18,
        tags: Annotated[list[str], Form] = [],  # noqa: B006 - it is copied
        agreed: Annotated[bool, Form] = False,
    ) -> None: ...

    bound = Bound(handler, method="POST")
    made = await bound("/", [URLENCODED], b"name=&age=&tags=a&tags=b&agreed=on")
    assert made == {"name": "", "age": 18, "tags": ["a", "b"], "agreed": True}
    body = multipart(("name", None, b"Ann"), ("age", None, b"5"))
    assert (await bound("/", [MULTIPART], body))["age"] == 5
    assert await bound.faults("/", [URLENCODED], b"age=x") == [
        ("/form/name", "missing"),
        ("/form/age", "type"),
    ]
    assert await bound.faults("/") == [("/form/name", "missing")]


async def test_a_model_of_a_form() -> None:
    """With all its fields, and the faults of each."""

    class Login(msgspec.Struct):
        user: Annotated[str, msgspec.Meta(min_length=1)]
        remember: bool = False

    def handler(login) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"login": Annotated[Login, Form]}
    bound = Bound(handler, method="POST")
    made = await bound("/", [URLENCODED], b"user=ann&remember=on")
    assert made == {"login": Login("ann", remember=True)}
    assert await bound.faults("/", [URLENCODED], b"user=") == [("/form/user", "length")]


async def test_files_of_a_form() -> None:
    """One, several, or none when that is allowed; beside fields."""

    def handler(
        title: Annotated[str, Form],
        photo: UploadFile,
        more: list[UploadFile],
        extra: UploadFile | None = None,
        named: Annotated[UploadFile | None, Upload(name="x")] = None,
    ) -> None: ...

    bound = Bound(handler, method="POST")
    body = multipart(
        ("title", None, b"t"), ("photo", "p.png", b"png"), ("more", "1", b"1"), ("more", "2", b"2")
    )
    made = await bound("/", [MULTIPART], body)
    assert await made["photo"].read() == b"png"
    assert [file.filename for file in made["more"]] == ["1", "2"]
    assert made["extra"] is None
    assert made["named"] is None
    assert await bound.faults("/", [MULTIPART], multipart(("title", None, b"t"))) == [
        ("/form/photo", "missing"),
        ("/form/more", "missing"),
    ]


async def test_a_whole_form_and_its_parts() -> None:
    """As one object, or part by part while it comes."""

    def whole(form: FormData) -> None: ...

    made = await Bound(whole, method="POST")("/", [URLENCODED], b"a=1&b=2")
    assert list(made["form"]) == [("a", "1"), ("b", "2")]

    def parts(parts: AsyncIterator[Part]) -> None: ...

    bound = Bound(parts, method="POST")
    body = multipart(("a", None, b"1"), ("b", "f", b"2"))
    call = bound.call("/", [MULTIPART], chunks=[body[:30], body[30:]])
    made = bound.plan.arguments(call)
    assert [(part.name, await part.read()) async for part in made["parts"]] == [
        ("a", b"1"),
        ("b", b"2"),
    ]


async def test_a_form_is_waited_for() -> None:
    """Its files may have to go to disk."""

    def handler(form: FormData) -> None: ...

    bound = Bound(handler, method="POST")
    call = bound.call("/", [URLENCODED], b"a=1")
    assert not bound.plan.ready(call)
    with pytest.raises(BugError):
        bound.plan.arguments(call)


async def test_another_media_type_is_no_form() -> None:
    """415, as for JSON."""

    def handler(form: FormData) -> None: ...

    with pytest.raises(HttpError) as caught:
        await Bound(handler, method="POST")("/", [JSON], b"{}")
    assert caught.value.status == 415
