"""Facts about the line protocol: its transport keeps the contract, and its service does what it says."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvloop

from examples.lines import grammar, service, talk
from examples.lines.server import LineServer
from mainstay.core.call import Call
from mainstay.core.scope import Scope
from mainstay.errors import InvalidRequest, NotFound, UsageError
from mainstay.interfaces.server import Server
from mainstay.net.address import Address
from mainstay.testing.clock import VirtualLoop
from mainstay.testing.contracts.server import ServerConnection, ServerContract
from tests.process.ports import free_port

ROOT = Path(__file__).parents[2]


class LineClient:
    """The client's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, address: str) -> LineClient:
        port = Address.from_text(address).port
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def line(self) -> str:
        return (await self.reader.readline()).decode().rstrip("\n")

    async def begin(self, text: str) -> None:
        await self.send(f"call {text}\n".encode())

    async def trickle(self) -> None:
        await self.send(b"x")

    async def answer(self) -> str:
        line = await self.line()
        if not line.startswith("= "):
            raise RuntimeError(line)
        return line[2:]

    async def wait_closed(self) -> None:
        with suppress(ConnectionResetError):
            while await self.reader.read(65536):
                pass

    async def aclose(self) -> None:
        self.writer.close()


class TestLineServer(ServerContract):
    """The line server keeps the contract of servers."""

    def make_server(self, *addresses: str, **options: float) -> Server:
        return LineServer(*addresses, **options)

    async def connect(self, address: str) -> ServerConnection:
        return await LineClient.connect(address)


class TestLineServerOnUvloop(TestLineServer):
    """The same on the loop that services run on."""

    loop_factory: ClassVar[Callable[[], asyncio.AbstractEventLoop]] = staticmethod(
        uvloop.new_event_loop
    )


# --- the grammar --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        (b"hello Ada L.", grammar.Request("hello", "Ada L.")),
        (b"  hello   Ada \r", grammar.Request("hello", "Ada")),
        (b"ready", grammar.Request("ready")),
        (b"@0.5 work 10", grammar.Request("work", "10", 0.5)),
        (b" \r", None),
    ],
)
def test_a_line_is_a_request(line: bytes, request_: grammar.Request | None) -> None:
    """Timeout, method and text are told apart; a blank line asks for nothing."""
    assert grammar.request_of(line) == request_


@pytest.mark.parametrize(
    "line", [b"\xff", b"@ hello", b"@x a", b"@-1 a", b"@nan a", b"@inf a", b"@1"]
)
def test_a_line_that_means_nothing_is_refused(line: bytes) -> None:
    """Bytes that are no text, and times that are none, are the client's mistake."""
    with pytest.raises(InvalidRequest):
        grammar.request_of(line)


def test_lines_are_taken_from_the_buffer_one_by_one() -> None:
    """What is not a whole line stays, unless it is too long already."""
    buffer = bytearray(b"one\ntwo\nthr")
    assert [grammar.take_line(buffer) for _ in range(3)] == [b"one", b"two", None]
    assert buffer == b"thr"
    most = b"x" * grammar.LINE_LIMIT
    assert grammar.take_line(bytearray(most + b"\n")) == most
    for long in (most + b"x", most + b"x\n"):
        with pytest.raises(InvalidRequest, match="at most 8192 bytes"):
            grammar.take_line(bytearray(long))


def test_an_answer_is_one_line() -> None:
    """A line break in a reply cannot be mistaken for the end of the answer."""
    assert grammar.encode("= a\nb\r\nc") == b"= a b c\n"


# --- the transport, where it goes beyond the contract -------------------------------------------


@asynccontextmanager
async def serving(
    handler: Callable[[Call], Any], **options: float
) -> AsyncIterator[tuple[LineServer, LineClient]]:
    server = LineServer("tcp://127.0.0.1:0", **options)
    with Scope("server") as scope:
        (address,) = await server.open(handler, scope)
        server.accept()
        client = await LineClient.connect(address)
        try:
            yield server, client
        finally:
            await client.aclose()
            await server.aclose()


# Virtual time, which goes on when the kernel has been silent for so many seconds: where something is
# on its way in it as a timer is set, a machine that is busy takes a while.
PATIENT = pytest.mark.parametrize(
    "loop_factory", [partial(VirtualLoop, grace=0.25)], ids=["patient"]
)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nobody else tells
        await asyncio.sleep(0.1)


async def echo(call: Call) -> Any:
    return call.request


async def test_errors_are_told_by_reason_and_ours_are_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Deliberate errors travel with their message; our own faults go to the log only."""
    errors: list[Exception] = [
        NotFound("no such order", reason="ORDER_UNKNOWN"),
        UsageError("the table is missing"),
        KeyError("password"),
    ]

    async def fail(call: Call) -> Any:
        raise errors.pop(0)

    async with serving(fail) as (_, client):
        await client.send(b"a\nb\nc\n")
        assert await client.line() == "! ORDER_UNKNOWN no such order"
        assert await client.line() == grammar.INTERNAL
        assert await client.line() == grammar.INTERNAL
    assert "the table is missing" in caplog.text
    assert "KeyError: 'password'" in caplog.text


async def test_a_deadline_comes_with_the_call() -> None:
    """The work stops when the client's time is over, and the connection goes on."""

    async def handler(call: Call) -> Any:
        await asyncio.sleep(3600 if call.request else 0)

    async with serving(handler) as (_, client):
        await client.send(b"@0.5 slow work\n@0.5 quick\n")
        assert await client.line() == "! DEADLINE_EXCEEDED 'slow' was given 0.5 s, which are over"
        assert await client.line() == "="


