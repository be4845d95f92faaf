"""Facts about `mainstay.service.stopping`: what a peer of HTTP/2 hears first."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hpack import Encoder

from mainstay import Scope, Service, Settings
from mainstay.http import HttpSettings

HEADERS, SETTINGS, GOAWAY = 1, 4, 7
END_STREAM = 1
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/feed")]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, int, int]:
    """Kind, flags and stream of the next one."""
    head = await asyncio.wait_for(reader.readexactly(9), 60)
    await reader.readexactly(int.from_bytes(head[:3]))
    return head[3], head[4], int.from_bytes(head[5:])


@pytest.mark.real_loop
async def test_a_peer_is_told_to_leave_before_its_stream_ends() -> None:
    """Otherwise it would open the next one on a connection that is about to close, and lose it:
    grpcio does, when its retries are off."""
    service = Service("s")

    @service.get("/feed")
    async def feed(scope: Scope) -> AsyncIterator[bytes]:
        yield b"one"
        await scope.wait_draining()

    settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))
    async with service.running(settings=settings) as running:
        port = int(running.addresses[0].rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
        writer.write(frame(HEADERS, END_STREAM | 4, 1, Encoder().encode(GET)))
        while (await read_frame(reader))[::2] != (0, 1):
            pass
        running.stop()
        finished = asyncio.ensure_future(running.finish())
        heard: list[tuple[int | str, int]] = []
        while not heard or heard[-1] != ("end", 1):
            kind, flags, stream = await read_frame(reader)
            ended = kind in (0, HEADERS) and flags & END_STREAM
            heard.append(("end", stream) if ended else (kind, stream))
        assert (GOAWAY, 0) in heard
        writer.close()
        await finished
