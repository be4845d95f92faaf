"""A port whose connections are kept in memory, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mainstay.core.wheel import Wheel
from mainstay.net.exchange import Exchange
from mainstay.net.limits import Limits
from mainstay.net.port import Port
from tests.net.serving import App

EPOCH = 784_111_777.25
"""Sun, 06 Nov 1994 08:49:37 GMT and a quarter of a second; RFC 9110's example."""


def make_port(answer: Callable[[Exchange], Any], **limits: Any) -> Port:
    """A port whose clock is that of the running loop."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop, loop.time)
    return Port(App(answer), Limits(**limits), wheel, loop.time, lambda: EPOCH + loop.time())


class Peer(asyncio.Protocol):
    """The other end: what it was sent, and how the connection ended."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = ""
        self.ended_at = 0.0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = "closed" if exc is None else "reset"
        self.ended_at = asyncio.get_running_loop().time()
