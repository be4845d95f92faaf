"""The server under test of connectrpc's conformance suite: run by its runner, once a configuration.

What it is to listen for comes by standard input, and where it listens goes to standard output; each
with its length before it, four bytes, big-endian.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvloop

from mainstay import Service
from mainstay.errors import Code, EndOfStream, RpcError
from mainstay.http.settings import HttpSettings
from mainstay.net.tls import TlsSettings
from mainstay.rpc.call import Pairs
from mainstay.rpc.protobuf import service_of
from mainstay.rpc.settings import RpcSettings
from mainstay.service.settings import Settings
from tests.conformance.connect_messages import SERVICE, messages, packed, server

Info = messages.ConformancePayload.RequestInfo


def pairs(headers: Any) -> Pairs:
    """Metadata as the suite describes it."""
    return [(each.name, value) for each in headers for value in each.value]


def info_of(call: Any, requests: list[Any]) -> Any:
    """What has arrived."""
    info = Info(requests=[packed(each) for each in requests])
    values: dict[str, list[str]] = {}
    for name, value in call.exchange.fields:
        values.setdefault(name.decode(), []).append(value.decode("latin-1"))
    for name, found in values.items():
        info.request_headers.add(name=name, value=found)
    if call.limit() is not None:
        info.timeout_ms = round((call.scope.remaining() or 0) * 1000)
    query = call.exchange.target.partition(b"?")[2].decode()
    if query:
        for name, value in parse_qsl(query, keep_blank_values=True):
            info.connect_get_info.query_params.add(name=name, value=[value])
    return info


def error_of(error: Any, *details: Any) -> RpcError:
    """The failure that the suite wants."""
    return RpcError(Code(error.code), error.message, details=[*error.details, *details])


async def answer_once(call: Any, definition: Any, requests: list[Any]) -> Any:
    """A payload, or the failure; with the metadata that were asked for."""
    info = info_of(call, requests)
    if definition is None:
        return messages.ConformancePayload(request_info=info)
    call.initial_metadata.extend(pairs(definition.response_headers))
    call.trailing_metadata.extend(pairs(definition.response_trailers))
    await asyncio.sleep(definition.response_delay_ms / 1000)
    if definition.WhichOneof("response") == "error":
        raise error_of(definition.error, info)
    return messages.ConformancePayload(data=definition.response_data, request_info=info)


def definition_of(request: Any) -> Any:
    """What the request says about the reply, if it does."""
    return request.response_definition if request.HasField("response_definition") else None


async def unary(call: Any) -> Any:
    """See the suite's ``service.proto``; so for those that follow."""
    payload = await answer_once(call, definition_of(call.request), [call.request])
    return messages.UnaryResponse(payload=payload)


async def idempotent_unary(call: Any) -> Any:
    payload = await answer_once(call, definition_of(call.request), [call.request])
    return messages.IdempotentUnaryResponse(payload=payload)


async def unimplemented(call: Any) -> Any:
    raise RpcError(Code.UNIMPLEMENTED, "as its name says")


async def received(call: Any) -> AsyncIterator[Any]:
    while True:
        try:
            yield await call.stream.receive()
        except EndOfStream:
            return


async def client_stream(call: Any) -> None:
    requests = [each async for each in received(call)]
    definition = definition_of(requests[0]) if requests else None
    payload = await answer_once(call, definition, requests)
    await call.stream.send(messages.ClientStreamResponse(payload=payload))


async def begin(call: Any, definition: Any) -> None:
    call.initial_metadata.extend(pairs(definition.response_headers))
    call.trailing_metadata.extend(pairs(definition.response_trailers))
    if definition.response_data:
        await call.stream.open()


