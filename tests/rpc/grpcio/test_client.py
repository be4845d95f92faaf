"""Stubs that grpcio-tools generated behave on our channel as on one of grpc.aio: every test runs on
both."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from mainstay.core.call import Call, Handler
from mainstay.errors import UsageError
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.client.failures import CancelledFailure, RpcFailed
from mainstay.rpc.client.methods import UnaryMethod
from mainstay.rpc.grpcio.client import aio_error, stub_method
from mainstay.rpc.method import Kind
from tests.rpc.grpcio.generated import answer, ask, behave, on_grpc_aio, servicer
from tests.rpc.grpcio.stock import aio_channel

pytestmark = pytest.mark.real_loop


async def passes(call: Call, next: Handler) -> Any:
    """A middleware that does nothing."""
    return await next(call)


def with_middleware(address: str) -> Channel:
    """Ours, where calls run through middleware."""
    return Channel(address, middleware=[passes])


CHANNELS = [Channel, with_middleware, aio_channel]
both = pytest.mark.parametrize("make", CHANNELS, ids=["ours", "ours-middleware", "grpc.aio"])
Make = Callable[[str], Any]


class World:
    """A stub, and what its server sees."""

    def __init__(self) -> None:
        self.stub: Any = None
        self.channel: Any = None
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    def servicer(self) -> Any:
        """Methods that do as they are asked."""

        async def one(_: Any, request: Any, context: Any) -> Any:
            if request.text == "fail":
                await context.send_initial_metadata((("x-head", "1"),))
                context.set_trailing_metadata((("y-bin", b"\0"),))
                await context.abort(grpc.StatusCode.NOT_FOUND, "no such")
            if request.text == "wait":
                self.waiting.set()
                try:
                    await asyncio.sleep(3600)
                finally:
                    self.cancelled.set()
            await context.send_initial_metadata((("x-head", "1"),))
            context.set_trailing_metadata((("y-bin", b"\0"),))
            return answer(request.text.upper())

        async def many(_: Any, request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                for number in range(request.count):
                    yield answer(number)
                if request.text == "wait":
                    await asyncio.sleep(3600)
            finally:  # the client may have left before the server goes on after a yield
                if request.text == "wait":
                    self.cancelled.set()
            if request.text == "fail":
                await context.abort(grpc.StatusCode.NOT_FOUND, "no such")

        async def gather(_: Any, requests: Any, context: Any) -> Any:
            return answer(" ".join([each.text async for each in requests]))

        async def chat(_: Any, requests: Any, context: Any) -> AsyncIterator[Any]:
            async for each in requests:
                if each.text == "fail":
                    await context.abort(grpc.StatusCode.NOT_FOUND, "no such")
                yield answer(each.text.upper())

        return servicer(One=one, Many=many, Gather=gather, Chat=chat)


@asynccontextmanager
async def world(make: Make) -> AsyncIterator[World]:
    made = World()
    async with on_grpc_aio(made.servicer()) as address, make(address) as made.channel:
        made.stub = behave().services.BehaveStub(made.channel)
        yield made


def pairs(metadata: Any) -> set[tuple[str, Any]]:
    """Those that the servicer sent."""
    return {(key, value) for key, value in metadata if key in ("x-head", "y-bin")}


@both
async def test_a_unary_call(make: Make) -> None:
    """Await it, as often as you like; then everything is known."""
    async with world(make) as w:
        call = w.stub.One(ask("a"), timeout=30, metadata=(("k", "v"),))
        assert not call.done()
        await call.wait_for_connection()
        assert 0 < call.time_remaining() <= 30.1
        assert (await call).text == "A"
        assert (await call).text == "A"
        assert call.done()
        assert not call.cancelled()
        assert not call.cancel()
        assert await call.code() is grpc.StatusCode.OK
        assert await call.details() == ""
        assert pairs(await call.initial_metadata()) == {("x-head", "1")}
        assert pairs(await call.trailing_metadata()) == {("y-bin", b"\0")}
        assert isinstance(await call.debug_error_string(), str)
        assert w.stub.One(ask("b")).time_remaining() is None


@both
async def test_a_unary_call_that_fails(make: Make) -> None:
    """AioRpcError, with everything; the call itself says the same without raising."""
    async with world(make) as w:
        call = w.stub.One(ask("fail"), compression=grpc.Compression.Gzip)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        error = caught.value
        assert isinstance(error, grpc.RpcError)
        assert error.code() is await call.code() is grpc.StatusCode.NOT_FOUND
        assert error.details() == await call.details() == "no such"
        assert pairs(error.initial_metadata()) == {("x-head", "1")}
        assert pairs(error.trailing_metadata()) == {("y-bin", b"\0")}
        assert error.debug_error_string()


@both
async def test_a_timeout(make: Make) -> None:
    """DEADLINE_EXCEEDED, and the server's handler is cancelled, once a call has reached it."""
    async with world(make) as w:
        seconds = 0.2
        while not w.waiting.is_set():
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await w.stub.One(ask("wait"), timeout=seconds)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            seconds *= 4
        await w.cancelled.wait()


@both
async def test_cancelling_a_call(make: Make) -> None:
    """By `cancel`, or with who awaits it: CancelledError, and the server is told."""
    async with world(make) as w:
        await w.stub.One(ask("warm"))
        call = w.stub.One(ask("wait"))
        seen = asyncio.Event()
        call.add_done_callback(lambda done: seen.set() if done is call else None)
        waiting = asyncio.ensure_future(_await(call))
        await w.waiting.wait()
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await seen.wait()
        await w.cancelled.wait()
        assert call.cancelled()
        assert await call.code() is grpc.StatusCode.CANCELLED
        w.cancelled.clear()
        w.waiting.clear()
        waiting = asyncio.ensure_future(_await(w.stub.One(ask("wait"))))
        await w.waiting.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await w.cancelled.wait()


