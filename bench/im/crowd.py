"""Idle clients: signed in, greeted, and silent."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench.im.layouts import Chat
from bench.im.town import Person

__all__ = ["Weight", "weigh"]

GIB: Final = 1 << 30
FIRST: Final = 500
"""Clients that come before anything is weighed: what the first ones make is not for each."""

SETTLE: Final = 4.0
"""Seconds of silence before each look: the arrivals have to be told, and their lease renewed."""

HELLO: Final = b'{"type":"hello","cursor":0}'
PING: Final = 0x9
OPENING: Final = 64
"""Clients that open at the same time."""


@dataclass(frozen=True)
class Weight:
    """Memory of the gateway.

    Attributes:
        clients: that were weighed.
        empty: bytes without any.
        each: bytes for one.
    """

    clients: int
    empty: int
    each: float

    @property
    def per_gib(self) -> int:
        """Clients of a gateway that has a GiB, its own memory included."""
        return int((GIB - self.empty) / self.each)


def weigh(chat: Chat, inhabitants: Sequence[Person]) -> Weight:
    """Let all come, the fields of a browser with each, and see what they take."""
    empty = chat.memory(chat.gateway)
    with ExitStack() as stack:
        clients = _Clients(chat.port, stack)
        clients.come(inhabitants[:FIRST])
        clients.wait(SETTLE)
        before = chat.memory(chat.gateway)
        clients.come(inhabitants[FIRST:])
        clients.wait(SETTLE)
        after = chat.memory(chat.gateway)
    count = len(inhabitants) - FIRST
    return Weight(count, empty, (after - before) / count)


class _Clients:
    """Open WebSockets, whose pings are answered."""

    def __init__(self, port: int, stack: ExitStack) -> None:
        self._port = port
        self._stack = stack
        self._open = stack.enter_context(selectors.DefaultSelector())

    def come(self, inhabitants: Sequence[Person]) -> None:
        """Open one for each, and wait for its welcome."""
        for at in range(0, len(inhabitants), OPENING):
            group = [self._opened(each) for each in inhabitants[at : at + OPENING]]
            for each in group:
                received = b""
                while b'{"type":"welcome"' not in received:
                    part = each.recv(65536)
                    if not part:
                        raise ConnectionError(f"a client was not welcome: {received!r}")
                    received += part
                each.setblocking(False)
                self._open.register(each, selectors.EVENT_READ)
            self.wait(0)

    def _opened(self, person: Person) -> socket.socket:
        one = self._stack.enter_context(
            socket.create_connection(("127.0.0.1", self._port), timeout=60)
        )
        one.sendall(_request(person.token) + _frame(0x1, HELLO))
        return one

    def wait(self, seconds: float) -> None:
        """Let time pass; answer what comes."""
        until = time.monotonic() + seconds
        while ready := self._open.select(max(0.0, until - time.monotonic())):
            for key, _ in ready:
                one = key.fileobj
                assert isinstance(one, socket.socket)
                received = one.recv(65536)
                if not received:
                    raise ConnectionError("an idle client was sent away")
                if received[0] & 0xF == PING:
                    one.sendall(_frame(0xA, received[2 : 2 + (received[1] & 0x7F)]))
            if time.monotonic() >= until:
                break


def _frame(opcode: int, payload: bytes) -> bytes:
    """A short frame of a client (RFC 6455 §5.2), masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def _request(token: str) -> bytes:
    """As Chromium asks for a WebSocket."""
    return (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
        "Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n"
        "Upgrade: websocket\r\nOrigin: http://127.0.0.1\r\nSec-WebSocket-Version: 13\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
        f"Cookie: im_session={token}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    ).encode()