async def server_stream(call: Any) -> None:
    request = await call.stream.receive()
    definition = definition_of(request)
    if definition is None:
        return
    await begin(call, definition)
    info = info_of(call, [request])
    for number, data in enumerate(definition.response_data):
        await asyncio.sleep(definition.response_delay_ms / 1000)
        payload = messages.ConformancePayload(data=data, request_info=None if number else info)
        await call.stream.send(messages.ServerStreamResponse(payload=payload))
    if definition.HasField("error"):
        raise error_of(definition.error, *([] if definition.response_data else [info]))


class Bidi:
    """One call of BidiStream."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.definition: Any = None
        self.full_duplex = False
        self.requests: list[Any] = []
        self.sent = 0

    async def run(self) -> None:
        """Answer it."""
        first = True
        async for request in received(self.call):
            self.requests.append(request)
            if first:
                first = False
                self.definition = definition_of(request)
                self.full_duplex = request.full_duplex
                if self.definition is not None and self.full_duplex:
                    await begin(self.call, self.definition)
            if self.full_duplex:
                if not self.left:
                    break
                await self.send()
                self.requests = []
        definition = self.definition
        if definition is None:
            return
        if not self.full_duplex:
            await begin(self.call, definition)
        while self.left:
            await self.send()
        if definition.HasField("error"):
            details = [] if self.sent else [info_of(self.call, self.requests)]
            raise error_of(definition.error, *details)

    @property
    def left(self) -> int:
        """Replies to be sent."""
        return 0 if self.definition is None else len(self.definition.response_data) - self.sent

    async def send(self) -> None:
        """The next reply."""
        info = None
        if not self.sent:
            info = info_of(self.call, self.requests)
        elif self.full_duplex and self.requests:
            info = Info(requests=[packed(each) for each in self.requests])
        await asyncio.sleep(self.definition.response_delay_ms / 1000)
        data = self.definition.response_data[self.sent]
        payload = messages.ConformancePayload(data=data, request_info=info)
        await self.call.stream.send(messages.BidiStreamResponse(payload=payload))
        self.sent += 1


async def bidi_stream(call: Any) -> None:
    """See `Bidi`."""
    await Bidi(call).run()


HANDLERS = {
    "Unary": unary,
    "IdempotentUnary": idempotent_unary,
    "Unimplemented": unimplemented,
    "ClientStream": client_stream,
    "ServerStream": server_stream,
    "BidiStream": bidi_stream,
}


def settings_of(request: Any, folder: Path) -> Settings:
    """The configuration that the suite wants, with its certificates in files."""
    tls = None
    if request.use_tls:
        (folder / "cert.pem").write_bytes(request.server_creds.cert)
        (folder / "key.pem").write_bytes(request.server_creds.key)
        (folder / "client.pem").write_bytes(request.client_tls_cert)
        tls = TlsSettings(
            certificate=str(folder / "cert.pem"),
            key=str(folder / "key.pem"),
            client_ca=str(folder / "client.pem") if request.client_tls_cert else None,
            client_auth="required" if request.client_tls_cert else "none",
        )
    return Settings(
        http=HttpSettings(listen=("tcp://127.0.0.1:0",), tls=tls),
        rpc=RpcSettings(
            compression="gzip",
            compress_from=0,
            receive_size=request.message_receive_limit or 4 * 1024 * 1024,
        ),
    )


async def main() -> None:
    """Serve until the runner ends it."""
    size = int.from_bytes(sys.stdin.buffer.read(4), "big")
    request = server.ServerCompatRequest.FromString(sys.stdin.buffer.read(size))
    service = Service("conformance")
    described = service_of(SERVICE)
    for name, handler in HANDLERS.items():
        described.methods[name].handler = handler
    service.declaration.rpc[described.name] = described
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(request, Path(folder))
        async with service.running(settings=settings) as running:
            host, _, port = running.addresses[0].partition("://")[2].rpartition(":")
            reply = server.ServerCompatResponse(
                host=host, port=int(port), pem_cert=request.server_creds.cert
            ).SerializeToString()
            sys.stdout.buffer.write(len(reply).to_bytes(4, "big") + reply)
            sys.stdout.buffer.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
