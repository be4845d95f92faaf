"""What grpcio-tools makes of ``behave.proto``, made when tests run, and servers to run it on."""

import asyncio
import importlib
import sys
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
import msgspec
from grpc_tools import protoc  # type: ignore[import-untyped]

from mainstay import Service
from mainstay.service.settings import Settings
from tests.rpc.grpcio.stock import aio_channel, started


class Generated(NamedTuple):
    """The two modules that the generator writes."""

    messages: Any
    services: Any


@cache
def behave() -> Generated:
    """The modules of ``behave.proto``, unchanged."""
    with tempfile.TemporaryDirectory() as made:
        source = Path(__file__).parent
        arguments = [f"-I{source}", f"--python_out={made}", f"--grpc_python_out={made}"]
        assert protoc.main(["protoc", *arguments, "behave.proto"]) == 0
        sys.path.insert(0, made)
        try:
            messages = importlib.import_module("behave_pb2")
            return Generated(messages, importlib.import_module("behave_pb2_grpc"))
        finally:
            sys.path.remove(made)


def ask(text: str = "", count: int = 0) -> Any:
    """A request."""
    return behave().messages.Ask(text=text, count=count)


def answer(text: Any) -> Any:
    """A reply."""
    return behave().messages.Answer(text=str(text))


def servicer(**methods: Any) -> Any:
    """A servicer with these methods; the others are the generated ones."""
    return type("Behaving", (behave().services.BehaveServicer,), methods)()


def service_with(made: Any, **options: Any) -> Service:
    """A service that answers with a servicer of ``Behave``."""
    service = Service("behave")
    service.add_servicer(behave().services.add_BehaveServicer_to_server, made, **options)
    return service


def settings() -> Settings:
    """Those of a service on a port of its own."""
    default = Settings()
    http = msgspec.structs.replace(default.http, listen=["tcp://127.0.0.1:0"])
    return msgspec.structs.replace(default, http=http)


@asynccontextmanager
async def serving(service: Service, **options: Any) -> AsyncIterator[str]:
    """Run a service; the address is for grpcio's channels."""
    async with service.running(settings=settings(), **options) as running:
        yield running.addresses[0].removeprefix("tcp://")


@asynccontextmanager
async def on_mainstay(made: Any) -> AsyncIterator[str]:
    """Answer with a servicer of ``Behave``, on our server."""
    async with serving(service_with(made)) as address:
        yield address


@asynccontextmanager
async def on_grpc_aio(made: Any) -> AsyncIterator[str]:
    """The same on that of `grpc.aio`."""
    server = grpc.aio.server()
    behave().services.add_BehaveServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    async with started(server):
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def on_grpc(made: Any) -> AsyncIterator[str]:
    """The same on that of `grpc`, in threads."""
    pool = ThreadPoolExecutor(4)
    server = grpc.server(pool)
    behave().services.add_BehaveServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await asyncio.to_thread(server.stop(None).wait)
        pool.shutdown(wait=False)


class Seen(NamedTuple):
    """All that a client learns of a call."""

    code: Any
    details: str
    initial: list[tuple[str, Any]]
    trailing: list[tuple[str, Any]]
    replies: list[str]


METADATA = (("k", "v"), ("k", "w"), ("data-bin", b"\0\xff"))


async def see(address: str, method: str, asks: list[Any], timeout: float | None = None) -> Seen:
    """Call a method with a stock client: of grpc.aio, or of grpc for methods that take a stream.

    That of grpc.aio has a race: when a server ends the call before all requests are written, a write
    on the ended stream may put "Internal error from Core" in the place of the status, according to
    which of the two comes first; with grpc.aio's own server as well.
    """
    if method in ("Gather", "Chat"):
        return await asyncio.to_thread(_see_in_thread, address, method, asks, timeout)
    async with aio_channel(address) as channel:
        stub = behave().services.BehaveStub(channel)
        call = getattr(stub, method)(asks[0], timeout=timeout, metadata=METADATA)
        replies: list[str] = []
        try:
            if method == "Many":
                async for each in call:
                    replies.append(each.text)  # noqa: PERF401 - kept if it fails later
            else:
                replies.append((await call).text)
        except grpc.aio.AioRpcError:
            pass
        return Seen(
            await call.code(),
            await call.details() or "",
            _pairs(await call.initial_metadata()),
            _pairs(await call.trailing_metadata()),
            replies,
        )


def _see_in_thread(address: str, method: str, asks: list[Any], timeout: float | None) -> Seen:
    replies: list[str] = []
    with grpc.insecure_channel(address) as channel:
        multi = getattr(behave().services.BehaveStub(channel), method)
        try:
            if method == "Chat":
                call = multi(iter(asks), timeout=timeout, metadata=METADATA)
                for each in call:
                    replies.append(each.text)  # noqa: PERF401 - kept if it fails later
            else:
                reply, call = multi.with_call(iter(asks), timeout=timeout, metadata=METADATA)
                replies.append(reply.text)
        except grpc.RpcError as error:
            call = error
        return Seen(
            call.code(),
            call.details() or "",
            _pairs(call.initial_metadata()),
            _pairs(call.trailing_metadata()),
            replies,
        )


def _pairs(metadata: Any) -> list[tuple[str, Any]]:
    return sorted((key, value) for key, value in metadata)
