import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest

from mainstay.errors import UsageError
from mainstay.http.client.bodies import Body, make_body

ABSENT = object()


def body(**given: Any) -> Body:
    asked: dict[str, Any] = {"json": ABSENT, "content": None, "form": None, "files": None}
    return make_body(**{**asked, **given}, absent=ABSENT, random=random.Random(1))


async def whole(made: Body) -> bytes:
    if isinstance(made.content, bytes):
        return made.content
    assert made.content is not None
    return b"".join([each async for each in made.content])


class User(msgspec.Struct):
    name: str


class Model(pydantic.BaseModel):
    name: str


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, b"null"),
        ({"a": [1]}, b'{"a":[1]}'),
        (User("x"), b'{"name":"x"}'),
        ([Model(name="x")], b'[{"name":"x"}]'),
    ],
)
def test_json(value: Any, data: bytes) -> None:
    """Whatever msgspec or pydantic can say; None is a value."""
    assert body(json=value) == Body(data, "application/json", len(data))


def test_no_body() -> None:
    """Nothing given is nothing sent."""
    assert body() == Body()


def test_content() -> None:
    """Bytes as they are, text as UTF-8."""
    assert body(content=b"a") == Body(b"a", None, 1)
    assert body(content="ä") == Body("ä".encode(), "text/plain; charset=utf-8", 2)


def test_an_iterable_has_no_length() -> None:
    """It is sent as it comes."""

    async def parts() -> AsyncIterator[bytes]:
        yield b""

    made = parts()
    assert body(content=made) == Body(made)


def test_a_form() -> None:
    """Fields of a list come several times."""
    made = body(form={"a": ["x y", 1], "b": "ä"})
    assert made == Body(b"a=x+y&a=1&b=%C3%A4", "application/x-www-form-urlencoded", 18)


async def test_files(tmp_path: Path) -> None:
    """Fields first, then files; the length is known unless an iterable is among them."""
    path = tmp_path / "c.txt"
    path.write_bytes(b"ccc")

    async def parts() -> AsyncIterator[bytes]:
        yield b"d"
        yield b"d"

    known = {"a": b"aa", "b": ('x"y\r\n.bin', b"b", "image/png"), "c": path}
    made = body(form={"f": "1"}, files=known)
    data = await whole(made)
    assert made.length == len(data)
    assert made.content_type is not None
    mark = made.content_type.partition("boundary=")[2]
    assert data.decode() == (
        f'--{mark}\r\ncontent-disposition: form-data; name="f"\r\n\r\n1\r\n'
        f'--{mark}\r\ncontent-disposition: form-data; name="a"; filename="a"\r\n'
        "content-type: application/octet-stream\r\n\r\naa\r\n"
        f'--{mark}\r\ncontent-disposition: form-data; name="b"; filename="x%22y%0D%0A.bin"\r\n'
        "content-type: image/png\r\n\r\nb\r\n"
        f'--{mark}\r\ncontent-disposition: form-data; name="c"; filename="c.txt"\r\n'
        f"content-type: application/octet-stream\r\n\r\nccc\r\n--{mark}--\r\n"
    )
    unknown = body(files=[("d", ("d", parts()))])
    assert unknown.length is None
    assert b"\r\n\r\ndd\r\n--" in await whole(unknown)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"json": 1, "content": b""}, "one body"),
        ({"content": b"", "form": {}}, "one body"),
        ({"content": 3}, "content= takes"),
        ({"json": object()}, "cannot be said in JSON"),
        ({"files": {"a": Path("/nowhere/x")}}, "'/nowhere/x' cannot be sent"),
        ({"files": {"a": ("a", b"", "a\r\nb: c")}}, "line break"),
    ],
)
def test_what_cannot_be_sent(given: dict[str, Any], message: str) -> None:
    """Said before anything is sent."""
    with pytest.raises(UsageError, match=message):
        body(**given)
