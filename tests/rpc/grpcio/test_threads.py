"""Facts about plain servicers, which run in threads."""

import asyncio
import threading
from typing import Any

import grpc
import grpc.aio
import pytest

from mainstay.core.scope import Scope
from tests.rpc.grpcio.generated import answer, ask, behave, on_mainstay, see, servicer
from tests.rpc.grpcio.stock import aio_channel

pytestmark = pytest.mark.real_loop


def stub_of(channel: Any) -> Any:
    return behave().services.BehaveStub(channel)


async def test_a_plain_method_runs_beside_the_loop_in_the_scope_of_its_call() -> None:
    """In another thread, where the deadline is known and metadata can be asked for."""
    found: list[Any] = []

    def looks(self: Any, request: Any, context: Any) -> Any:
        scope = Scope.current()
        found.append(threading.current_thread() is not threading.main_thread())
        found.append(0 < scope.remaining() <= 300)
        found.append(scope.metadata.get("k"))
        return answer("x")

    async with on_mainstay(servicer(One=looks)) as address:
        await see(address, "One", [ask()], 300)
    assert found == [True, True, "v"]


async def test_a_generator_runs_in_one_thread_and_is_closed_there() -> None:
    """What it holds stays where it was taken."""
    threads: list[int] = []

    def yields(self: Any, request: Any, context: Any) -> Any:
        try:
            for number in range(20):
                threads.append(threading.get_ident())
                yield answer(number)
        finally:
            threads.append(threading.get_ident())

    async with on_mainstay(servicer(Many=yields)) as address:
        seen = await see(address, "Many", [ask()])
    assert len(seen.replies) == 20
    assert len(set(threads)) == 1


async def test_a_callback_wakes_a_thread_whose_client_has_left() -> None:
    """While the method still blocks, and its context says that nobody waits."""
    began = threading.Event()
    stop = threading.Event()
    ended = threading.Event()
    found: list[Any] = []

    def blocks(self: Any, request: Any, context: Any) -> Any:
        found.append(context.add_callback(stop.set))
        found.append(context.is_active())
        began.set()
        stop.wait(60)
        found.append(context.is_active())
        found.append(context.add_callback(stop.set))
        ended.set()
        return answer("x")

    async with (
        on_mainstay(servicer(One=blocks)) as address,
        aio_channel(address) as channel,
    ):
        call = stub_of(channel).One(ask())
        assert await asyncio.to_thread(began.wait, 60)
        call.cancel()
        assert await asyncio.to_thread(ended.wait, 60)
    assert found == [True, True, False, False]


async def test_callbacks_are_called_when_a_call_has_ended_well() -> None:
    """Every one, also after one that fails."""
    ended = threading.Event()

    def fails() -> None:
        raise LookupError

    def returns(self: Any, request: Any, context: Any) -> Any:
        context.add_callback(fails)
        context.add_callback(ended.set)
        return answer("x")

    async with on_mainstay(servicer(One=returns)) as address:
        assert (await see(address, "One", [ask()])).replies == ["x"]
        assert await asyncio.to_thread(ended.wait, 60)


@pytest.mark.parametrize("method", ["Gather", "Chat"])
async def test_a_thread_that_waits_for_a_message_is_freed_when_the_client_leaves(
    method: str,
) -> None:
    """The iterator raises grpc.RpcError, as grpc's own does."""
    began = threading.Event()
    ended = threading.Event()
    found: list[Any] = []

    def gather(self: Any, request_iterator: Any, context: Any) -> Any:
        try:
            for _ in request_iterator:
                began.set()
        except grpc.RpcError:
            found.append("freed")
            raise
        finally:
            ended.set()
        return answer("x")

    def chat(self: Any, request_iterator: Any, context: Any) -> Any:
        yield gather(self, request_iterator, context)

    async def one_and_wait() -> Any:
        yield ask("a")
        await asyncio.Event().wait()

    made = servicer(Gather=gather, Chat=chat)
    async with on_mainstay(made) as address, aio_channel(address) as channel:
        call = getattr(stub_of(channel), method)(one_and_wait())
        assert await asyncio.to_thread(began.wait, 60)
        call.cancel()
        assert await asyncio.to_thread(ended.wait, 60)
    assert found == ["freed"]


async def test_a_method_can_cancel_its_call() -> None:
    """The client sees CANCELLED."""

    def cancels(self: Any, request: Any, context: Any) -> Any:
        context.cancel()
        return answer("x")

    async with on_mainstay(servicer(One=cancels)) as address:
        assert (await see(address, "One", [ask()])).code is grpc.StatusCode.CANCELLED


async def test_a_plain_function_that_returns_a_coroutine_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A decorator that hides ``async def`` is the usual reason."""

    def hides(self: Any, request: Any, context: Any) -> Any:
        async def work() -> Any:
            return answer("x")

        return work()

    async with on_mainstay(servicer(One=hides)) as address:
        assert (await see(address, "One", [ask()])).code is grpc.StatusCode.INTERNAL
    assert "if a decorator hides `async def`" in caplog.text


async def test_a_generator_waits_for_a_client_that_does_not_read() -> None:
    """It is ahead by what the windows hold and a few messages, and by no more."""
    made: list[int] = []
    stuck = threading.Event()

    def yields(self: Any, request: Any, context: Any) -> Any:
        for number in range(1000):
            made.append(number)
            stuck.set()
            yield answer("x" * 100_000)

    # Its client lets its windows grow as it guesses at the line, and the more the slower all is.
    fixed = [("grpc.http2.bdp_probe", 0)]
    async with (
        on_mainstay(servicer(Many=yields)) as address,
        aio_channel(address, options=fixed) as channel,
    ):
        call = stub_of(channel).Many(ask())
        await call.read()
        assert await asyncio.to_thread(stuck.wait, 60)
        while True:  # until it goes no further
            stuck.clear()
            if not await asyncio.to_thread(stuck.wait, 0.2):
                break
        assert len(made) < 500
        call.cancel()


async def test_what_was_yielded_before_an_exception_is_sent() -> None:
    """All of it, in order, though it leaves in the thread's absence."""

    def yields(self: Any, request: Any, context: Any) -> Any:
        for number in range(100):
            yield answer(number)
        context.abort(grpc.StatusCode.OUT_OF_RANGE, "no more")

    async with on_mainstay(servicer(Many=yields)) as address:
        seen = await see(address, "Many", [ask()])
    assert seen.replies == [str(number) for number in range(100)]
    assert (seen.code, seen.details) == (grpc.StatusCode.OUT_OF_RANGE, "no more")


async def test_a_message_that_cannot_be_sent_ends_the_generator() -> None:
    """It is closed, and the client sees UNKNOWN."""
    closed = threading.Event()

    def yields(self: Any, request: Any, context: Any) -> Any:
        try:
            while True:
                yield "no message"
        finally:
            closed.set()

    async with on_mainstay(servicer(Many=yields)) as address:
        assert (await see(address, "Many", [ask()])).code is grpc.StatusCode.UNKNOWN
        assert await asyncio.to_thread(closed.wait, 60)
