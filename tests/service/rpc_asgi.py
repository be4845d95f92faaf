"""A service of RPC for other servers, which tests start: ``tests.service.rpc_asgi:app``."""

from __future__ import annotations

from typing import Any

from mainstay import Service
from mainstay.errors import NotFound
from mainstay.rpc.method import Kind, MessageType, RpcMethod, RpcService

BYTES = MessageType(name="test.Bytes", python_type=bytes, decode=bytes, encode=bytes)


async def greet(call: Any) -> bytes:
    """Answer with a greeting."""
    if not call.request:
        raise NotFound("nobody is there")
    return b"hello " + bytes(call.request)


async def count(call: Any) -> None:
    """Answer with as many messages as are asked for."""
    for number in range(int(await call.stream.receive())):
        await call.stream.send(b"%d" % number)


def method(name: str, kind: Kind, handler: Any) -> RpcMethod:
    """One of ``test.Greeter``."""
    return RpcMethod(
        service="test.Greeter", name=name, kind=kind, request=BYTES, response=BYTES, handler=handler
    )


service = Service("greeter")
service.declaration.rpc["test.Greeter"] = RpcService(
    name="test.Greeter",
    methods={
        "Greet": method("Greet", Kind.UNARY, greet),
        "Count": method("Count", Kind.SERVER_STREAM, count),
    },
)
app = service.asgi
