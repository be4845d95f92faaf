"""Which exchanges are RPC, and what becomes of their calls."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from mainstay.errors import (
    BugError,
    Code,
    NotFound,
    PeerError,
    PolicyError,
    ResourceError,
    RpcError,
)
from mainstay.http.problems import Problem
from mainstay.rpc.method import Kind
from mainstay.wire.envelopes import seal
from tests.rpc.grpc_world import World, echo
from tests.rpc.web_world import WebWorld
from tests.wire.http2_world import reset


async def test_a_path_without_a_method_is_left_to_http() -> None:
    """RPC and HTTP share the port."""
    world = World(echo)
    world.begin(path=b"/other", content_type=b"text/plain", ended=True)
    assert (await world.settled()).head[b":status"] == b"404"
    assert world.nobody.asked == [b"/other"]


async def test_a_method_that_does_not_exist_is_unimplemented() -> None:
    """For who speaks gRPC; it is not counted under a name that the peer chose."""
    world = World(echo)
    for stream, path in enumerate((b"/test.Service/Nope", b"/nope", b"/test.Service/Do/")):
        world.begin(path=path, stream=2 * stream + 1, ended=True)
        reply = await world.settled(2 * stream + 1)
        assert (reply.status, reply.message) == (12, b"there is no method " + path)
    assert world.nobody.asked == []
    assert world.app.unmatched.counts.statuses == {12: 3}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (b"application/grpc", b"200"),
        (b"application/grpc+proto", b"200"),
        (b"Application/GRPC; charset=utf-8", b"200"),
        (b"application/grpcx", b"415"),
        (b"application/grpc+thrift", b"415"),
        (b"text/plain", b"415"),
        (b"", b"415"),
    ],
)
async def test_a_content_type_says_the_protocol(content_type: bytes, status: bytes) -> None:
    """One that nobody speaks is refused, in words of HTTP, since nothing else is known."""
    world = World(echo)
    world.begin(content_type=content_type)
    world.send(seal(b"x"), ended=True)
    assert (await world.settled()).head[b":status"] == status


async def test_a_method_is_called_by_post() -> None:
    """405 says what is allowed."""
    world = World(echo)
    world.begin(method=b"PUT", ended=True)
    reply = await world.settled()
    assert (reply.head[b":status"], reply.head[b"allow"]) == (b"405", b"POST")


async def test_the_four_kinds_and_one_connection() -> None:
    """Calls of one connection run side by side; those that wait are known."""
    gate = asyncio.Event()

    async def wait(call: Any) -> bytes:
        await gate.wait()
        return bytes(call.request)

    world = World(wait)
    for stream in (1, 3, 5):
        world.begin(stream=stream)
        world.send(seal(b"%d" % stream), stream=stream, ended=True)
    await world.settled()
    assert len(world.app.tasks) == world.wire.port.in_flight == 3
    gate.set()
    replies = [(await world.settled(stream)).messages for stream in (1, 3, 5)]
    assert replies == [[b"1"], [b"3"], [b"5"]]
    assert world.app.tasks == {}


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (RuntimeError("x"), logging.ERROR),
        (BugError("x"), logging.ERROR),
        (ResourceError("x"), logging.ERROR),
        (NotFound("x"), None),
        (PolicyError("x"), None),
    ],
    ids=repr,
)
async def test_faults_of_ours_are_logged_whole(
    error: Exception, level: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """With their stacks; what callers do wrong is not, as anybody could fill the log with it."""

    async def fail(call: Any) -> Any:
        raise error

    caplog.set_level(logging.INFO, "mainstay")
    world = World(fail)
    world.call(b"x")
    await world.settled()
    records = [each for each in caplog.records if each.name == "mainstay.rpc"]
    assert [each.levelno for each in records] == ([] if level is None else [level])
    for record in records:
        assert record.exc_info is not None
        assert record.exc_info[1] is error
        assert "test.Service/Do" in record.getMessage()


@pytest.mark.parametrize(
    "raised", [asyncio.CancelledError(), SystemExit(3), BaseExceptionGroup("g", [SystemExit()])]
)
async def test_what_no_handler_may_raise_ends_its_call_only(raised: BaseException) -> None:
    """As a fault of the program; the connection goes on."""

    async def fail(call: Any) -> Any:
        raise raised

    world = World(fail)
    world.call(b"x")
    assert (await world.settled()).status == 13
    world.begin(stream=3)
    world.send(seal(b"x"), stream=3, ended=True)
    assert (await world.settled(3)).status == 13


class _NumberedError(PeerError):
    """Its code is the number of one."""

    code: Any = 5


class _MuteError(PeerError):
    """It was never told its message."""

    def __init__(self) -> None:
        Exception.__init__(self, "x")


class _UnspeakableError(PeerError):
    """Whatever is asked of it fails."""

    @property
    def code(self) -> Any:  # type: ignore[override]
        raise RuntimeError("not now")


def _wrong_code() -> Exception:
    code: Any = "NOT_FOUND"
    return RpcError(code, "x")


@pytest.mark.parametrize("make", [_wrong_code, _NumberedError, _MuteError, _UnspeakableError])
@pytest.mark.parametrize("kind", [Kind.UNARY, Kind.BIDI])
async def test_an_error_that_is_made_wrongly_ends_its_call(
    make: Callable[..., Exception], kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    """As a fault of the program, with a log record; the call would hang for ever otherwise."""

    async def fail(call: Any) -> Any:
        raise make() if make in (_wrong_code, _MuteError) else make("x")

    world = World(fail, kind)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.status, reply.message) == (13, b"the server failed")
    assert world.endpoint.counts.statuses == {13: 1}
    assert world.app.tasks == {}
    assert [each.levelno for each in caplog.records] == [logging.ERROR]


_UNUSABLE: list[dict[str, Any]] = [
    {"details": [{"a": 1}]},
    {"trailers": [("x-foo", 1)]},
    {"trailers": [("x-foo",)]},
    {"trailers": [("grpc-status", "0")]},
]


@pytest.mark.parametrize("unusable", _UNUSABLE, ids=str)
async def test_what_cannot_be_sent_of_an_error_does_not_hide_it(
    unusable: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Its code and its text arrive, without details and metadata; the log says what was wrong."""

    async def fail(call: Any) -> Any:
        call.trailing_metadata.append(("x-more", "1"))
        raise RpcError(Code.NOT_FOUND, "no such item", **unusable)

    world = World(fail)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.status, reply.message) == (5, b"no such item")
    assert b"x-more" not in {**reply.head, **reply.trailers}
    assert world.endpoint.counts.statuses == {5: 1}
    assert "its metadata and details are left out" in caplog.text


