"""Sessions by WebSocket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from examples.im import api
from examples.im.api import Logic
from examples.im.frames import ClientFrame
from examples.im.gateway.guards import OPENING
from examples.im.gateway.hub import Hub
from examples.im.gateway.outgoing import Outgoing
from examples.im.gateway.patience import patiently
from examples.im.gateway.session import PARTING, Session
from examples.im.gateway.signing import signed_in_by, token_of
from mainstay.errors import Error, Unauthenticated
from mainstay.http import Routes, WebSocket, WebSocketOptions

log = logging.getLogger(__name__)

sockets = Routes()

OPTIONS: Final = WebSocketOptions(
    max_size=64 * 1024,  # of a frame: a message of 4,000 characters, however JSON writes them
    compress=False,  # costs more memory for each client than all the rest
    farewell=PARTING + 1,
    close_timeout=3.0,  # for the answer to our goodbye: who does not read holds no drain
)


class SocketClient:
    """See `session.Client`."""

    __slots__ = ("_socket",)

    def __init__(self, socket: WebSocket[ClientFrame, str]) -> None:
        self._socket = socket

    def receive(self) -> Coroutine[Any, Any, ClientFrame]:
        """See `session.Client`."""
        return self._socket.receive()

    def send(self, outgoing: Outgoing) -> Coroutine[Any, Any, None]:
        """See `session.Client`."""
        return self._socket.send(outgoing.text)

    def send_nowait(self, outgoing: Outgoing) -> bool:
        """See `session.Client`."""
        return self._socket.send_nowait(outgoing.text)

    def close(self, code: int, reason: str) -> Coroutine[Any, Any, None]:
        """See `session.Client`."""
        return self._socket.close(code, reason)


@sockets.websocket("/ws", socket=OPTIONS)
async def talk(socket: WebSocket[ClientFrame, str], hub: Hub, logic: Logic) -> None:
    """Frames of `frames`, as JSON. Who is not signed in is told so by a close code, since a page
    does not learn why its WebSocket was not accepted."""
    await socket.open()
    token = api.Token(token_of(socket.request))
    try:
        found = await patiently(lambda: logic.who(token), hub.settings.patience)
    except Unauthenticated:
        await socket.close(4001, "sign in first")
    except Error as error:
        log.info("a client was sent away, as nobody knows whose token it has: %r", error)
        await socket.close(1013, "not now")
    else:
        if hub.rates_of(found.account.id).asks.take(asyncio.get_running_loop().time(), OPENING):
            await socket.close(1013, "not so fast")
        else:
            await Session(hub, logic, signed_in_by(found), SocketClient(socket)).run()
