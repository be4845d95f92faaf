"""The client under test of connectrpc's conformance suite: our `Channel`, calling its server.

Calls to be made come by standard input, and what became of them goes to standard output; each with
its length before it, four bytes, big-endian.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop

from mainstay.errors import ClosedError, EndOfStream
from mainstay.net.tls_client import ClientTls, ClientTlsSettings
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.client.failures import RpcFailed
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.rpc.protobuf import service_of
from tests.conformance.connect_messages import SERVICE, client, config, messages

METHODS = service_of(SERVICE).methods
COMPRESSIONS = {
    config.COMPRESSION_GZIP: "gzip",
    config.COMPRESSION_DEFLATE: "deflate",
    config.COMPRESSION_IDENTITY: None,
}
AT_A_TIME = 16


def headers(pairs: Iterable[tuple[str, str | bytes]]) -> list[Any]:
    """Metadata as the suite wants it."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value if isinstance(value, str) else value.hex())
    return [messages.Header(name=name, value=values) for name, values in found.items()]


class Calling:
    """One call.

    Args:
        wanted: a ``ClientCompatRequest``.
    """

    def __init__(self, wanted: Any) -> None:
        self.wanted = wanted
        self.result = client.ClientResponseResult()
        self.requests = []
        for each in wanted.request_messages:
            request = METHODS[wanted.method].request.python_type()
            each.Unpack(request)
            self.requests.append(request)
        self.timing = wanted.cancel.WhichOneof("cancel_timing") if wanted.HasField("cancel") else ""
        if wanted.HasField("cancel") and self.timing is None:
            self.timing = "after_close_send_ms"

    async def run(self, folder: Path) -> Any:
        """Make it."""
        wanted = self.wanted
        tls: Any = False
        if wanted.server_tls_cert:
            tls = tls_of(wanted, folder)
        limits = ChannelLimits(
            compress_from=1,
            receive_size=wanted.message_receive_limit or 4 * 1024 * 1024,
        )
        compression = COMPRESSIONS[wanted.compression]
        target = f"{wanted.host}:{wanted.port}"
        async with Channel(target, tls=tls, limits=limits, compression=compression) as channel:
            method = channel.method(METHODS[wanted.method])
            options: dict[str, Any] = {
                "metadata": [
                    (each.name, value) for each in wanted.request_headers for value in each.value
                ]
            }
            if wanted.HasField("timeout_ms"):
                options["timeout"] = wanted.timeout_ms / 1000
            try:
                if wanted.method in ("Unary", "IdempotentUnary", "Unimplemented"):
                    await self.unary(method, options)
                else:
                    await self.stream(method, options)
            except RpcFailed as error:
                self.fail(error)
        return self.result

    async def unary(self, method: Any, options: Any) -> None:
        """One request, one reply."""
        call = asyncio.ensure_future(method.with_metadata(self.requests[0], **options))
        if self.timing == "after_close_send_ms":
            await asyncio.sleep(self.wanted.cancel.after_close_send_ms / 1000)
            call.cancel()
        try:
            reply = await call
        except asyncio.CancelledError:
            self.result.error.code = config.CODE_CANCELED
            return
        self.take(reply.message)
        self.result.response_headers.extend(headers(reply.initial_metadata))
        self.result.response_trailers.extend(headers(reply.trailing_metadata))

    async def stream(self, method: Any, options: Any) -> None:
        """Any other kind."""
        if self.wanted.method == "ServerStream":
            stream = method(self.requests[0], **options)
        else:
            stream = method(**options)
        async with stream:
            try:
                await self.converse(stream)
            finally:
                wire = stream.wire
                if not self.result.response_headers:
                    self.result.response_headers.extend(headers(wire.initial_metadata))
                self.result.response_trailers.extend(headers(wire.trailing_metadata))

    async def converse(self, stream: Any) -> None:
        """Send, receive, and leave when it is time."""
        wanted = self.wanted
        full = wanted.stream_type == config.STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM
        if wanted.method != "ServerStream":
            for number, request in enumerate(self.requests):
                await asyncio.sleep(wanted.request_delay_ms / 1000)
                try:
                    await stream.send(request)
                except (ClosedError, RpcFailed):
                    self.result.num_unsent_requests = len(self.requests) - number
                    break
                if full and not await self.receive(stream):
                    break
            if self.timing == "before_close_send":
                stream.cancel()
            else:
                await stream.done_sending()
        if self.timing == "after_close_send_ms":
            await asyncio.sleep(wanted.cancel.after_close_send_ms / 1000)
            stream.cancel()
        if wanted.method == "ClientStream":
            self.take(await stream.only_reply())
            return
        while await self.receive(stream):
            pass

    async def receive(self, stream: Any) -> bool:
        """The next reply; whether there was one."""
        try:
            self.take(await stream.receive())
        except EndOfStream:
            return False
        enough = self.wanted.cancel.after_num_responses
        if self.timing == "after_num_responses" and len(self.result.payloads) == enough:
            stream.cancel()
        return True

    def take(self, reply: Any) -> None:
        """A reply."""
        self.result.payloads.append(reply.payload)

    def fail(self, error: RpcFailed) -> None:
        """What the call failed with."""
        result = self.result
        result.error.code = error.code.value
        result.error.message = error.message
        status = error.to_message()
        if status is not None:
            result.error.details.extend(status.details)
        if not result.response_headers:
            result.response_headers.extend(headers(error.initial_metadata))
        if not result.response_trailers:
            result.response_trailers.extend(headers(error.trailing_metadata))


def tls_of(wanted: Any, folder: Path) -> ClientTls:
    """Whom to trust, and who we are; by way of files."""
    name = str(id(wanted))
    ca = folder / f"{name}.ca"
    ca.write_bytes(wanted.server_tls_cert)
    certificate = key = None
    if wanted.HasField("client_tls_creds"):
        certificate, key = folder / f"{name}.cert", folder / f"{name}.key"
        certificate.write_bytes(wanted.client_tls_creds.cert)
        key.write_bytes(wanted.client_tls_creds.key)
    settings = ClientTlsSettings(
        ca=str(ca),
        certificate=None if certificate is None else str(certificate),
        key=None if key is None else str(key),
    )
    return ClientTls(settings, alpn=("h2",))


def read(stdin: Any) -> bytes | None:
    """The next request, or None at the end."""
    size = stdin.read(4)
    return stdin.read(int.from_bytes(size, "big")) if size else None


async def main() -> None:
    """Make all the calls that are asked for."""
    room = asyncio.Semaphore(AT_A_TIME)
    loop = asyncio.get_running_loop()

    async def make(wanted: Any, folder: Path) -> None:
        answer = client.ClientCompatResponse(test_name=wanted.test_name)
        try:
            answer.response.CopyFrom(await Calling(wanted).run(folder))
        except Exception as error:
            answer.error.message = repr(error)
        finally:
            room.release()
        data = answer.SerializeToString()
        sys.stdout.buffer.write(len(data).to_bytes(4, "big") + data)
        sys.stdout.buffer.flush()

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with asyncio.TaskGroup() as group:
            while data := await loop.run_in_executor(None, read, sys.stdin.buffer):
                await room.acquire()
                group.create_task(make(client.ClientCompatRequest.FromString(data), folder))


if __name__ == "__main__":
    uvloop.run(main())
