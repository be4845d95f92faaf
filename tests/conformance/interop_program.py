"""A server of ``grpc.testing.TestService``, in a process of its own: ``serving_interop()``.

What its methods do is said in grpc/grpc, doc/interop-test-descriptions.md.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvloop

from mainstay import Call, Service
from mainstay.core.call import messages
from mainstay.errors import Code, InvalidRequest, RpcError
from mainstay.http.settings import HttpSettings
from mainstay.net.tls import TlsSettings
from mainstay.rpc.call import RpcCall
from mainstay.rpc.framed import FramedCall
from mainstay.rpc.method import Kind, RpcMethod, RpcService
from mainstay.rpc.protobuf import message_type
from mainstay.service.settings import Settings
from mainstay.wire.grpc import decode_binary
from tests.conformance.interop_messages import message, pool
from tests.conformance.program import ROOT

__all__ = ["INITIAL", "TRAILING", "serving_interop"]

INITIAL: Final = "x-grpc-test-echo-initial"
TRAILING: Final = "x-grpc-test-echo-trailing-bin"


@contextmanager
def serving_interop(*listen: str, **environment: str) -> Iterator[tuple[str, int]]:
    """Run it, and tell where it listens first; with TLS if INTEROP_CERTIFICATE names a file."""
    command = [sys.executable, "-m", "tests.conformance.interop_program"]
    command += listen or ["tcp://127.0.0.1:0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
    ) as child:
        assert child.stdout is not None
        try:
            address = child.stdout.readline().decode().strip().partition("://")[2]
            host, _, port = address.rpartition(":")
            yield host, int(port)
            assert child.poll() is None, "the server has ended"
        finally:
            assert child.stdin is not None
            child.stdin.close()  # tells it to end
            child.wait(60)


def echo(call: RpcCall) -> None:
    """Send the two fields of metadata back."""
    metadata = call.scope.metadata
    initial = metadata.get(INITIAL)
    if initial is not None:
        call.initial_metadata.append((INITIAL, initial))
    trailing = metadata.get(TRAILING)
    if trailing is not None:
        call.trailing_metadata.append((TRAILING, decode_binary(trailing)))


def refuse(request: Any) -> None:
    """Fail with the status that the request asks for."""
    status = request.response_status
    if status.code:
        raise RpcError(Code(status.code), status.message)


def payload(size: int) -> Any:
    """So many zeros."""
    if size < 0:
        raise InvalidRequest(f"a reply cannot have {size} bytes")
    return message("Payload")(body=bytes(size))


def compress(call: Call, request: Any, field: str) -> None:
    """Compress the next message or not, as the request says."""
    if request.HasField(field):
        assert isinstance(call, FramedCall)
        if call.compression is None:
            call.set_compression("gzip")
        call.compress_next = getattr(request, field).value


async def empty_call(call: Any) -> Any:
    return message("Empty")()


async def unary_call(call: Any) -> Any:
    request = call.request
    echo(call)
    refuse(request)
    compress(call, request, "response_compressed")
    reply = message("SimpleResponse")(payload=payload(request.response_size))
    if request.fill_server_id:
        reply.server_id = str(os.getpid())
    return reply


async def replies(call: Call, request: Any) -> AsyncIterator[Any]:
    for parameters in request.response_parameters:
        if parameters.interval_us:
            await asyncio.sleep(parameters.interval_us / 1e6)
        compress(call, parameters, "compressed")
        yield message("StreamingOutputCallResponse")(payload=payload(parameters.size))


async def streaming_output_call(call: Any) -> None:
    async for reply in replies(call, await call.stream.receive()):
        await call.stream.send(reply)


async def streaming_input_call(call: Any) -> None:
    total = 0
    async for request in messages(call.stream):
        total += len(request.payload.body)
    await call.stream.send(message("StreamingInputCallResponse")(aggregated_payload_size=total))


async def full_duplex_call(call: Any) -> None:
    echo(call)
    async for request in messages(call.stream):
        refuse(request)
        async for reply in replies(call, request):
            await call.stream.send(reply)


async def half_duplex_call(call: Any) -> None:
    requests = [request async for request in messages(call.stream)]
    for request in requests:
        async for reply in replies(call, request):
            await call.stream.send(reply)


HANDLERS: Final[dict[str, Callable[[Any], Any]]] = {
    "EmptyCall": empty_call,
    "UnaryCall": unary_call,
    "CacheableUnaryCall": unary_call,
    "StreamingOutputCall": streaming_output_call,
    "StreamingInputCall": streaming_input_call,
    "FullDuplexCall": full_duplex_call,
    "HalfDuplexCall": half_duplex_call,
}
"""`UnimplementedCall` is left out, as its name says."""


def declared() -> RpcService:
    """The service, without a word about its definition from a user's point of view."""
    name = "grpc.testing.TestService"
    found = RpcService(name=name)
    for method in pool().FindServiceByName(name).methods:
        if method.name in HANDLERS:
            found.methods[method.name] = RpcMethod(
                service=name,
                name=method.name,
                kind=Kind((method.client_streaming, method.server_streaming)),
                request=message_type(message(method.input_type.name)),
                response=message_type(message(method.output_type.name)),
                handler=HANDLERS[method.name],
            )
    return found


def held() -> dict[str, int]:
    """What the process holds now."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "memory": resident * os.sysconf("SC_PAGE_SIZE"),
        "objects": len(gc.get_objects()),
    }


async def sample() -> dict[str, int]:
    """See `tests.conformance.grpc_soak`."""
    return held()


async def main() -> None:
    """Serve until standard input ends."""
    service = Service("interop")
    service.get("/sample")(sample)
    service.declaration.rpc["grpc.testing.TestService"] = declared()
    certificate = os.environ.get("INTEROP_CERTIFICATE")
    tls = None if certificate is None else TlsSettings(certificate=certificate)
    settings = Settings(http=HttpSettings(listen=tuple(sys.argv[1:]), tls=tls))
    async with service.running(settings=settings) as running:
        sys.stdout.write(f"{running.addresses[0]}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