async def _await(call: Any) -> Any:
    return await call


@both
async def test_a_server_stream(make: Make) -> None:
    """By iteration, or by `read` to the EOF."""
    async with world(make) as w:
        call = w.stub.Many(ask(count=3))
        assert [each.text async for each in call] == ["0", "1", "2"]
        assert await call.code() is grpc.StatusCode.OK
        assert call.done()
        call = w.stub.Many(ask(count=2))
        assert [(await call.read()).text for _ in range(2)] == ["0", "1"]
        assert await call.read() is grpc.aio.EOF
        assert await call.read() is grpc.aio.EOF


@both
async def test_a_server_stream_that_fails(make: Make) -> None:
    """After its messages."""
    async with world(make) as w:
        call = w.stub.Many(ask("fail", count=2))
        found = []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for each in call:
                found.append(each.text)  # noqa: PERF401 - it fails on the way
        assert found == ["0", "1"]
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@both
async def test_a_server_stream_is_left(make: Make) -> None:
    """By `cancel`; ours by dropping it as well."""
    async with world(make) as w:
        call = w.stub.Many(ask("wait", count=1))
        assert (await call.read()).text == "0"
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()
        await w.cancelled.wait()
        if not isinstance(w.channel, Channel):
            return  # a call of grpc.aio that is dropped may live on (grpc/grpc#43462)
        w.cancelled.clear()
        call = w.stub.Many(ask("wait", count=1))
        assert (await call.read()).text == "0"
        del call
        gc.collect()
        await w.cancelled.wait()


@both
async def test_a_client_stream(make: Make) -> None:
    """Of requests given, plain or asynchronous, or written one by one."""

    async def texts() -> AsyncIterator[Any]:
        for text in "abc":
            yield ask(text)

    async with world(make) as w:
        assert (await w.stub.Gather(texts())).text == "a b c"
        assert (await w.stub.Gather(iter([ask("d"), ask("e")]))).text == "d e"
        call = w.stub.Gather()
        for text in "fg":
            await call.write(ask(text))
        await call.done_writing()
        assert (await call).text == "f g"
        assert (await call).text == "f g"
        assert await call.code() is grpc.StatusCode.OK
        with pytest.raises(asyncio.InvalidStateError):
            await call.write(ask("late"))


@both
async def test_a_conversation(make: Make) -> None:
    """Each side when it likes; then by iteration on both."""
    async with world(make) as w:
        call = w.stub.Chat(timeout=30)
        for text in "ab":
            await call.write(ask(text))
            assert (await call.read()).text == text.upper()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        seen = asyncio.Event()
        call.add_done_callback(lambda _: seen.set())
        await seen.wait()
        assert (await call.initial_metadata()) is not None

        async def texts() -> AsyncIterator[Any]:
            for text in "cde":
                yield ask(text)

        assert [each.text async for each in w.stub.Chat(texts())] == ["C", "D", "E"]


@both
async def test_a_conversation_that_fails(make: Make) -> None:
    """Reading says how, and so does writing afterwards."""
    async with world(make) as w:
        call = w.stub.Chat()
        await call.write(ask("fail"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises((grpc.aio.AioRpcError, asyncio.InvalidStateError)):
            await call.write(ask("late"))
        assert await call.code() is grpc.StatusCode.NOT_FOUND


@both
async def test_nobody_answers(make: Make) -> None:
    """UNAVAILABLE, at once."""
    async with make("unix:/nonexistent/rpc.sock") as channel:
        call = behave().services.BehaveStub(channel).One(ask("x"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError):
            await call.wait_for_connection()


@both
async def test_a_channel_can_be_waited_for(make: Make) -> None:
    """`channel_ready` returns when there is a connection."""
    async with world(make) as w:
        await w.channel.channel_ready()


async def test_a_channel_that_closes_under_a_call() -> None:
    """The call is CANCELLED."""
    async with world(Channel) as w:
        await w.stub.One(ask("x"))
        call = w.stub.One(ask("wait"))
        stream = w.stub.Many(ask("wait"))
        await w.channel.close()
        for each in (call, stream):
            assert await each.code() is grpc.StatusCode.CANCELLED
        with pytest.raises(grpc.aio.AioRpcError):
            await call


async def test_credentials_of_a_call_are_refused() -> None:
    """With what to do instead."""
    async with world(Channel) as w:
        for method in (w.stub.One, w.stub.Many):
            with pytest.raises(UsageError, match="metadata"):
                method(ask("x"), credentials=object())


async def test_a_deadline_that_is_over_raises_at_once() -> None:
    """As AioRpcError."""
    async with world(Channel) as w:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await w.stub.One(ask("x"), timeout=0)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(grpc.aio.AioRpcError):
            w.stub.Many(ask("x"), timeout=0)


async def test_what_a_stub_is_made_of() -> None:
    """A method of the channel; every failure has its counterpart."""
    channel = Channel("host:1")
    method = channel.method_at("/a.B/C", Kind.UNARY)
    assert isinstance(method, UnaryMethod)
    assert callable(stub_method(method))
    for kind in RpcFailed.__subclasses__():
        assert aio_error(kind("m")).code().name == kind.code.name
    assert aio_error(CancelledFailure("m")).details() == "m"
