"""Facts about the context of coroutines that no second server is needed for."""

import asyncio
import logging
from typing import Any

import grpc
import grpc.aio
import pytest

from mainstay import Service
from mainstay.errors import NotFound
from mainstay.rpc.grpcio.answering import handler_of
from mainstay.rpc.method import Kind
from tests.rpc.grpc_world import World
from tests.rpc.grpcio.generated import answer, ask, behave, on_mainstay, see, servicer, serving
from tests.rpc.grpcio.stock import aio_channel

pytestmark = pytest.mark.real_loop


class Watched:
    """What a method has seen of its own end."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.seen: list[Any] = []


def stub_of(channel: Any) -> Any:
    return behave().services.BehaveStub(channel)


@pytest.mark.parametrize("method", ["One", "Many", "Gather", "Chat"])
async def test_a_client_that_cancels_cancels_the_method(method: str) -> None:
    """The method gets CancelledError, its context says so, and done callbacks are called."""
    watched = Watched()

    async def waits(self: Any, request: Any, context: Any) -> Any:
        context.add_done_callback(lambda own: watched.seen.append(own.done()))
        context.add_done_callback(lambda own: watched.ended.set())
        watched.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            watched.seen.append(context.cancelled())
            raise

    async with (
        on_mainstay(servicer(**{method: waits})) as address,
        aio_channel(address) as channel,
    ):
        given: Any = iter([ask()]) if method in ("Gather", "Chat") else ask()
        call = getattr(stub_of(channel), method)(given)
        await watched.began.wait()
        call.cancel()
        await watched.ended.wait()
    assert watched.seen == [True, True]


async def test_a_deadline_ends_the_method() -> None:
    """It does not outlive what the client is willing to wait."""
    watched = Watched()

    async def waits(self: Any, request: Any, context: Any) -> Any:
        context.add_done_callback(lambda own: watched.ended.set())
        watched.began.set()
        await asyncio.Event().wait()

    async with on_mainstay(servicer(One=waits)) as address:
        seconds = 0.05
        while not watched.began.is_set():  # a busy machine may take longer to get there
            seen = await see(address, "One", [ask()], timeout=seconds)
            assert seen.code is grpc.StatusCode.DEADLINE_EXCEEDED
            seconds *= 4
        await watched.ended.wait()


async def test_done_callbacks_come_after_the_answer_and_may_fail(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One that raises is in the log, and the others are called all the same."""
    watched = Watched()

    def fails(context: Any) -> None:
        raise LookupError("a callback's own fault")

    async def returns(self: Any, request: Any, context: Any) -> Any:
        context.add_done_callback(fails)
        context.add_done_callback(lambda own: watched.ended.set())
        return answer("x")

    async with on_mainstay(servicer(One=returns)) as address:
        assert (await see(address, "One", [ask()])).replies == ["x"]
        await watched.ended.wait()
    assert "a done callback of test.behave.v1.Behave/One failed" in caplog.text


async def test_initial_metadata_arrives_before_the_reply() -> None:
    """It can be read while the method still works, of a unary call too; the status follows."""
    go_on = asyncio.Event()

    async def waits(request: Any, context: Any) -> Any:
        await context.send_initial_metadata((("a", "1"),))
        await go_on.wait()
        context.set_trailing_metadata((("b", "2"),))
        return b"reply"

    world = World(handler_of(Kind.UNARY, waits))
    world.call(b"request")
    early = await world.settled()
    assert (early.head[b"a"], early.messages, early.status) == (b"1", [], None)
    go_on.set()
    late = await world.settled()
    assert (late.messages, late.status, late.trailers[b"b"]) == ([b"reply"], 0, b"2")


async def test_a_unary_method_has_no_messages_to_read_or_write() -> None:
    """It says what to do instead."""
    found: list[str] = []

    async def reads(self: Any, request: Any, context: Any) -> Any:
        for use in (context.read(), context.write(answer("x"))):
            try:
                await use
            except grpc.aio.UsageError as error:
                found.append(str(error))
        return answer("x")

    async with on_mainstay(servicer(One=reads)) as address:
        await see(address, "One", [ask()])
    assert len(found) == 2
    assert "has one request and one reply" in found[0]


async def test_a_context_is_of_no_use_once_its_call_has_ended() -> None:
    """What a task left behind writes is refused, and not lost without a word."""
    kept: list[Any] = []

    async def keeps(self: Any, request: Any, context: Any) -> Any:
        kept.append(context)
        yield answer("x")

    async with on_mainstay(servicer(Many=keeps)) as address:
        await see(address, "Many", [ask()])
        with pytest.raises(grpc.aio.UsageError, match="already finished"):
            await kept[0].write(answer("late"))


async def test_errors_of_mainstay_keep_their_code() -> None:
    """A servicer may raise them, as any handler."""

    async def raises(self: Any, request: Any, context: Any) -> Any:
        raise NotFound("there is no such thing")

    async with on_mainstay(servicer(One=raises)) as address:
        seen = await see(address, "One", [ask()])
    assert (seen.code, seen.details) == (grpc.StatusCode.NOT_FOUND, "there is no such thing")


async def test_an_exception_is_in_the_log_and_not_on_the_wire(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whole, with its traceback, also where a code was set for it."""

    async def raises(self: Any, request: Any, context: Any) -> Any:
        context.set_code(grpc.StatusCode.UNAVAILABLE)
        raise ValueError("the password is 1234")

    async with on_mainstay(servicer(One=raises)) as address:
        seen = await see(address, "One", [ask()])
    assert seen.code is grpc.StatusCode.UNAVAILABLE
    assert seen.details == ""
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert "the password is 1234" in caplog.text


async def test_without_a_deadline_the_limit_is_that_of_the_service() -> None:
    """Unary calls have its ``call_timeout``; streams have no end of time."""
    found: list[Any] = []

    async def one(self: Any, request: Any, context: Any) -> Any:
        found.append(context.time_remaining())
        return answer("x")

    async def many(self: Any, request: Any, context: Any) -> Any:
        found.append(context.time_remaining())
        yield answer("x")

    async with on_mainstay(servicer(One=one, Many=many)) as address:
        await see(address, "One", [ask()])
        await see(address, "Many", [ask()])
    assert 29 < found[0] <= 30
    assert found[1] is None


async def test_middleware_guards_servicers() -> None:
    """It sees the call, the messages, and the failure that the context makes of a code."""
    seen: list[Any] = []

    async def watching(call: Any, next: Any) -> Any:
        seen.append((call.method, call.request.text))
        try:
            return await next(call)
        except Exception as error:
            seen.append(str(error))
            raise

    async def sets(self: Any, request: Any, context: Any) -> Any:
        context.set_code(grpc.StatusCode.NOT_FOUND)
        context.set_details("nowhere")

    service = Service("behave", middleware=[watching])
    service.add_servicer(behave().services.add_BehaveServicer_to_server, servicer(One=sets))
    async with serving(service) as address:
        await see(address, "One", [ask("hello")])
    assert seen == [("test.behave.v1.Behave/One", "hello"), "nowhere"]
