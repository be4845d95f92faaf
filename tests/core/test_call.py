"""The shape of a call: one handler, any middleware around it, streams in sight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from mainstay.core.call import Call, Handler, Middleware, Stream, StreamMiddleware, chain, messages
from mainstay.core.metadata import EMPTY, Metadata
from mainstay.core.scope import Scope
from mainstay.errors import (
    ClosedError,
    DeadlineExceeded,
    EndOfStream,
    NotFound,
    PeerGone,
    UsageError,
)
from tests.core.moments import about, forever, nothing_left, now


def unary(request: Any = None) -> Call:
    return Call("local", "test.Greeter/SayHello", Scope("call"), request)


async def echo(call: Call) -> Any:
    return call.request


def traced(name: str, log: list[str]) -> Middleware:
    async def middleware(call: Call, next: Handler) -> Any:
        log.append(f"{name} in")
        try:
            return await next(call)
        finally:
            log.append(f"{name} out")

    return middleware


async def test_without_middleware_the_handler_is_itself() -> None:
    """An empty chain costs nothing."""
    assert chain([], echo) is echo


async def test_list_order_is_run_order() -> None:
    """The first listed runs first and ends last."""
    log: list[str] = []
    handler = chain([traced("a", log), traced("b", log), traced("c", log)], echo)
    assert await handler(unary("hello")) == "hello"
    assert log == ["a in", "b in", "c in", "c out", "b out", "a out"]


async def test_the_list_may_change_afterwards() -> None:
    """A chain is what the list was when it was made."""
    log: list[str] = []
    middleware = [traced("a", log)]
    handler = chain(middleware, echo)
    middleware.clear()
    await handler(unary())
    assert log == ["a in", "a out"]


async def test_a_middleware_may_answer_itself() -> None:
    """What is further in never runs."""
    log: list[str] = []

    async def refuse(call: Call, next: Handler) -> Any:
        return "refused"

    assert await chain([traced("a", log), refuse, traced("b", log)], echo)(unary()) == "refused"
    assert log == ["a in", "a out"]


async def test_a_middleware_may_change_call_reply_and_error() -> None:
    """Each sees what the next one inside made of it."""

    async def shout(call: Call, next: Handler) -> Any:
        call.request = call.request.upper()
        return f"{await next(call)}!"

    async def soften(call: Call, next: Handler) -> Any:
        try:
            return await next(call)
        except NotFound as error:
            return f"sorry: {error}"

    async def fail(call: Call) -> Any:
        raise NotFound(f"no {call.request}")

    assert await chain([shout], echo)(unary("hello")) == "HELLO!"
    assert await chain([shout, soften], fail)(unary("ann")) == "sorry: no ANN!"


async def test_a_middleware_may_call_the_next_again() -> None:
    """The chain keeps no state of a call, so a retry is a second call of the rest."""
    tries: list[int] = []

    async def again(call: Call, next: Handler) -> Any:
        try:
            return await next(call)
        except NotFound:
            return await next(call)

    async def flaky(call: Call) -> Any:
        tries.append(len(tries))
        if len(tries) == 1:
            raise NotFound("not yet")
        return "found"

    handler = chain([again, traced("inner", [])], flaky)
    assert await handler(unary()) == "found"
    calls = [handler(unary(number)) for number in range(10)]
    tries[:] = [0]
    assert await asyncio.gather(*calls) == ["found"] * 10


async def test_a_middleware_may_limit_what_is_inside() -> None:
    """A scope around `next` is the scope of everything further in."""

    async def limit(call: Call, next: Handler) -> Any:
        with Scope("limit", timeout=1):
            return await next(call)

    async def slow(call: Call) -> Any:
        await forever()

    with nothing_left(), pytest.raises(DeadlineExceeded, match="'limit'"):
        await chain([limit], slow)(unary())
    assert now() == about(1)


class Talk:
    """A stream whose peer says what is given; it remembers what was said to the peer."""

    def __init__(self, *peer: Any) -> None:
        self.peer = list(peer)
        self.log: list[tuple[str, Any]] = []
        self.closed = False

    async def open(self, metadata: Metadata = EMPTY) -> None:
        if any(kind == "open" for kind, _ in self.log):
            raise UsageError("the stream is open already")
        self.log.append(("open", metadata))

    async def receive(self) -> Any:
        await asyncio.sleep(0)
        if not self.peer:
            raise EndOfStream("that was all")
        message = self.peer.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    async def send(self, message: Any) -> None:
        if self.closed:
            raise ClosedError("closed")
        self.log.append(("send", message))

    async def close(self, metadata: Metadata = EMPTY) -> None:
        self.closed = True
        self.log.append(("close", metadata))


def streaming(stream: Stream) -> Call:
    return Call("local", "test.Greeter/Chat", Scope("call"), stream=stream)


async def answer_each(call: Call) -> None:
    """A handler of a bidirectional stream."""
    assert call.stream is not None
    await call.stream.open(Metadata([("greeting", "yes")]))
    async for message in messages(call.stream):
        await call.stream.send(f"hello {message}")
    await call.stream.close(Metadata([("count", "2")]))


async def test_a_stream_middleware_passes_everything_on() -> None:
    """One that overrides nothing changes nothing, metadata included."""
    talk = Talk("ann", "bob")
    await answer_each(streaming(StreamMiddleware(StreamMiddleware(talk))))
    assert talk.log == [
        ("open", Metadata([("greeting", "yes")])),
        ("send", "hello ann"),
        ("send", "hello bob"),
        ("close", Metadata([("count", "2")])),
    ]


class Watching(StreamMiddleware):
    """Sees the four events."""

    __slots__ = ("log", "name")

    def __init__(self, inner: Stream, name: str, log: list[str]) -> None:
        super().__init__(inner)
        self.name = name
        self.log = log

    async def open(self, metadata: Metadata = EMPTY) -> None:
        self.log.append(f"{self.name} open")
        await super().open(metadata)

    async def receive(self) -> Any:
        message = await super().receive()
        self.log.append(f"{self.name} receive {message}")
        return message

    async def send(self, message: Any) -> None:
        self.log.append(f"{self.name} send")
        await super().send(message)

    async def close(self, metadata: Metadata = EMPTY) -> None:
        self.log.append(f"{self.name} close")
        await super().close(metadata)


def watching(name: str, log: list[str]) -> Middleware:
    async def middleware(call: Call, next: Handler) -> Any:
        log.append(f"{name} in")
        if call.stream is not None:
            call.stream = Watching(call.stream, name, log)
        try:
            return await next(call)
        finally:
            log.append(f"{name} out")

    return middleware


async def test_middleware_sees_a_stream_open_receive_send_and_close() -> None:
    """Inside of its own span, and in an order: what comes passes the outer one first, what goes
    passes the inner one first."""
    log: list[str] = []
    handler = chain([watching("outer", log), watching("inner", log)], answer_each)
    await handler(streaming(Talk("ann")))
    assert log == [
        "outer in",
        "inner in",
        "inner open",
        "outer open",
        "outer receive ann",
        "inner receive ann",
        "inner send",
        "outer send",
        "inner close",
        "outer close",
        "inner out",
        "outer out",
    ]


async def test_the_same_middleware_guards_unary_calls() -> None:
    """One function for both shapes."""
    log: list[str] = []
    assert await chain([watching("m", log)], echo)(unary("hello")) == "hello"
    assert log == ["m in", "m out"]


async def test_the_span_of_a_middleware_is_the_life_of_the_stream() -> None:
    """A deadline around `next` limits the whole talk, not only its beginning."""

    class Endless(Talk):
        async def receive(self) -> Any:
            await asyncio.sleep(1)
            return "more"

    async def limit(call: Call, next: Handler) -> Any:
        with Scope("limit", timeout=5.5):
            return await next(call)

    talk = Endless()
    with nothing_left(), pytest.raises(DeadlineExceeded):
        await chain([limit], answer_each)(streaming(talk))
    assert [kind for kind, _ in talk.log] == ["open"] + ["send"] * 5


async def test_messages_ends_with_the_stream() -> None:
    """EndOfStream is the end of the loop; every other error comes out of it."""
    assert [each async for each in messages(Talk("a", "b"))] == ["a", "b"]
    assert [each async for each in messages(Talk())] == []
    received: list[str] = []
    with pytest.raises(PeerGone):
        async for each in messages(Talk("a", PeerGone("it left"))):
            received.append(each)  # noqa: PERF401 - the loop fails
    assert received == ["a"]


async def test_messages_may_be_left_early() -> None:
    """What was not taken stays with the stream."""
    talk = Talk("a", "b", "c")
    async with aclosing(messages(talk)) as taken:  # type: ignore[type-var]
        async for each in taken:
            assert each == "a"
            break
    assert talk.peer == ["b", "c"]


async def test_handlers_written_as_generators_run_inside_of_the_span() -> None:
    """Driven by the innermost handler, the generator sees the scope of the middleware."""
    seen: list[str] = []

    async def greet(call: Call) -> AsyncIterator[str]:
        seen.append(Scope.current().name)
        yield "hello"
        seen.append(Scope.current().name)

    async def drive(call: Call) -> None:
        assert call.stream is not None
        async for message in greet(call):
            await call.stream.send(message)

    async def named(call: Call, next: Handler) -> Any:
        with Scope("span"):
            return await next(call)

    await chain([named], drive)(streaming(Talk()))
    assert seen == ["span", "span"]


async def test_the_repr_tells_what_is_called() -> None:
    """Transport, method and shape; never the message, which may be secret."""
    assert repr(unary("secret")) == "<Call local test.Greeter/SayHello unary>"
    assert repr(streaming(Talk("secret"))) == "<Call local test.Greeter/Chat stream>"
