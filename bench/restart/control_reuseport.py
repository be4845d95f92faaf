"""A server as many are restarted: its own socket with SO_REUSEPORT, closed when it is told to end.

It stands still for a moment at times, as every process does (a collection, a slow callback). Then
connections wait in its queue, and die with its socket. Says ``ready`` when it listens.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from typing import Final

from bench.restart.processes import wait_until

__all__ = ["STALL", "main"]

STALL: Final = 0.1
"""Seconds for which it stands still before it ends."""

BODY: Final = json.dumps({"pid": os.getpid(), "value": 0}).encode()


class Connection(asyncio.Protocol):
    """Answers every request the same; the load sends each in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        open_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer, and close if either side wants that."""
        close = b"connection: close" in data or leaving.is_set()
        farewell = b"connection: close\r\n" if close else b""
        self.transport.write(
            b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (farewell, len(BODY), BODY)
        )
        if close:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        open_connections.discard(self)


open_connections: set[Connection] = set()
leaving = asyncio.Event()


async def main(port: int) -> None:
    """Serve until SIGTERM, then take half a second to let clients go."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(1024)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, sock=listening)
    loop.add_signal_handler(signal.SIGTERM, leaving.set)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await leaving.wait()
    time.sleep(STALL)  # noqa: ASYNC251 - that is what it shows
    server.close()
    await wait_until(lambda: not open_connections, 0.5)
    for connection in list(open_connections):
        connection.transport.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