async def test_a_drain_lets_streams_end_in_their_own_time() -> None:
    """They are told by their scope; what they still say arrives."""

    async def until_drain(call: Any) -> None:
        await call.stream.send(b"hello")
        await call.scope.wait_draining()
        await call.stream.send(b"goodbye")

    world = World(until_drain, Kind.SERVER_STREAM)
    world.begin()
    world.send(seal(b"x"), ended=True)
    assert (await world.settled()).messages == [b"hello"]
    world.calls.drain()
    world.wire.port.drain()
    reply = await world.settled()
    assert (reply.messages, reply.status) == ([b"hello", b"goodbye"], 0)
    assert world.app.tasks == {}


async def test_a_cancelled_service_says_unavailable() -> None:
    """What is cut off at the end of a drain may be tried elsewhere."""
    from mainstay.errors import ShuttingDown  # noqa: PLC0415

    async def forever(call: Any) -> None:
        await call.stream.send(b"hello")
        await asyncio.sleep(1e6)

    world = World(forever, Kind.SERVER_STREAM)
    world.begin()
    world.send(seal(b"x"), ended=True)
    await world.settled()
    world.calls.cancel(ShuttingDown("the service is stopping"))
    reply = await world.settled()
    assert (reply.messages, reply.status) == ([b"hello"], 14)


