"""Channels over real sockets: a stock server of grpcio, TLS both ways, Unix sockets; and arguments."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from mainstay.errors import ClosedError, ConfigError, UsageError
from mainstay.net.tls_client import ClientTlsSettings
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.client.failures import (
    DeadlineExceededFailure,
    FailedPreconditionFailure,
    ResourceExhaustedFailure,
    UnavailableFailure,
    UnimplementedFailure,
    UnknownFailure,
)
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.rpc.method import Kind
from tests.net.certificates import Authority, Pair
from tests.rpc.client.world import World, chat, collect, replies, unary
from tests.rpc.grpcio.stock import started

real_loop = pytest.mark.real_loop


class Stock(grpc.GenericRpcHandler):
    """Echoes, counts, upper-cases, fails: a servicer of grpcio."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.sent = 0

    def service(self, details: Any) -> Any:
        """See grpcio."""
        name = details.method.rpartition("/")[2]
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Replies": grpc.unary_stream_rpc_method_handler(self.replies),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }.get(name)

    async def unary(self, request: bytes, context: Any) -> bytes:
        if request == b"fail":
            context.set_trailing_metadata((("x-why", "because"),))
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nö")
        if request == b"raise":
            raise KeyError("x")
        if request == b"wait":
            self.waiting.set()
            try:
                await asyncio.sleep(3600)
            finally:
                self.cancelled.set()
        if request == b"metadata":
            found = dict(context.invocation_metadata())
            await context.send_initial_metadata((("x-head", found["x-a"]),))
            context.set_trailing_metadata((("y-bin", found["y-bin"]),))
        if request == b"compress":
            context.set_compression(grpc.Compression.Gzip)
            return bytes(100_000)
        return request

    async def replies(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            for _ in range(int(request)):
                self.sent += 1
                yield bytes(1000)
        finally:
            self.cancelled.set()

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return b"%d" % sum([len(each) async for each in requests])

    async def chat(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for each in requests:
            yield each.upper()


@asynccontextmanager
async def stock(address: str = "127.0.0.1:0", credentials: Any = None, **options: Any) -> Any:
    """A server of grpcio: its servicer and its port."""
    servicer = Stock()
    server = grpc.aio.server(options=list(options.items()))
    server.add_generic_rpc_handlers((servicer,))
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    async with started(server):
        yield servicer, port


def demanding(authority: Authority, server: Pair) -> Any:
    """Credentials of a server that wants to know who calls."""
    root = Path(authority.path).read_bytes()
    pair = (Path(server.key).read_bytes(), Path(server.certificate).read_bytes())
    return grpc.ssl_server_credentials([pair], root, require_client_auth=True)


@real_loop
async def test_the_four_kinds_with_a_stock_server() -> None:
    """Messages of every size arrive as they were sent."""
    async with stock() as (_, port), Channel(f"tcp://127.0.0.1:{port}") as channel:
        for size in (0, 1, 70_000, 3_000_000):
            assert await unary(channel)(bytes(size)) == bytes(size)
        found = [each async for each in replies(channel)(b"5000")]
        assert len(found) == 5000
        assert await collect(channel)([bytes(1000)] * 2000) == b"2000000"
        asked = [b"a%d" % number for number in range(2000)]
        assert [each async for each in chat(channel)(asked)] == [each.upper() for each in asked]
        async with chat(channel)() as stream:
            for text in (b"x", b"y"):
                await stream.send(text)
                assert await stream.receive() == text.upper()


@real_loop
async def test_failures_of_a_stock_server() -> None:
    """Codes, messages and metadata come as the server meant them."""
    async with stock() as (_, port), Channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(FailedPreconditionFailure) as caught:
            await unary(channel)(b"fail")
        assert caught.value.message == "nö"
        assert ("x-why", "because") in caught.value.trailing_metadata
        with pytest.raises(UnknownFailure):
            await unary(channel)(b"raise")
        with pytest.raises(UnimplementedFailure):
            await channel.method_at("/test.Service/Nope", Kind.UNARY)(b"")
        with pytest.raises(ResourceExhaustedFailure):
            await unary(channel)(bytes(5_000_000))
        assert await unary(channel)(b"and on") == b"and on"


@real_loop
async def test_metadata_and_compression_with_a_stock_server() -> None:
    """Both ways, binary too."""
    async with stock() as (_, port), Channel(f"127.0.0.1:{port}") as channel:
        given = {"x-a": "1", "y-bin": b"\0\xff"}
        reply = await unary(channel).with_metadata(b"metadata", metadata=given)
        assert ("x-head", "1") in reply.initial_metadata
        assert ("y-bin", b"\0\xff") in reply.trailing_metadata
        assert await unary(channel)(b"compress", compression="gzip") == bytes(100_000)
        assert await unary(channel)(b"z" * 50_000, compression="deflate") == b"z" * 50_000


@real_loop
async def test_deadline_and_cancellation_reach_a_stock_server() -> None:
    """Its handler is cancelled, once a call has got that far before its time was over."""
    async with stock() as (servicer, port), Channel(f"127.0.0.1:{port}") as channel:
        seconds = 0.1
        while not servicer.waiting.is_set():
            with pytest.raises(DeadlineExceededFailure):
                await unary(channel)(b"wait", timeout=seconds)
            seconds *= 4
        await servicer.cancelled.wait()
        servicer.cancelled.clear()
        async with replies(channel)(b"1000000000") as stream:
            await stream.receive()
        await servicer.cancelled.wait()


@real_loop
async def test_a_slow_reader_holds_a_stock_server() -> None:
    """It sends what the windows and its own buffers take, and no more."""
    limits = ChannelLimits(window=65_536)
    async with (
        stock() as (servicer, port),
        Channel(f"127.0.0.1:{port}", limits=limits) as channel,
        replies(channel)(b"1000000") as stream,
    ):
        for _ in range(10):
            await stream.receive()
        sent = -1
        while sent != servicer.sent:
            sent = servicer.sent
            # Calls of others, so that there is time for the server to go on if it could.
            for _ in range(50):
                await unary(channel)(b"x")
        assert servicer.sent < 1000


@real_loop
async def test_a_hundred_calls_at_a_server_that_allows_ten() -> None:
    """All are answered; none is refused."""
    options: dict[str, Any] = {"grpc.max_concurrent_streams": 10}
    async with (
        stock(**options) as (_, port),
        Channel(f"127.0.0.1:{port}", connections=1) as channel,
    ):
        calls = [unary(channel)(b"%d" % number) for number in range(100)]
        assert await asyncio.gather(*calls) == [b"%d" % number for number in range(100)]
        assert channel.statistics().connections == 1


@real_loop
async def test_tls_with_certificates_on_both_sides(tmp_path: Path) -> None:
    """The server's is checked, ours is shown; without ours the server refuses."""
    authority = Authority(tmp_path)
    server, client = authority.issue("localhost"), authority.issue("me", file="client")
    credentials = demanding(authority, server)
    settings = ClientTlsSettings(
        ca=authority.path,
        certificate=client.certificate,
        key=client.key,
        server_name="localhost",
    )
    async with stock("127.0.0.1:0", credentials) as (_, port):
        async with Channel(f"tls://127.0.0.1:{port}", tls=settings) as channel:
            assert await unary(channel)(b"x") == b"x"
        anonymous = ClientTlsSettings(ca=authority.path, server_name="localhost")
        async with Channel(f"tls://127.0.0.1:{port}", tls=anonymous) as channel:
            with pytest.raises(UnavailableFailure):
                await unary(channel)(b"x")
        stranger = ClientTlsSettings(ca=authority.path, server_name="elsewhere")
        async with Channel(f"tls://127.0.0.1:{port}", tls=stranger) as channel:
            with pytest.raises(UnavailableFailure, match="not trusted"):
                await unary(channel)(b"x")


@real_loop
async def test_a_unix_socket(tmp_path: Path) -> None:
    """By its path."""
    path = tmp_path / "rpc.sock"
    async with stock(f"unix:{path}"), Channel(f"unix:{path}") as channel:
        assert await unary(channel)(b"x") == b"x"


@real_loop
async def test_certificates_that_are_missing(tmp_path: Path) -> None:
    """Are a fault of the configuration, also for who waits for ready."""
    settings = ClientTlsSettings(ca=str(tmp_path / "none.pem"))
    async with Channel("tls://127.0.0.1:1", tls=settings) as channel:
        with pytest.raises(ConfigError, match=r"none\.pem"):
            await unary(channel)(b"x", wait_for_ready=True)


@real_loop
async def test_nobody_listens() -> None:
    """UNAVAILABLE, with the address."""
    async with Channel("unix:/nonexistent/socket") as channel:
        with pytest.raises(UnavailableFailure, match="/nonexistent/socket"):
            await unary(channel)(b"x")


async def test_arguments_that_cannot_be() -> None:
    """Are refused when the channel is made."""
    with pytest.raises(UsageError, match="connections=0"):
        Channel("host:1", connections=0)
    with pytest.raises(UsageError, match="one of host:port"):
        Channel("nothing")
    assert Channel("host:1", tls=True).origin.scheme == "https"


async def test_a_closed_channel() -> None:
    """Takes no calls; closing it again does nothing, and neither does closing one never used."""
    world = World()
    channel = world.channel()
    assert channel.statistics().connections == 0
    await channel.close()
    await channel.aclose()
    with pytest.raises(ClosedError, match="the channel was closed"):
        await unary(channel)(b"x")
    assert repr(channel) == "<Channel http://there:1 connections=0 streams=0>"


@real_loop
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"])
async def test_what_speaks_no_http2_is_told_as_that(said: bytes) -> None:
    """As an HTTP server that was meant by mistake, or one that wants TLS."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(UnavailableFailure) as caught:
                await unary(channel)(b"x", timeout=60)
    assert "perhaps this is no gRPC server, or wants TLS (tls=True)" in caught.value.message


def test_a_channel_stays_on_its_loop() -> None:
    """In a second `asyncio.run` it says what to do, instead of failing somewhere inside."""
    world = World()
    channel = world.channel()

    async def call() -> None:
        assert await unary(channel)(b"x") == b"x"

    asyncio.run(call())
    with pytest.raises(UsageError, match=r"another event loop.* make one in each asyncio\.run\(\)"):
        asyncio.run(call())


async def test_metadata_that_is_no_text_is_refused() -> None:
    """Where it is given, by name."""
    metadata: Any = {"x-foo": 1}
    async with World().channel() as channel:
        with pytest.raises(UsageError, match="'x-foo' is str: int"):
            await unary(channel)(b"x", metadata=metadata)
