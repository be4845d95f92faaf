"""How a client's connection of HTTP/2 begins, fails and ends, without any streams."""

import asyncio
from typing import Any

import pytest

from mainstay.net.client_engine import EngineConnection
from mainstay.net.client_http1 import CLOSE_TIMEOUT
from mainstay.net.client_limits import ClientLimits
from mainstay.net.outgoing import Shared
from mainstay.testing.memory import connect_in_memory
from mainstay.wire.http2 import PREFACE, Broken, ErrorCode, Event
from mainstay.wire.http2_guard import Violation


class Connection(EngineConnection):
    """Remembers what it is told."""

    def __init__(self, **limits: Any) -> None:
        shared = Shared(ClientLimits(**limits))
        super().__init__(shared, "the server", None, resets=1, control_frames=1)
        self.taken: list[Event] = []
        self.lost: list[str] = []

    def _take(self, event: Event) -> None:
        self.taken.append(event)

    def _flush(self) -> None:
        self._write()

    def _lose(self, why: str) -> None:
        self.lost.append(why)


class Server(asyncio.Protocol):
    """Takes what comes."""

    def __init__(self) -> None:
        self.data = b""
        self.left = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, error: Exception | None) -> None:
        self.left = True


async def connected(**limits: Any) -> tuple[Connection, Server]:
    made, server = Connection(**limits), Server()
    connect_in_memory(made, server)
    await asyncio.sleep(0)
    return made, server


async def test_it_begins_with_room_for_many_streams() -> None:
    """The preface, and at once windows that follow `read_buffer`: of a stream, and 16 of all."""
    connection, server = await connected(read_buffer=1 << 20)
    await asyncio.sleep(0)
    assert server.data.startswith(PREFACE)
    assert (4).to_bytes(2, "big") + (1 << 20).to_bytes(4, "big") in server.data
    assert ((16 << 20) - 65_535).to_bytes(4, "big") in server.data
    connection._close()
    await connection._wait_closed()


@pytest.mark.parametrize(
    ("error", "code", "message", "reported"),
    [
        (Violation(ErrorCode.ENHANCE_YOUR_CALM, "a flood"), 11, "a flood", 0),
        (LookupError("ours"), 2, "what came could not be handled: LookupError", 1),
    ],
)
async def test_what_cannot_be_handled_breaks_it(
    error: Exception, code: int, message: str, reported: int
) -> None:
    """Whoever's fault it is; the server is told by GOAWAY, and the loop of a fault of ours."""
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    connection, server = await connected()
    connection._give_up(error)
    assert connection.taken == [Broken(code, message)]
    assert [each["exception"] for each in faults] == [error] * reported
    connection._close()
    await connection._wait_closed()
    goaway = bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(4) + code.to_bytes(4, "big")
    assert goaway in server.data


async def test_it_is_gone_in_time_though_the_server_takes_nothing() -> None:
    """What is left is given up after `CLOSE_TIMEOUT`; until then it is not closed."""
    connection, server = await connected()
    server.transport.pause_reading()
    assert connection._transport is not None
    connection._transport.write(bytes(1 << 20))
    connection._close()
    await asyncio.sleep(CLOSE_TIMEOUT / 2)
    assert not connection.closed.done()
    await asyncio.sleep(CLOSE_TIMEOUT)
    assert connection.closed.done()
    assert (server.left, connection.lost) == (True, [""])


async def test_who_waits_for_the_end_waits_no_longer_than_that() -> None:
    """Also when nothing has closed it: a server that does not answer is left."""
    connection, server = await connected()
    begun = asyncio.get_running_loop().time()
    await connection._wait_closed()
    assert asyncio.get_running_loop().time() - begun == CLOSE_TIMEOUT
    await asyncio.sleep(0)
    assert server.left


async def test_why_it_is_gone_is_told() -> None:
    """The words of the system."""
    connection, server = await connected()
    server.transport.abort()
    await connection.closed
    assert connection.lost == ["the peer reset the connection"]
