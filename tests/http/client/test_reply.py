import gzip
from collections.abc import Sequence
from typing import Any

import msgspec
import pydantic
import pytest

from mainstay.errors import BrokenError, UpstreamError, UsageError
from mainstay.http.client.reply import Reply
from mainstay.net.client_limits import ClientLimits
from mainstay.net.outgoing import Incoming, Shared


def arriving(
    *parts: bytes, status: int = 200, fields: Sequence[tuple[bytes, bytes]] = (), size: int = 1000
) -> Reply:
    limits = ClientLimits(body_size=size)
    incoming = Incoming(Shared(limits), "h", lambda _: None, lambda: None)
    incoming.status, incoming.fields, incoming.version = status, list(fields), "1.1"
    for part in parts:
        incoming.inbox.add(part)
    incoming.inbox.end()
    return Reply(incoming, "GET", "http://h/x", limits)


async def received(*parts: bytes, **more: Any) -> Reply:
    reply = arriving(*parts, **more)
    await reply.read()
    return reply


class User(msgspec.Struct):
    name: str


class Model(pydantic.BaseModel):
    name: str


async def test_the_body_is_kept() -> None:
    """Read twice, it is the same; pieces can be had of it still."""
    reply = await received(b"ab", b"c")
    assert (reply.body, await reply.read(), reply.text) == (b"abc", b"abc", "abc")
    assert [each async for each in reply.chunks()] == [b"abc"]
    assert repr(reply) == "<Reply 200 to GET http://h/x>"


async def test_pieces_go_once() -> None:
    """And there is no body of a reply that was not read whole."""
    reply = arriving(b"abc")
    with pytest.raises(UsageError, match="no body yet"):
        _ = reply.body
    assert [each async for each in reply.chunks()] == [b"abc"]
    with pytest.raises(UsageError, match="goes once"):
        await reply.read()


async def test_a_body_is_bounded() -> None:
    """By what it is decompressed to; a retry would not help."""
    packed = gzip.compress(bytes(100_000))
    reply = arriving(packed, fields=[(b"content-encoding", b"gzip")])
    with pytest.raises(BrokenError, match="longer than body_size, 1000") as caught:
        await reply.read()
    assert not caught.value.retryable


async def test_compressed_data_that_is_none() -> None:
    """Is the server's fault."""
    reply = arriving(b"<html>", fields=[(b"content-encoding", b"gzip")])
    with pytest.raises(UpstreamError, match="is no gzip"):
        await reply.read()


@pytest.mark.parametrize(
    ("content_type", "data", "text"),
    [
        (b"text/plain", "ä".encode(), "ä"),
        (b"text/plain; charset=latin-1", b"\xe4", "ä"),
        (b'text/plain; Charset="ISO-8859-1"', b"\xe4", "ä"),
        (b"text/plain; charset=nonsense", "ä".encode(), "ä"),
        (b"text/plain", b"\xe4", "\ufffd"),
    ],
)
async def test_text(content_type: bytes, data: bytes, text: str) -> None:
    """By the charset that the reply names, UTF-8 otherwise."""
    reply = await received(data, fields=[(b"content-type", content_type)])
    assert reply.text == text
    assert reply.content_type == "text/plain"


async def test_json_of_a_type() -> None:
    """msgspec's, pydantic's, either inside of others, or plain."""
    one, many = await received(b'{"name":"x"}'), await received(b'[{"name":"x"}]')
    assert one.json() == {"name": "x"}
    assert one.json(User) == User("x")
    assert one.json(Model) == Model(name="x")
    assert many.json(list[User]) == [User("x")]
    assert many.json(list[Model]) == [Model(name="x")]


@pytest.mark.parametrize("kind", [User, Model, list[User], Any])
@pytest.mark.parametrize("body", [b'{"nam":1}', b"<html>", b"\xff"])
async def test_json_that_is_none(kind: Any, body: bytes) -> None:
    """Is the server's fault; it is said which request, and what is wrong."""
    if kind is Any and body == b'{"nam":1}':
        return
    reply = await received(body)
    with pytest.raises(UpstreamError, match="the reply to <Reply 200 to GET http://h/x> is no"):
        reply.json(kind)


async def test_an_error_carries_the_problem() -> None:
    """Status, title, detail, and further members (RFC 9457)."""
    body = b'{"type":"https://e/t","title":"T","status":409,"detail":"taken","balance":30}'
    fields = [(b"content-type", b"application/problem+json"), (b"retry-after", b"7")]
    reply = await received(body, status=409, fields=fields)
    with pytest.raises(UpstreamError) as caught:
        reply.raise_for_status()
    error = caught.value
    assert str(error) == "GET http://h/x answered 409 Conflict: taken"
    assert (error.status, error.retry_after, error.retryable) == (409, 7.0, False)
    assert error.problem.title == "T"
    assert error.problem.extensions == {"balance": 30}


@pytest.mark.parametrize(
    ("status", "content_type", "body", "said"),
    [
        (503, b"text/plain", b"later", "answered 503 Service Unavailable: later"),
        (500, b"text/html", b"<html>", "answered 500 Internal Server Error"),
        (599, b"application/problem+json", b"oops", "answered 599"),
    ],
)
async def test_errors_without_a_problem(
    status: int, content_type: bytes, body: bytes, said: str
) -> None:
    """The status, and a text if it is one for people."""
    reply = await received(body, status=status, fields=[(b"content-type", content_type)])
    assert reply.problem is None
    with pytest.raises(UpstreamError) as caught:
        reply.raise_for_status()
    assert str(caught.value) == f"GET http://h/x {said}"
    assert caught.value.retryable is (status in (500, 503))


async def test_no_error() -> None:
    """The reply itself, for the next call in the line."""
    reply = await received(b"", status=302)
    assert reply.raise_for_status() is reply
    assert reply.ok


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"120", 120.0),
        (b"Fri, 31 Dec 1999 23:59:59 GMT", 9.0),
        (b"Fri, 31 Dec 1999 23:00:00 GMT", 0.0),
        (b"soon", None),
    ],
)
async def test_how_long_to_wait(value: bytes, seconds: float | None) -> None:
    """Seconds, or a date, counted from the server's own."""
    fields = [(b"retry-after", value), (b"date", b"Fri, 31 Dec 1999 23:59:50 GMT")]
    assert arriving(fields=fields).retry_after == seconds
    assert arriving().retry_after is None


async def test_object_is_any_value() -> None:
    """As in annotations of those who check types strictly, alone and in other types."""
    reply = await received(b'{"a": [1]}')
    assert reply.json(object) == reply.json(dict[str, object]) == {"a": [1]}
