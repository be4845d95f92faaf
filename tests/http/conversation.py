"""A WebSocket call in memory: a handler on one side, a peer played by the test on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mainstay.core.call import Middleware, chain
from mainstay.core.metadata import Peer
from mainstay.core.scope import Scope
from mainstay.http.call import HttpCall
from mainstay.http.response import Response
from mainstay.http.route import Route
from mainstay.http.websocket_handler import WebSocketPlan
from mainstay.http.websocket_options import WebSocketOptions
from mainstay.net.limits import Limits
from mainstay.testing.exchange import MemoryExchange, MemoryTunnel
from mainstay.wire.websocket import Closed, WebSocketWire
from mainstay.wire.websocket_handshake import offer, read_agreement

KEY = b"0123456789abcdef"
SOON = 0.01
"""Seconds of virtual time in which everything settles that does not wait."""


class Conversation:
    """The peer's side of one call; `answer` is what the outermost handler gave or raised."""

    def __init__(self, exchange: MemoryExchange, call: HttpCall, scope: Scope) -> None:
        self.exchange = exchange
        self.call = call
        self.scope = scope
        self.wire = WebSocketWire(client=True, max_size=None)
        self.answer: asyncio.Task[Response] | None = None

    @property
    def tunnel(self) -> MemoryTunnel:
        tunnel = self.exchange.tunnel
        assert tunnel is not None, "it was not accepted"
        return tunnel

    @property
    def held_back(self) -> bool:
        return self.tunnel.paused

    @property
    def stream(self) -> Any:
        return self.call.stream

    def agree(self) -> None:
        """Take the server's answer to the handshake, with the compression it agrees to."""
        key = KEY if self.exchange.version == "1.1" else b""
        _, extension = read_agreement(self.exchange.reply.fields, key, ["chat", "superchat"])
        self.wire = WebSocketWire(client=True, max_size=None, extension=extension)

    def say(self, *messages: str | bytes) -> None:
        for message in messages:
            self.wire.send(message)
        self.tunnel.feed(self.wire.data_to_send())

    def goodbye(self, code: int = 1000, reason: str = "") -> None:
        self.wire.close(code, reason)
        self.tunnel.feed(self.wire.data_to_send())

    def vanish(self) -> None:
        """The connection breaks, as connections tell it: first the tunnel, then `gone`."""
        self.tunnel.feed(b"")
        self.exchange.leave()

    async def hears(self) -> Any:
        """The next message or news, answered as a good client does; None when there is none."""
        await asyncio.sleep(SOON)
        data = self.tunnel.take()
        if data:
            self.wire.receive_data(data)
        event = self.wire.next_event()
        answer = self.wire.data_to_send()
        if answer:
            self.tunnel.feed(answer)
        return event

    async def hears_goodbye(self) -> tuple[int, str]:
        event = await self.hears()
        assert isinstance(event, Closed), event
        return event.code, event.reason

    async def done(self) -> Response:
        assert self.answer is not None
        return await self.answer


@asynccontextmanager
async def talking(
    function: Callable[..., Any],
    *,
    options: WebSocketOptions | None = None,
    limits: Limits | None = None,
    fields: Sequence[tuple[bytes, bytes]] | None = None,
    more: Sequence[tuple[bytes, bytes]] = (),
    middleware: Sequence[Middleware] = (),
    arguments: dict[str, Any] | None = None,
    version: str = "1.1",
    protocol: str = "websocket",
    detached: bool = False,
) -> AsyncIterator[Conversation]:
    """Call `function` as the handler of a WebSocket route; at the end the call has ended."""
    asked = offer(KEY, ["chat"]) if fields is None else fields
    exchange = MemoryExchange(
        fields=[*asked, *more], protocol=protocol, version=version, peer=Peer("memory")
    )
    plan = WebSocketPlan(function, options)
    plan.limits = limits or Limits()
    route = Route(path="/talk", function=function, kind="websocket", detached=detached)
    scope = Scope("call")
    call = HttpCall("websocket", route.method_name, scope, exchange, route, {})
    handler = chain([plan.serve, *middleware], plan.handler(lambda call: arguments or {}))
    conversation = Conversation(exchange, call, scope)

    async def answer() -> Response:
        with scope:
            return await handler(call)  # type: ignore[no-any-return]

    conversation.answer = asyncio.create_task(answer())
    if not detached:
        exchange.gone = call.left
    await asyncio.sleep(SOON)
    if exchange.tunnel is not None:
        conversation.agree()
    yield conversation
    if not conversation.answer.done():
        scope.cancel("the test is over")
    await asyncio.wait([conversation.answer])
    if conversation.answer.exception() is None:
        await asyncio.sleep(60)  # every timer that is left
