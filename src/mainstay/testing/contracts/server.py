"""What every `mainstay.interfaces.server.Server` has to do.

An adapter says how to make the server and how to be its client::

    class TestLineServer(ServerContract):
        def make_server(self, *addresses: str, **options: float) -> Server:
            return LineServer(*addresses, **options)

        async def connect(self, address: str) -> ServerConnection:
            return await LineClient.connect(address)

The tests run in real time on asyncio's loop; set `ServerContract.loop_factory` for another.
"""

from __future__ import annotations

import asyncio
import os
import socket
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from typing import Any, ClassVar, Protocol, TypeVar

from mainstay.core.call import Call
from mainstay.core.scope import Scope
from mainstay.errors import PeerGone, ResourceError, UsageError
from mainstay.interfaces.server import Server

__all__ = ["Capabilities", "ServerConnection", "ServerContract"]

T = TypeVar("T")

# Generous real seconds for what happens at once on an idle machine; a busy one stands still for some.
_SOON = 30.0
# Answers of this many characters, this many times, are more than the kernel keeps for a client that
# does not read: 64 MB, where Linux keeps at most 10 MB on one machine unless it is tuned.
_LARGE = 32_000
_MANY = 2000
# Real seconds without a new call after which a server counts as waiting for its client.
_STALLED = 0.3
# A server's patience in the tests that wait for its end, in real seconds.
_PATIENCE = 0.3
# Turns of the loop after which whatever would happen without waiting has happened.
_TURNS = 20
# Ports below those that systems hand out to whoever names none; each process begins elsewhere.
_RANGE = range(12_000, 20_000)
_PORTS = cycle((*_RANGE[os.getpid() * 127 % len(_RANGE) :], *_RANGE))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do beyond the contract.

    Attributes:
        several_addresses: it can listen on more than one.
        sees_vanished_clients: it learns that a client has left while a call is under way.
        pipelines: a client may begin calls on a connection before it has read earlier answers.
        flush_timeout: it can be told how long a client has to read when its connection is to end.
        idle_timeout: it can be told how long a connection may go without a whole request.
    """

    several_addresses: bool = True
    sees_vanished_clients: bool = True
    pipelines: bool = True
    flush_timeout: bool = True
    idle_timeout: bool = True


class ServerConnection(Protocol):
    """The client's side of one connection.

    It reads ahead of `answer` and `wait_closed` only so much as a buffer of fixed size holds.
    """

    async def begin(self, text: str) -> None:
        """Send a unary call that carries `text`, and do not wait for its answer.

        Called again before `answer` only if the server pipelines; waits while the server takes
        nothing.
        """

    async def trickle(self) -> None:
        """Send a byte or so of a request that never becomes whole.

        Raises: OSError when the server has hung up.
        """

    async def answer(self) -> str:
        """The text of the reply to the earliest call not answered yet.

        Raises: any Exception when the call failed or the server hung up.
        """

    async def wait_closed(self) -> None:
        """Wait until the server has closed the connection, in whichever way."""

    async def aclose(self) -> None:
        """Leave at once; idempotent."""


class _Recorder:
    """The handler of the tests: answers with the request's text in capitals.

    ``hold`` waits until it is let go, ``fail`` raises an unexpected error, ``large`` gets much text.
    """

    def __init__(self, text_of: Callable[[Call], str], reply: Callable[[str], Any]) -> None:
        self._text_of = text_of
        self._reply = reply
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.causes: list[Exception | None] = []
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> Any:
        self.calls.append(call)
        text = self._text_of(call)
        if text == "fail":
            raise ZeroDivisionError("secret of the handler")
        if text == "hold":
            self.begun.set()
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.causes.append(call.scope.cause)
                raise
        return self._reply("L" * _LARGE if text == "large" else text.upper())


class ServerContract:
    """Derive from it, and name the class ``Test…``."""

    capabilities: ClassVar[Capabilities] = Capabilities()
    loop_factory: ClassVar[Callable[[], asyncio.AbstractEventLoop]] = staticmethod(
        asyncio.new_event_loop
    )

    # --- what an adapter says -------------------------------------------------------------------

    @abstractmethod
    def make_server(self, *addresses: str, **options: float) -> Server:
        """A new server, not open yet.

        Args:
            addresses: where to listen, such as ``tcp://127.0.0.1:0``.
            options: seconds, by name. ``flush_timeout``: that a client has to read what was written
                when its connection is to end. ``idle_timeout``: that a connection without a call
                may go without a whole request. Given only if `capabilities` has that name.
        """

    @abstractmethod
    async def connect(self, address: str) -> ServerConnection:
        """A new connection to an address that `Server.open` returned.

        Raises: OSError when nobody listens there.
        """

    def text_of(self, call: Call) -> str:
        """The text that `ServerConnection.begin` put into the request."""
        return str(call.request)

    def reply(self, text: str) -> Any:
        """The handler's reply for which `ServerConnection.answer` returns `text`."""
        return text

    # --- helpers --------------------------------------------------------------------------------

    @asynccontextmanager
    async def opened(self, **options: float) -> AsyncIterator[tuple[Server, str, _Recorder]]:
        """An open server that does not accept yet, its address, and its handler."""
        server = self.make_server("tcp://127.0.0.1:0", **options)
        handler = _Recorder(self.text_of, self.reply)
        with Scope("server") as scope:
            (address,) = await server.open(handler, scope)
            try:
                yield server, address, handler
            finally:
                handler.let_go.set()
                await server.aclose()

    async def exchange(self, address: str, text: str) -> str:
        """One call on a connection of its own."""
        connection = await self.connect(address)
        try:
            await connection.begin(text)
            return await _soon(connection.answer())
        finally:
            await connection.aclose()

    async def holding(self, address: str, handler: _Recorder) -> ServerConnection:
        """A connection with a call under way that waits for `handler.let_go`."""
        connection = await self.connect(address)
        await connection.begin("hold")
        await _soon(handler.begun.wait())
        return connection

    @asynccontextmanager
    async def unread(self, address: str, handler: _Recorder) -> AsyncIterator[ServerConnection]:
        """A connection that has begun `_MANY` large calls and reads no answer; the server waits."""
        connection = await self.connect(address)

        async def flood() -> None:
            for _ in range(_MANY):
                await connection.begin("large")

        flooding = asyncio.ensure_future(flood())
        try:
            await _soon(_stalled(lambda: len(handler.calls)))
            yield connection
        finally:
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
            await connection.aclose()

    async def assert_free(self, address: str) -> None:
        """Nothing listens at `address`: it can be bound again."""
        server = self.make_server(address)
        with Scope("prober") as scope:
            assert await server.open(_Recorder(self.text_of, self.reply), scope) == [address]
            await server.aclose()

    # --- open -----------------------------------------------------------------------------------

    async def test_open_binds_but_accepts_nothing(self) -> None:
        """Between `open` and `accept` peers connect and wait; then they are served."""
        async with self.opened() as (server, address, handler):
            connection = await self.connect(address)
            await connection.begin("early")
            await _turns()
            assert server.statistics().connections == 0
            assert not handler.calls
            server.accept()
            assert await _soon(connection.answer()) == "EARLY"
            await connection.aclose()

    async def test_open_refuses_an_address_in_use(self) -> None:
        """A second server on the same address fails with ResourceError; the first still serves."""
        async with self.opened() as (server, address, _):
            other = self.make_server(address)
            with Scope("other") as scope:
                await _raises(ResourceError, other.open(_Recorder(str, str), scope))
            await other.aclose()
            server.accept()
            assert await self.exchange(address, "still") == "STILL"

    async def test_a_bad_address_is_the_user_s_fault(self) -> None:
        """An address that means nothing raises UsageError, at construction or at `open`."""

        async def open_it() -> None:
            with Scope("bad") as scope:
                await self.make_server("nonsense").open(_Recorder(str, str), scope)

        await _raises(UsageError, open_it())

    async def test_a_failed_open_leaves_nothing_bound(self) -> None:
        """When the second address cannot be had, the first is given back."""
        if not self.capabilities.several_addresses:
            return
        free = _free_address()
        async with self.opened() as (_, taken, _):
            server = self.make_server(free, taken)
            with Scope("server") as scope:
                await _raises(ResourceError, server.open(_Recorder(str, str), scope))
            await self.assert_free(free)
            await server.aclose()

    async def test_a_cancelled_open_leaves_nothing_bound(self) -> None:
        """However far `open` has come when it is cancelled, the address is free afterwards."""
        for turns in range(4):
            address = _free_address()
            server = self.make_server(address)
            with Scope("server") as scope:
                opening = asyncio.ensure_future(server.open(_Recorder(str, str), scope))
                for _ in range(turns):
                    await asyncio.sleep(0)
                opening.cancel()
                await asyncio.wait([opening])
                if not opening.cancelled():
                    await server.aclose()  # it was faster: open, and closed as any other
            await self.assert_free(address)

    # --- serving --------------------------------------------------------------------------------

    async def test_calls_are_answered(self) -> None:
        """A call reaches the handler with a scope below the server's, and its peer."""
        async with self.opened() as (server, address, handler):
            server.accept()
            assert await self.exchange(address, "one") == "ONE"
            assert await self.exchange(address, "two") == "TWO"
            for call in handler.calls:
                assert call.scope.peer is not None
                assert call.scope.parent is not None
                assert call.transport

    async def test_one_connection_carries_one_call_after_another(self) -> None:
        """A connection outlives its first answer."""
        async with self.opened() as (server, address, _):
            server.accept()
            connection = await self.connect(address)
            for number in range(10):
                await connection.begin(f"call {number}")
                assert await _soon(connection.answer()) == f"CALL {number}"
            await connection.aclose()

    async def test_a_handler_error_does_not_end_the_server(self) -> None:
        """The caller learns that the call failed, not why; others are served."""
        async with self.opened() as (server, address, _):
            server.accept()
            error = await _raises(Exception, self.exchange(address, "fail"))
            assert "secret" not in str(error)
            assert await self.exchange(address, "next") == "NEXT"
            await _until(lambda: server.statistics().in_flight == 0)

    async def test_a_vanished_client_cancels_its_call(self) -> None:
        """Nobody computes for a client that has left: the cause is PeerGone."""
        if not self.capabilities.sees_vanished_clients:
            return
        async with self.opened() as (server, address, handler):
            server.accept()
            connection = await self.holding(address, handler)
            await connection.aclose()
            await _until(lambda: bool(handler.causes))
            assert isinstance(handler.causes[0], PeerGone)
            await _until(lambda: server.statistics().in_flight == 0)
            assert await self.exchange(address, "next") == "NEXT"

    async def test_a_client_that_does_not_read_is_held_back(self) -> None:
        """Its calls are not begun while answers wait for it, and all of them once it reads."""
        if not self.capabilities.pipelines:
            return
        async with self.opened() as (server, address, handler):
            server.accept()
            async with self.unread(address, handler) as connection:
                assert 0 < len(handler.calls) < _MANY
                assert await self.exchange(address, "other") == "OTHER"
                for _ in range(_MANY):
                    assert await _soon(connection.answer()) == "L" * _LARGE

    async def test_a_request_that_never_becomes_whole_is_not_waited_for(self) -> None:
        """Bytes that complete nothing do not keep a connection: it is idle all the same."""
        if not self.capabilities.idle_timeout:
            return
        async with self.opened(idle_timeout=_PATIENCE) as (server, address, _):
            server.accept()
            connection = await self.connect(address)
            closed = asyncio.ensure_future(connection.wait_closed())
            async with asyncio.timeout(_SOON):
                while not closed.done():
                    with suppress(OSError):
                        await connection.trickle()
                    await asyncio.wait([closed], timeout=_PATIENCE / 10)
            await closed
            await _until(lambda: server.statistics().connections == 0)
            await connection.aclose()

    async def test_statistics_are_true(self) -> None:
        """Idle connections and calls under way are counted, and leave the count."""
        async with self.opened() as (server, address, handler):
            server.accept()
            idle = await self.connect(address)
            busy = await self.holding(address, handler)
            await _until(lambda: server.statistics().connections == 2)  # noqa: PLR2004
            assert server.statistics().in_flight == 1
            handler.let_go.set()
            await _soon(busy.answer())
            await _until(lambda: server.statistics().in_flight == 0)
            await idle.aclose()
            await busy.aclose()
            await _until(lambda: server.statistics().connections == 0)

    # --- stopping -------------------------------------------------------------------------------

    async def test_stop_accepting_loses_no_accepted_connection(self) -> None:
        """In whichever turn of the loop the stop comes, an accepted connection is served."""
        for turns in range(8):
            async with self.opened() as (server, address, _):
                connection = await self.connect(address)
                await connection.begin("served")
                server.accept()
                for _ in range(turns):
                    await asyncio.sleep(0)
                await server.stop_accepting()
                if server.statistics().connections:
                    assert await _soon(connection.answer()) == "SERVED"
                await connection.aclose()

    async def test_after_stop_accepting_nobody_new_is_served(self) -> None:
        """Connections that are open stay so; a new one waits in the queue, unserved."""
        async with self.opened() as (server, address, handler):
            server.accept()
            old = await self.connect(address)
            await _until(lambda: server.statistics().connections == 1)
            await server.stop_accepting()
            new = await self.connect(address)
            await new.begin("new")
            await old.begin("old")
            assert await _soon(old.answer()) == "OLD"
            await _turns()
            assert [self.text_of(call) for call in handler.calls] == ["old"]
            await old.aclose()
            await new.aclose()

    async def test_drain_closes_connections_without_work(self) -> None:
        """Idle peers are sent away, and the drain ends."""
        async with self.opened() as (server, address, _):
            server.accept()
            idle = await self.connect(address)
            await _until(lambda: server.statistics().connections == 1)
            await server.stop_accepting()
            await _soon(server.drain())
            await _soon(idle.wait_closed())
            assert server.statistics().connections == 0
            await idle.aclose()

    async def test_drain_does_not_wait_for_a_client_that_does_not_read(self) -> None:
        """It has some seconds to take its answers; a stop does not depend on it."""
        if not (self.capabilities.pipelines and self.capabilities.flush_timeout):
            return
        async with self.opened(flush_timeout=_PATIENCE) as (server, address, handler):
            server.accept()
            async with self.unread(address, handler):
                assert server.statistics().connections == 1
                await server.stop_accepting()
                await _soon(server.drain())
                assert server.statistics().connections == 0

    async def test_drain_waits_for_calls_and_lets_them_answer(self) -> None:
        """`drain` returns when the last call has been answered, and not before."""
        async with self.opened() as (server, address, handler):
            server.accept()
            busy = await self.holding(address, handler)
            await server.stop_accepting()
            draining = asyncio.ensure_future(server.drain())
            await _turns()
            assert not draining.done()
            assert not handler.causes
            handler.let_go.set()
            assert await _soon(busy.answer()) == "HOLD"
            await _soon(draining)
            assert server.statistics().in_flight == 0
            await busy.aclose()

    async def test_a_call_sees_that_it_should_come_to_an_end(self) -> None:
        """The drain reaches the scope of a call under way, for streams to end by."""
        async with self.opened() as (server, address, handler):
            server.accept()
            busy = await self.holding(address, handler)
            await server.stop_accepting()
            draining = asyncio.ensure_future(server.drain())
            await _soon(handler.calls[0].scope.wait_draining())
            handler.let_go.set()
            await _soon(draining)
            await busy.aclose()

    async def test_a_cancelled_drain_leaves_calls_alone(self) -> None:
        """Whoever bounds the drain decides what happens to the calls, not the drain."""
        async with self.opened() as (server, address, handler):
            server.accept()
            busy = await self.holding(address, handler)
            await server.stop_accepting()
            draining = asyncio.ensure_future(server.drain())
            await _turns()
            draining.cancel()
            await asyncio.wait([draining])
            assert not handler.causes
            handler.let_go.set()
            assert await _soon(busy.answer()) == "HOLD"
            await busy.aclose()

    async def test_aclose_ends_calls_under_way(self) -> None:
        """Without a drain, calls are cancelled and their connections closed."""
        async with self.opened() as (server, address, handler):
            server.accept()
            busy = await self.holding(address, handler)
            await _soon(server.aclose())
            await _soon(busy.wait_closed())
            assert len(handler.causes) == 1
            assert server.statistics().connections == 0
            await busy.aclose()

    async def test_aclose_comes_at_any_time_and_twice(self) -> None:
        """New, open, accepting, stopped or drained: afterwards the address is free."""
        await self.make_server("tcp://127.0.0.1:0").aclose()
        steps: list[Callable[[Server], Awaitable[None]]] = [
            _accept,
            lambda server: server.stop_accepting(),
            lambda server: server.drain(),
        ]
        for number in range(len(steps) + 1):
            async with self.opened() as (server, address, _):
                for step in steps[:number]:
                    await _soon(step(server))
                await _soon(server.aclose())
                await _soon(server.aclose())
                await self.assert_free(address)


async def _accept(server: Server) -> None:
    server.accept()


async def _soon(work: Awaitable[T]) -> T:
    return await asyncio.wait_for(work, _SOON)


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0.001)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_SOON):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)


async def _stalled(count: Callable[[], int]) -> None:
    """Wait until the count has begun and grows no more."""
    last = 0
    while not last or count() != last:
        last = count()
        await asyncio.sleep(_STALLED)


async def _raises(kind: type[Exception], work: Awaitable[Any]) -> Exception:
    try:
        await _soon(work)
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def _free_address() -> str:
    """An address that was free a moment ago, and that nobody gets by chance; another one each time."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return f"tcp://127.0.0.1:{port}"
    raise AssertionError("there is always another port")