async def test_an_idle_stream_is_no_call_at_work() -> None:
    """Streams have a bound of their own, so that idle ones keep nobody out; what is vital is always
    answered."""

    async def wait(call: Any) -> None:
        await call.stream.receive()

    world = World(wait, Kind.BIDI, in_flight=2, long_calls=3)
    for stream in (1, 3, 5):
        world.begin(stream=stream)
    await world.settled()
    assert (world.wire.port.in_flight, world.wire.port.long) == (3, 3)
    assert not world.wire.port.is_full()
    world.begin(stream=7)
    assert (await world.settled(7)).head[b":status"] == b"503"
    world.method.vital = True
    world.begin(stream=9)
    assert (await world.settled(9)).head == {}
    world.wire.connection.connection_lost(None)
    await world.settled()
    assert (world.wire.port.in_flight, world.wire.port.long) == (0, 0)
    assert world.endpoint.counts.statuses == {14: 1, 1: 4}


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("Unary", "application/json"),
        ("Unary", "application/proto"),
        ("Server", "application/connect+json"),
    ],
)
async def test_who_reads_http_is_refused_with_a_problem(name: str, content_type: str) -> None:
    """The same that a route answers with as many calls at work as there may be."""
    world = WebWorld(echo, in_flight=1)
    world.port.in_flight = 2
    reply = await world.call(name, content_type, b"{}")
    assert (reply.status, dict(reply.fields)[b"retry-after"]) == (503, b"1")
    assert reply.content_type == b"application/problem+json"
    problem = Problem.decode(reply.body)
    assert (problem.status, problem.title) == (503, "Service Unavailable")
    assert problem.reason == "OVERLOADED"


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc-web-text"])
async def test_clients_of_grpc_read_the_status_alone(content_type: str) -> None:
    """A problem would be nothing to them."""
    world = WebWorld(echo, in_flight=1)
    world.port.in_flight = 2
    reply = await world.call("Unary", content_type)
    assert (reply.status, reply.body) == (503, b"overloaded\n")


async def test_unary_calls_have_the_bound_of_calls_at_work() -> None:
    """One more is answered 503, which clients of gRPC know as UNAVAILABLE."""
    gate = asyncio.Event()

    async def wait(call: Any) -> bytes:
        await gate.wait()
        return b""

    world = World(wait, in_flight=2)
    for stream in (1, 3, 5):
        world.begin(stream=stream)
        world.send(seal(b"x"), stream=stream, ended=True)
    assert (await world.settled(5)).head[b":status"] == b"503"
    gate.set()
    assert [(await world.settled(each)).status for each in (1, 3)] == [0, 0]


@pytest.mark.parametrize(
    ("kind", "parts", "status"),
    [
        (Kind.SERVER_STREAM, [], 4),
        (Kind.UNARY, [b"\0\0"], 4),
        (Kind.CLIENT_STREAM, [b"\0\0\0\0\5ab"], 4),
        (Kind.CLIENT_STREAM, [], None),
        (Kind.BIDI, [seal(b"whole")], None),
    ],
)
async def test_a_peer_may_pause_between_messages_only(
    kind: Kind, parts: list[bytes], status: int | None
) -> None:
    """Of a method that has several: half a message, or none where there is one, is waited for no
    longer than any body."""

    async def read(call: Any) -> Any:
        if call.stream is None:
            return b""
        while True:
            await call.stream.receive()

    world = World(read, kind, body_timeout=10)
    world.begin()
    world.send(*parts)
    await asyncio.sleep(100)
    assert world.reply().status == status
    world.wire.connection.connection_lost(None)
    await world.settled()


@pytest.mark.parametrize("end", ["reset", "deadline", "failure"])
async def test_a_call_that_fails_leaves_nothing_to_the_collector(end: str) -> None:
    """Neither the call nor what its handler held: not by the cause of its end, either."""
    seen: list[weakref.ref[Any]] = []

    class Mark:
        """Can be watched."""

    async def wait(call: Any) -> Any:
        mark = Mark()
        seen.append(weakref.ref(mark))
        if end == "failure":
            raise NotFound("nothing")
        await asyncio.sleep(5)
        return mark

    world = World(wait)
    gc.collect()
    gc.disable()
    try:
        world.call(b"x", fields=[(b"grpc-timeout", b"1S")])
        await world.settled()
        if end == "reset":
            world.wire.say(reset(1))
        await asyncio.sleep(2)
        world.wire.program.begun.clear()
        assert [each() for each in seen] == [None]
    finally:
        gc.enable()
