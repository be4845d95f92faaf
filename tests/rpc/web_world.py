"""Methods behind exchanges in memory, called as browsers call them, in virtual time."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from mainstay.core.call import Handler
from mainstay.core.scope import Scope
from mainstay.core.wheel import Wheel
from mainstay.net.limits import Limits
from mainstay.net.port import Port
from mainstay.rpc.app import RpcApplication
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.method import Kind, MessageType, RpcMethod
from mainstay.rpc.settings import RpcSettings
from mainstay.testing import virtual_effects
from mainstay.testing.exchange import MemoryExchange
from mainstay.wire.envelopes import EnvelopeReader
from tests.rpc.grpc_world import BYTES, Nobody


def _from_json(data: bytes) -> bytes:
    return str(json.loads(data)).encode()


def _to_json(message: Any) -> bytes:
    return json.dumps(message.decode()).encode()


TEXT = MessageType(
    name="test.Text",
    python_type=bytes,
    decode=BYTES.decode,
    encode=BYTES.encode,
    from_json=_from_json,
    to_json=_to_json,
)
"""Messages that are strings in JSON."""


class WebWorld:
    """A server with methods of ``test.Service`` named after their kinds, such as ``/test.Service/Unary``.

    Args:
        answer: the handler of all.
        settings: of RPC.
        message: the type of every message.
        timeout: seconds, of a unary call without a limit.
        limits: of the port.
    """

    def __init__(
        self,
        answer: Handler,
        settings: RpcSettings | None = None,
        *,
        message: MessageType = TEXT,
        timeout: float | None = None,
        **limits: Any,
    ) -> None:
        self.nobody = Nobody()
        self.endpoints = {
            name: RpcEndpoint(
                RpcMethod(
                    service="test.Service",
                    name=name,
                    kind=kind,
                    request=message,
                    response=message,
                    idempotent=name == "Ask",
                ),
                answer,
            )
            for name, kind in KINDS.items()
        }
        made = RpcApplication(
            list(self.endpoints.values()), settings or RpcSettings(), self.nobody, timeout
        )
        self.app = made
        loop: Any = asyncio.get_running_loop()
        scope = Scope("calls", parent=None, effects=virtual_effects(loop)).open()
        clock = scope.effects.clock
        wheel = Wheel(loop, clock.monotonic)
        self.port = Port(made, Limits(**limits), wheel, clock.monotonic, clock.time)
        made.open(self.port, scope, _no_handler)

    def begin(
        self,
        name: str,
        content_type: str = "",
        body: bytes = b"",
        *fields: tuple[str, str],
        method: str = "POST",
        version: str = "2",
        chunks: Sequence[bytes] | None = None,
    ) -> MemoryExchange:
        """A call that may not have ended."""
        head = [*fields, ("content-type", content_type)] if content_type else fields
        exchange = MemoryExchange(
            method, f"/test.Service/{name}", head, body, version=version, chunks=chunks
        )
        asyncio.get_running_loop().call_soon(self.app.begin, exchange)
        return exchange

    async def call(
        self,
        name: str,
        content_type: str = "",
        body: bytes = b"",
        *fields: tuple[str, str],
        **rest: Any,
    ) -> Any:
        """The reply to a whole call, when it has ended."""
        exchange = self.begin(name, content_type, body, *fields, **rest)
        await asyncio.wait_for(exchange.wait_finished(), 10)
        return exchange.reply


KINDS = {
    "Unary": Kind.UNARY,
    "Ask": Kind.UNARY,
    "Server": Kind.SERVER_STREAM,
    "Client": Kind.CLIENT_STREAM,
    "Bidi": Kind.BIDI,
}
"""``Ask`` changes nothing."""


def envelopes(body: bytes) -> list[tuple[int, bytes]]:
    """Flags and bytes of the messages in a body."""
    reader = EnvelopeReader(1 << 30, 0xFF)
    reader.feed(body)
    found = []
    while (each := reader.next()) is not None:
        found.append(each)
    assert not reader.pending
    return found


async def _no_handler(call: Any) -> Any:
    raise AssertionError("methods have handlers of their own")
