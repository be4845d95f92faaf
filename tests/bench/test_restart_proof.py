"""That the proof of restarts sees what it looks for; tests/conformance/test_restart.py runs it."""

import asyncio
import os
import re
import socket
import struct
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import grpc
import pytest

from bench.restart import http1
from bench.restart.endpoint import Endpoint
from bench.restart.grpc import outcome_of_call
from bench.restart.held import Conversation
from bench.restart.http1 import Http1, KeptConnections
from bench.restart.http2 import GOAWAY, HEADERS, PREFACE, SETTINGS, Http2Connections, frame
from bench.restart.http2 import RST_STREAM as RST
from bench.restart.load import ON_THE_WIRE
from bench.restart.outcomes import Failed, Outcome, Recorder, Tally, outcome_of, quantile
from bench.restart.pace import Load, Pace, attempt
from bench.restart.processes import children, exists
from bench.restart.report import last_line, lines
from bench.restart.run import BASELINE, FAILING, RESTARTS, Found
from bench.restart.tap import Tap, Wire

REPLY = b'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"pid":7}'

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Endpoint]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    async with server:
        yield Endpoint(server.sockets[0].getsockname()[1])


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(REPLY)


async def answer_half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(REPLY[:-3])


async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


async def unavailable(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def outcome(request: Callable[[], Awaitable[None]]) -> Outcome:
    """Of one request, as it is recorded."""
    recorder = Recorder()
    await attempt(recorder, "kind", asyncio.get_running_loop().time(), request)
    [(name, number)] = recorder.tally("kind").outcomes.items()
    assert number == 1
    assert len(recorder.failures) == (name != Outcome.OK)
    return Outcome(name)


@pytest.mark.real_loop
@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (answer, Outcome.OK),
        (answer_half, Outcome.CUT),
        (drop, Outcome.CUT),
        (reset, Outcome.RESET),
        (unavailable, Outcome.ERROR),
        (hang, Outcome.HANG),
    ],
)
async def test_a_fresh_request_knows_what_became_of_it(
    serve: Serve, expected: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that a server may do to a request on a connection of its own is passed over."""
    if serve is hang:
        monkeypatch.setattr(http1, "TIMEOUT", 0.1)
    async with serving(serve) as endpoint:
        assert await outcome(Http1(endpoint, Recorder()).fresh) is expected


@pytest.mark.real_loop
async def test_a_port_on_which_nobody_listens_refuses() -> None:
    """That is counted apart from connections that are cut."""
    async with serving(answer) as endpoint:
        pass
    assert await outcome(Http1(endpoint, Recorder()).fresh) is Outcome.REFUSED


@pytest.mark.real_loop
@pytest.mark.parametrize(("bound", "expected"), [(60.0, Outcome.IDLE_CLOSED), (0.0, Outcome.CUT)])
async def test_a_kept_connection_closed_under_a_request_is_counted_apart(
    bound: float, expected: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only if it was closed at once: a server that takes its time has had the request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        await reader.readuntil(b"\r\n\r\n")

    monkeypatch.setattr(http1, "JUST_SENT", bound)
    async with serving(serve) as endpoint:
        kept = KeptConnections(endpoint, Recorder(), "kind", size=1)
        assert await outcome(kept.request) is Outcome.OK
        assert await outcome(kept.request) is expected
        await kept.aclose()


@pytest.mark.real_loop
async def test_a_first_request_on_a_connection_has_no_excuse() -> None:
    """Nobody closes a connection for being idle before it was used."""
    async with serving(drop) as endpoint:
        kept = KeptConnections(endpoint, Recorder(), "kind")
        assert await outcome(kept.request) is Outcome.CUT


@pytest.mark.real_loop
@pytest.mark.parametrize(
    ("last", "expected"), [(1, Outcome.OK), (2**31 - 1, Outcome.OK), (0, Outcome.RESET)]
)
async def test_a_stream_that_a_goaway_refuses_is_lost(last: int, expected: Outcome) -> None:
    """A server has to say twice that it leaves, and answer what is on its way meanwhile."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(SETTINGS, 0, 0))
        await reader.readexactly(len(PREFACE))
        kind = SETTINGS
        while kind != HEADERS:
            head = await reader.readexactly(9)
            kind = head[3]
            await reader.readexactly(int.from_bytes(head[:3]))
        writer.write(frame(GOAWAY, 0, 0, struct.pack(">II", last, 0)))
        # Index 8 of the static table is `:status: 200` (RFC 7541, appendix A).
        writer.write(frame(HEADERS, 4, 1, b"\x88") + frame(0, 1, 1, b'{"pid":7}'))
        await reader.read()

    async with serving(serve) as endpoint:
        recorder = Recorder()
        connections = Http2Connections(endpoint, recorder, "kind", size=1)
        assert await outcome(connections.request) is expected
        await connections.aclose()


async def test_requests_are_sent_and_timed_as_if_the_server_did_not_stand_still() -> None:
    """All those that are due while it does have to wait, and it shows in each (an open loop)."""
    recorder = Recorder()
    answers = asyncio.Event()

    async def request() -> None:
        await answers.wait()

    pace = Pace(recorder, Load("kind", 10, request))
    running = asyncio.ensure_future(pace.run())
    await asyncio.sleep(1)
    answers.set()
    pace.stop()
    await running
    seconds = sorted(recorder.tally("kind").seconds)
    assert 10 <= len(seconds) <= 11
    assert seconds[-1] == pytest.approx(0.95, abs=0.06)
    gaps = [later - sooner for sooner, later in pairwise(seconds[1:])]
    assert gaps == pytest.approx([0.1] * len(gaps))


def opened(stream: int) -> bytes:
    return frame(HEADERS, 4, stream, b"head")


def answered(stream: int) -> bytes:
    return frame(HEADERS, 4, stream, b"head") + frame(HEADERS, 5, stream, b"trailers")


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        (answered(1) + answered(3), 0),
        (answered(1), 1),
        (answered(1) + frame(RST, 0, 3, bytes(4)), 1),
        (frame(GOAWAY, 0, 0, struct.pack(">II", 2**31 - 1, 0)) + answered(1) + answered(3), 0),
        (frame(GOAWAY, 0, 0, struct.pack(">II", 1, 0)) + answered(1), 1),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_the_tap_sees_each_call_that_a_server_loses(said: bytes, lost: int, piece: int) -> None:
    """A stream that was opened on the wire is answered there, in whatever pieces that comes."""
    wire = Wire()
    sent = PREFACE + frame(SETTINGS, 0, 0) + opened(1) + opened(3)
    for take, data in ((wire.sent, sent), (wire.received, said)):
        for start in range(0, len(data), piece):
            take(data[start : start + piece])
    assert (wire.opened, wire.lost) == (2, lost)


def test_a_call_that_the_client_itself_has_reset_is_not_lost() -> None:
    """It does not wait for an answer any more."""
    wire = Wire()
    wire.sent(PREFACE + opened(1) + frame(RST, 0, 1, bytes(4)))
    assert (wire.opened, wire.lost) == (1, 0)


@pytest.mark.real_loop
async def test_the_tap_passes_on_what_is_said() -> None:
    """Both ways, and the end of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(PREFACE + opened(1)))
        writer.write(answered(1))

    async with serving(serve) as endpoint:
        tap = Tap(endpoint)
        reader, writer = await (await tap.open()).connect()
        writer.write(PREFACE + opened(1))
        assert await asyncio.wait_for(reader.read(), 60) == answered(1)
        writer.close()
        await tap.aclose()
    assert (tap.connections, tap.opened, tap.lost) == (1, 1, 0)


def test_what_grpcio_says_of_a_call_is_understood() -> None:
    """That it gave up says nothing of the server: it says the same when it was refused."""
    code = grpc.StatusCode.UNAVAILABLE
    said = "Stream removed (GOAWAY received; Error code: 0; Debug Text: )"
    assert outcome_of_call(code, said) is Outcome.GIVEN_UP
    refused = "failed to connect: Connection refused"
    assert outcome_of_call(code, refused) is Outcome.REFUSED
    late = grpc.StatusCode.DEADLINE_EXCEEDED
    assert outcome_of_call(late, "") is Outcome.HANG
    internal = grpc.StatusCode.INTERNAL
    own = "Internal error from Core"  # which is no status that a server has sent
    assert outcome_of_call(internal, own) is Outcome.GIVEN_UP
    assert outcome_of_call(internal, "a bug") is Outcome.ERROR


class Script:
    """A talk that echoes, and after some messages says goodbye, or breaks."""

    def __init__(self, ending: Exception | None, after: int) -> None:
        self.ending = ending
        self.after = after
        self.opened = 0
        self.queue: asyncio.Queue[int] = asyncio.Queue()

    async def open(self) -> None:
        self.opened += 1
        self.queue = asyncio.Queue()
        self.left = self.after if self.opened == 1 else 1000

    async def send(self, number: int) -> None:
        self.queue.put_nowait(number)

    async def receive(self) -> int | None:
        number = await self.queue.get()
        self.left -= 1
        if self.left >= 0:
            return number
        if self.ending is not None:
            raise self.ending
        return None

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("ending", [None, Failed(Outcome.CUT, "no goodbye")])
async def test_a_conversation_goes_on_after_a_goodbye(ending: Exception | None) -> None:
    """What was under way is sent again; without a goodbye it is lost."""
    recorder = Recorder()
    script = Script(ending, after=5)
    conversation = Conversation(recorder, "kind", script, 10)
    running = asyncio.ensure_future(conversation.run())
    await asyncio.sleep(2)
    conversation.stop()
    await running
    tally = recorder.tally("kind")
    assert script.opened == 2
    assert tally.failed == (0 if ending is None else 1)
    assert tally.left == tally.resent == (1 if ending is None else 0)
    assert tally.outcomes[Outcome.OK] == tally.requests - tally.failed >= 19


def test_every_error_has_an_outcome() -> None:
    """What nobody has thought of counts as a failure too."""
    assert outcome_of(TimeoutError()) is Outcome.HANG
    assert outcome_of(ConnectionRefusedError()) is Outcome.REFUSED
    assert outcome_of(FileNotFoundError()) is Outcome.REFUSED
    assert outcome_of(BrokenPipeError()) is Outcome.RESET
    assert outcome_of(asyncio.IncompleteReadError(b"", 1)) is Outcome.CUT
    assert outcome_of(ValueError()) is Outcome.ERROR


def test_tallies_travel_between_processes() -> None:
    """With everything that is in them."""
    tally = Tally(Counter({"ok": 2, "hang": 1}), array("d", [0.5, 0.25]), 3, 4)
    assert Tally.from_dict(tally.to_dict()) == tally
    assert tally.failed == 1


def test_a_quantile_is_a_value_that_was_measured() -> None:
    """And 0 where nothing was."""
    assert quantile([], 0.99) == 0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2
    assert quantile([3.0, 1.0, 2.0], 1.0) == 3


def test_the_last_line_is_for_machines_and_the_kind_hit_worst_decides() -> None:
    """The time that restarts add is that of one kind, and not an average of all."""
    found = Found("one process", restarts=3)
    for kind, during in (("fresh", 0.020), ("grpc", 0.050)):
        found.tallies[BASELINE, kind] = Tally(Counter(ok=1), array("d", [0.010]))
        found.tallies[RESTARTS, kind] = Tally(Counter(ok=1, cut=1), array("d", [during]))
    assert last_line([found]) == "restarts=3 requests=6 failed=2 p99_added_ms=40.0"
    assert any(re.search(r"grpc +3 +2 +0 +0 +1 ", line) for line in lines(found))


def test_children_are_found_as_long_as_they_live() -> None:
    """Also by others than their parent."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children(os.getpid())
        assert children(child.pid) == set()
    assert child.pid not in children(os.getpid())
    assert not exists(child.pid)


def test_what_failing_restarts_lost_is_told_apart() -> None:
    """A request that is lost while restarts fail is not hidden among those of good restarts."""
    found = Found("one process")
    found.tallies[RESTARTS, "fresh"] = Tally(Counter({Outcome.OK: 5}))
    found.tallies[FAILING, "fresh"] = Tally(Counter({Outcome.OK: 2, Outcome.RESET: 1}))
    found.tallies[FAILING, ON_THE_WIRE] = Tally(Counter({Outcome.OK: 2}))
    said = "\n".join(lines(found))
    assert "restarts: 0 of 5 requests failed" in said
    assert "restarts that failed: 1 of 3 requests failed" in said
