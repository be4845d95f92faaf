"""Frames of our WebSockets, and messages of another server."""

from __future__ import annotations

import asyncio

from mainstay.http.asgi.tunnel import AsgiTunnel
from mainstay.http.asgi.types import Message
from mainstay.wire.websocket import Closed, WebSocketWire


class Ends:
    """A tunnel between our side of a WebSocket and what the other server is told."""

    def __init__(self, bound: int = 1000) -> None:
        self.said: list[Message | None] = []
        self.ours = WebSocketWire(max_size=None)
        self.tunnel = AsgiTunnel(self.said.append, self._room, bound)
        self.tunnel.listen(self.ours.receive_data)

    async def _room(self) -> None:
        """There is always room."""

    def write(self) -> None:
        self.tunnel.write(self.ours.data_to_send())


async def test_what_we_send_becomes_messages() -> None:
    """Text and bytes, in order."""
    ends = Ends()
    ends.ours.send("text")
    ends.ours.send(b"bytes")
    ends.write()
    assert ends.said == [
        {"type": "websocket.send", "text": "text"},
        {"type": "websocket.send", "bytes": b"bytes"},
    ]


async def test_messages_of_the_peer_arrive_as_frames() -> None:
    """As if it had sent them over a connection."""
    ends = Ends()
    await ends.tunnel.deliver("hello")
    await asyncio.sleep(0)
    assert ends.ours.next_event() == "hello"


async def test_our_goodbye_is_told_once_and_answered() -> None:
    """With its code and reason; then there is nothing more."""
    ends = Ends()
    ends.ours.close(4000, "bye")
    ends.write()
    ends.tunnel.close()
    await asyncio.sleep(0)
    close = {"type": "websocket.close", "code": 4000, "reason": "bye"}
    assert ends.said == [close, None]
    event = ends.ours.next_event()
    assert isinstance(event, Closed)
    assert event.code == 4000


async def test_the_goodbye_of_the_peer_is_heard() -> None:
    """Also one without a code, and a leaving without a goodbye."""
    for code, heard, clean in [(4001, 4001, True), (1005, 1000, True), (1006, 1006, False)]:
        ends = Ends()
        ends.tunnel.end(code, "")
        await asyncio.sleep(0)
        event = ends.ours.next_event()
        assert isinstance(event, Closed)
        assert (event.code, event.clean) == (heard, clean)
        assert ends.said == [None]


async def test_a_ping_of_ours_is_answered_on_the_spot() -> None:
    """The other server has pings of its own."""
    ends = Ends()
    ends.ours.ping(b"x")
    ends.write()
    await asyncio.sleep(0)
    assert ends.ours.next_event() is not None
    assert ends.said == []


async def test_the_peer_waits_while_nobody_reads() -> None:
    """From the bound on; reading lets it go on."""
    ends = Ends(bound=10)
    ends.tunnel.pause()
    waiting = asyncio.ensure_future(ends.tunnel.deliver("a longer message"))
    await asyncio.sleep(1)
    assert not waiting.done()
    ends.tunnel.resume()
    await waiting
    assert ends.ours.next_event() == "a longer message"
