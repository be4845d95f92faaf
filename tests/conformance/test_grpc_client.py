"""Our client against the interop server of grpc-go: the cases of grpc/grpc,
doc/interop-test-descriptions.md, by their names; and against ours, which knows compression."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
import trustme

from mainstay.errors import EndOfStream
from mainstay.net.tls_client import ClientTlsSettings
from mainstay.rpc import Channel, Kind
from mainstay.rpc.client.failures import (
    CancelledFailure,
    DeadlineExceededFailure,
    UnimplementedFailure,
    UnknownFailure,
)
from mainstay.rpc.protobuf import message_type
from tests.conformance.interop_messages import BUILT, DESCRIPTORS, message, pool
from tests.conformance.interop_program import INITIAL, TRAILING, serving_interop

pytestmark = [
    pytest.mark.skipif(
        not DESCRIPTORS.exists(), reason="scripts/conformance-grpc builds the server, with Go"
    ),
    pytest.mark.real_loop(timeout=240),
]

SERVER: Final = BUILT / "interop-server"
LISTENING: Final = re.compile(r"interop server listening on .*:(\d+)$")
SERVICE: Final = "grpc.testing.TestService"

REQUESTS: Final = (27_182, 8, 1_828, 45_904)
REPLIES: Final = (31_415, 9, 2_653, 58_979)
LARGE_REQUEST: Final = 271_828
LARGE_REPLY: Final = 314_159

MESSAGE: Final = "test status message"
SPECIAL: Final = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
INITIAL_VALUE: Final = "test_initial_metadata_value"
TRAILING_VALUE: Final = b"\xab\xab\xab"
ECHOED: Final = ((INITIAL, INITIAL_VALUE), (TRAILING, TRAILING_VALUE))


@contextmanager
def serving_go(*options: str) -> Iterator[tuple[str, int]]:
    """Run grpc-go's server on a free port, which its log says."""
    command = [str(SERVER), "--port=0", *options]
    environment = {**os.environ, "GRPC_GO_LOG_SEVERITY_LEVEL": "info"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stderr is not None
        try:
            said = (LISTENING.search(line) for line in child.stderr)
            port = next(int(found[1]) for found in said if found)
            # Whoever does not read the rest stops the server in the end.
            reader = Thread(target=child.stderr.read)
            reader.start()
            yield "localhost", port
            assert child.poll() is None, "the server has ended"
        finally:
            child.kill()
    reader.join()


@pytest.fixture(scope="module", params=["grpc-go", "mainstay"])
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    serve = serving_go if request.param == "grpc-go" else serving_interop
    with serve() as (host, port):
        yield f"tcp://{host}:{port}"


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    with serving_interop() as (host, port):
        yield f"tcp://{host}:{port}"


def called(channel: Channel, name: str, service: str = SERVICE) -> Any:
    """One method of a channel, such as ``UnaryCall``."""
    method = pool().FindServiceByName(service).FindMethodByName(name)
    return channel.method_at(
        f"/{service}/{name}",
        Kind((method.client_streaming, method.server_streaming)),
        message_type(message(method.input_type.name)).encode,
        message_type(message(method.output_type.name)).decode,
    )


def unary_request(**fields: Any) -> Any:
    return message("SimpleRequest")(
        response_size=LARGE_REPLY, payload={"body": bytes(LARGE_REQUEST)}, **fields
    )


def output_request(sizes: tuple[int, ...], body: int = 0, **fields: Any) -> Any:
    parameters = [{"size": size} for size in sizes]
    return message("StreamingOutputCallRequest")(
        response_parameters=parameters, payload={"body": bytes(body)}, **fields
    )


def size(reply: Any) -> int:
    return len(reply.payload.body)


async def test_empty_unary(target: str) -> None:
    """Zero bytes are a message."""
    async with Channel(target) as channel:
        assert await called(channel, "EmptyCall")(message("Empty")()) == message("Empty")()


async def test_large_unary(target: str) -> None:
    """More than a window each way."""
    async with Channel(target) as channel:
        assert size(await called(channel, "UnaryCall")(unary_request())) == LARGE_REPLY


async def test_client_streaming(target: str) -> None:
    """Four messages there, one back."""

    async def requests() -> AsyncIterator[Any]:
        for each in REQUESTS:
            yield message("StreamingInputCallRequest")(payload={"body": bytes(each)})

    async with Channel(target) as channel:
        reply = await called(channel, "StreamingInputCall")(requests())
        assert reply.aggregated_payload_size == sum(REQUESTS)


async def test_server_streaming(target: str) -> None:
    """One message there, four back."""
    async with Channel(target) as channel:
        replies = called(channel, "StreamingOutputCall")(output_request(REPLIES))
        assert tuple([size(reply) async for reply in replies]) == REPLIES


async def test_ping_pong(target: str) -> None:
    """Each reply comes before the next request goes."""
    async with Channel(target) as channel, called(channel, "FullDuplexCall")() as stream:
        for there, back in zip(REQUESTS, REPLIES, strict=True):
            await stream.send(output_request((back,), there))
            assert size(await stream.receive()) == back
        await stream.done_sending()
        with pytest.raises(EndOfStream):
            await stream.receive()


async def test_empty_stream(target: str) -> None:
    """No message there, none back, and success."""
    async with Channel(target) as channel, called(channel, "FullDuplexCall")() as stream:
        await stream.done_sending()
        with pytest.raises(EndOfStream):
            await stream.receive()


async def test_timeout_on_sleeping_server(target: str) -> None:
    """The deadline is ours, whatever the server does."""
    async with Channel(target) as channel:
        await channel.wait_ready()
        async with called(channel, "FullDuplexCall")(timeout=0.001) as stream:
            with pytest.raises(DeadlineExceededFailure):
                await stream.send(output_request((), 27_182))
                await stream.receive()


async def test_cancel_after_begin(target: str) -> None:
    """Before a message was sent."""
    async with Channel(target) as channel:
        stream = called(channel, "StreamingInputCall")()
        stream.cancel()
        with pytest.raises(CancelledFailure):
            await stream.reply()


async def test_cancel_after_first_response(target: str) -> None:
    """In the middle of a conversation; the connection serves the next call."""
    async with Channel(target) as channel:
        stream = called(channel, "FullDuplexCall")()
        await stream.send(output_request((31_415,), 27_182))
        assert size(await stream.receive()) == 31_415
        stream.cancel()
        with pytest.raises(CancelledFailure):
            await stream.receive()
        await called(channel, "EmptyCall")(message("Empty")())
        assert channel.statistics().connections == 1


@pytest.mark.parametrize("text", [MESSAGE, SPECIAL], ids=["plain", "special"])
async def test_status_code_and_message(target: str, text: str) -> None:
    """Of unary calls and of streams, in Unicode and with line ends (special_status_message)."""
    status = {"code": 2, "message": text}
    async with Channel(target) as channel:
        with pytest.raises(UnknownFailure) as caught:
            await called(channel, "UnaryCall")(message("SimpleRequest")(response_status=status))
        assert caught.value.message == text
        async with called(channel, "FullDuplexCall")() as stream:
            await stream.send(output_request((), response_status=status))
            await stream.done_sending()
            with pytest.raises(UnknownFailure) as caught:
                await stream.receive()
        assert caught.value.message == text


async def test_custom_metadata(target: str) -> None:
    """What is sent comes back, text with the head and bytes with the status."""
    async with Channel(target) as channel:
        request = message("SimpleRequest")(response_size=1, payload={"body": b"x"})
        found = await called(channel, "UnaryCall").with_metadata(request, metadata=ECHOED)
        assert (INITIAL, INITIAL_VALUE) in found.initial_metadata
        assert (TRAILING, TRAILING_VALUE) in found.trailing_metadata
        async with called(channel, "FullDuplexCall")(metadata=ECHOED) as stream:
            await stream.send(output_request((1,), 1))
            await stream.done_sending()
            assert [size(reply) async for reply in stream] == [1]
            assert (INITIAL, INITIAL_VALUE) in await stream.initial_metadata()
            assert (TRAILING, TRAILING_VALUE) in stream.trailing_metadata


@pytest.mark.parametrize("service", [SERVICE, "grpc.testing.UnimplementedService"])
async def test_unimplemented_method_and_service(target: str, service: str) -> None:
    """A failure with a class of its own."""
    async with Channel(target) as channel:
        with pytest.raises(UnimplementedFailure):
            await called(channel, "UnimplementedCall", service)(message("Empty")())


@pytest.mark.parametrize("how", ["gzip", "deflate"])
async def test_compressed_unary_and_streaming(ours: str, how: str) -> None:
    """Requests of the channel, and replies one by one as they are asked for."""
    async with Channel(ours, compression=how) as channel:
        unary = called(channel, "UnaryCall")
        for compressed in (True, False):
            request = unary_request(response_compressed={"value": compressed})
            assert size(await unary(request)) == LARGE_REPLY
            assert size(await unary(request, compression="identity")) == LARGE_REPLY
        request = message("StreamingOutputCallRequest")(
            response_parameters=[
                {"size": 31_415, "compressed": {"value": True}},
                {"size": 92_653, "compressed": {"value": False}},
            ]
        )
        replies = called(channel, "StreamingOutputCall")(request)
        assert [size(reply) async for reply in replies] == [31_415, 92_653]


async def test_many_calls_keep_their_connection(target: str) -> None:
    """Servers of gRPC answer DATA with pings, to learn how much is on its way: no flood."""
    async with Channel(target) as channel:
        unary = called(channel, "UnaryCall")
        request = message("SimpleRequest")(response_size=1_000, payload={"body": bytes(5_000)})

        async def repeat() -> None:
            for _ in range(500):
                assert size(await unary(request)) == 1_000

        await asyncio.gather(*(repeat() for _ in range(10)))
        assert channel.statistics().connections == 1


def test_tls(tmp_path: Path) -> None:
    """The server proves who it is, and speaks HTTP/2 by ALPN."""
    authority = trustme.CA()
    proof = authority.issue_cert("localhost")
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    proof.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(each.bytes() for each in proof.cert_chain_pems))
    root = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(root)
    options = ("--use_tls", f"--tls_cert_file={chain}", f"--tls_key_file={key}")

    async def call(port: int) -> int:
        tls = ClientTlsSettings(ca=str(root))
        async with Channel(f"tls://localhost:{port}", tls=tls) as channel:
            return size(await called(channel, "UnaryCall")(unary_request()))

    with serving_go(*options) as (_, port):
        assert asyncio.run(call(port)) == LARGE_REPLY