async def test_a_stream_is_a_line_a_message() -> None:
    """Messages come with a plus, and the end is a bare reply."""

    async def handler(call: Call) -> None:
        assert call.stream is not None
        await call.stream.open()
        for word in call.request.split():
            await call.stream.send(word)
        await call.stream.close()

    async with serving(handler) as (_, client):
        await client.send(b"say a b c\n")
        assert [await client.line() for _ in range(4)] == ["+ a", "+ b", "+ c", "="]


@PATIENT
async def test_a_slow_reader_holds_the_stream_back(loop_factory: object) -> None:
    """The handler waits in `send` when the client does not read."""
    sent = 0

    async def handler(call: Call) -> None:
        nonlocal sent
        assert call.stream is not None
        for _ in range(100_000):
            await call.stream.send("x" * 1000)
            sent += 1

    async with serving(handler) as (server, client):
        await client.send(b"flood\n")
        last = -1
        while sent != last:
            last = sent
            await asyncio.sleep(0.1)
        assert 0 < sent < 100_000
        await client.aclose()
        while server.statistics().in_flight:  # noqa: ASYNC110 - nobody else tells
            await asyncio.sleep(0.1)


@PATIENT
async def test_a_greedy_sender_is_held_back(loop_factory: object) -> None:
    """While a call is under way, what a client sends ahead does not fill our memory."""
    let_go = asyncio.Event()

    async def handler(call: Call) -> Any:
        await let_go.wait()
        return call.request

    async with serving(handler) as (_, client):
        number = 30_000
        sending = asyncio.create_task(client.send(b"a " + b"x" * 1000 + b"\n" + b"a 1\n" * number))
        flood = asyncio.create_task(client.send(b"a 2\n" * 4_000_000))
        await asyncio.sleep(1)
        assert not flood.done()
        flood.cancel()
        sending.cancel()
        await asyncio.wait([flood, sending])
        let_go.set()
        assert (await client.line()).startswith("= xxx")
        for _ in range(100):
            assert await client.line() == "= 1"


@PATIENT
async def test_a_client_that_reads_nothing_costs_little_and_not_for_ever(
    loop_factory: object,
) -> None:
    """Neither its requests nor its answers pile up, and it is idle: it is sent away, unflushed."""
    async with serving(echo, idle_timeout=30.0, flush_timeout=5.0) as (server, client):
        flood = asyncio.create_task(client.send((b"a " + b"x" * 1000 + b"\n") * 60_000))
        await until(lambda: bool(server.connections))
        (connection,) = server.connections
        await until(lambda: not connection.writable.is_set())
        kept = 0
        while not connection.lost.done():
            kept = max(
                kept, len(connection._buffer) + connection._transport.get_write_buffer_size()
            )
            await asyncio.sleep(1)
        assert kept < 1_000_000
        with pytest.raises(ConnectionError):
            await flood


@PATIENT
async def test_a_slow_reader_of_a_long_answer_is_not_idle(loop_factory: object) -> None:
    """As long as it goes on reading it gets all of it, and may ask again."""
    size, step = 40_000_000, 4_000_000

    async def handler(call: Call) -> Any:
        return "x" * (size - 3)

    async with serving(handler, idle_timeout=30.0) as (server, client):
        await until(lambda: bool(server.connections))
        (connection,) = server.connections
        # The kernel keeps less than what is read at once: what it has counts as read.
        for end in client.writer, connection._transport:
            for option in socket.SO_RCVBUF, socket.SO_SNDBUF:
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 200_000)
        await client.send(b"a\n")
        for _ in range(size // step):
            await asyncio.sleep(20)
            await client.reader.readexactly(step)
        await client.send(b"a\n")
        assert await client.reader.readexactly(2) == b"= "


@PATIENT
async def test_a_drain_does_not_wait_for_a_stream_that_nobody_reads(loop_factory: object) -> None:
    """The handler that waits in `send` is cancelled when the client does not read any more."""

    async def handler(call: Call) -> None:
        assert call.stream is not None
        while True:
            await call.stream.send("x" * 10_000)

    async with serving(handler, flush_timeout=5.0) as (server, client):
        await client.send(b"flood\n")
        await until(lambda: bool(server.connections))
        (connection,) = server.connections
        await asyncio.sleep(1)
        assert not connection.writable.is_set()
        await server.stop_accepting()
        async with asyncio.timeout(10):
            await server.drain()
        assert server.statistics().in_flight == 0


async def test_a_line_too_long_is_answered_and_ends_the_connection() -> None:
    """There is no telling where the next request would begin."""
    async with serving(echo) as (_, client):
        await client.send(b"x" * (grammar.LINE_LIMIT + 1))
        assert await client.line() == "! INVALID_REQUEST a line has at most 8192 bytes"
        await client.wait_closed()


@PATIENT
async def test_idle_connections_are_sent_away(loop_factory: object) -> None:
    """Silence, and a line that never ends, are bounded; a call under way is not silence."""

    async def handler(call: Call) -> Any:
        await asyncio.sleep(100)
        return "late"

    async with serving(handler, idle_timeout=30.0) as (_, client):
        await client.send(b"slow\n")
        assert await client.line() == "= late"
        for piece in (b"half", b" a", b" li"):
            await client.send(piece)
            await asyncio.sleep(9)
        assert await client.line() == "# nothing came for 30 s; bye"
        await client.wait_closed()
        assert asyncio.get_running_loop().time() == pytest.approx(130, abs=0.1)


@PATIENT
async def test_a_drain_says_good_bye(loop_factory: object) -> None:
    """An idle peer is told; a busy one gets its answer first, and nothing after it."""
    let_go = asyncio.Event()

    async def handler(call: Call) -> Any:
        await let_go.wait()
        return call.request

    async with serving(handler) as (server, busy):
        (address,) = (str(each.address) for each in server._listeners)
        idle = await LineClient.connect(address)
        await busy.send(b"a 1\na 2\n")
        await asyncio.sleep(0.1)
        await server.stop_accepting()
        draining = asyncio.create_task(server.drain())
        assert await idle.line() == "# bye"
        let_go.set()
        assert [await busy.line(), await busy.line(), await busy.line()] == ["= 1", "# bye", ""]
        await draining
        await idle.aclose()


def test_the_repr_is_one_line_of_state() -> None:
    """Where it listens and what it does are visible."""
    assert repr(LineServer("fd:3")) == "<LineServer not open connections=0 calls=0>"


# --- the service --------------------------------------------------------------------------------


@contextmanager
def example(*, greeting: str = "Hello") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example in a process of its own, and the address it listens on."""
    address = f"tcp://127.0.0.1:{free_port()}"
    environ = {
        **os.environ,
        "LINES__ADDRESS": address,
        "LINES__GREETING": greeting,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.lines"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # no terminal, whoever runs the tests
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "runs on" in line:
                break
        yield process, address
    finally:
        process.kill()
        process.communicate()


def answers(address: str, line: str) -> tuple[bool, str]:
    out = io.StringIO()
    with talk.connect(address) as sock:
        return talk.ask(sock, line, out), out.getvalue()


def test_the_example_does_what_it_says() -> None:
    """Greeting, deadline, stream, readiness and a mistyped method, over a real connection."""
    with example(greeting="Moin") as (_, address):
        assert answers(address, "hello Ada") == (True, "= Moin, Ada!\n")
        assert answers(address, "work 0.1") == (True, "= done, after 0.1 s of work\n")
        assert answers(address, "count 1") == (True, "+ 1\n=\n")
        assert answers(address, "ready") == (True, "= yes\n")
        assert answers(address, "work x") == (False, "! INVALID_REQUEST 'x' is no number\n")
        succeeded, told = answers(address, "@0.2 work 10")
        assert not succeeded
        assert told.startswith("! DEADLINE_EXCEEDED")
        assert "there is 'hello'" in answers(address, "helo")[1]


def test_ctrl_c_finishes_the_call_under_way() -> None:
    """The slow call is answered, the stream is told, the idle peer sent away; the exit code is 0."""
    with example() as (process, address):
        with (
            talk.connect(address) as slow,
            talk.connect(address) as stream,
            talk.connect(address) as idle,
        ):
            slow.sendall(b"work 1\n")
            stream.sendall(b"count\n")
            reader = stream.makefile()
            assert reader.readline() == "+ 1\n"
            process.send_signal(signal.SIGINT)
            assert idle.makefile().read() == "# bye\n"
            assert slow.makefile().readlines() == ["= done, after 1 s of work\n", "# bye\n"]
            assert "the service is stopping" in reader.read()
            reader.close()
        assert process.wait(60) == 0


def test_the_client_ends_with_the_conversation() -> None:
    """What is typed is sent, what comes is shown, and either side may end it."""
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    out = io.StringIO()
    with ours, theirs, os.fdopen(read) as keyboard, os.fdopen(write, "w") as typist:
        typist.write("hello\n")
        typist.flush()
        theirs.sendall(b"# bye\n")
        theirs.shutdown(socket.SHUT_WR)
        talk.converse(ours, keyboard, out)
    assert out.getvalue() == "# bye\nthe service has hung up\n"


def test_the_client_says_when_nobody_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the service there is advice instead of a traceback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LINES__ADDRESS", f"tcp://127.0.0.1:{probe.getsockname()[1]}")
        assert talk.main(["hello"]) == 1
    assert "start `python -m examples.lines` first" in capsys.readouterr().out


def test_the_module_shows_one_of_each_kind() -> None:
    """The service has a coroutine, a stream, a thread and a question about health."""
    assert set(service.service.declaration.handlers) == {"hello", "count", "work", "ready"}
