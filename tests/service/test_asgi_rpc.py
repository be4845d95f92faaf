"""RPC under servers of others: what needs no trailers works under each, and gRPC where it can."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from mainstay.wire.envelopes import TRAILERS, seal
from tests.service.test_asgi import SERVERS, served

RPC = {
    name: [each.replace("hello_asgi", "rpc_asgi") for each in words]
    for name, words in SERVERS.items()
}


async def post(host: str, port: int, path: str, content_type: str, body: bytes) -> Any:
    """Status, head and body of an answer over HTTP/1.1."""
    reader, writer = await asyncio.open_connection(host, port)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n"
        f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer.lower(), rest


@pytest.mark.real_loop(timeout=120)
@pytest.mark.parametrize("server", RPC)
async def test_connect_and_grpc_web_work_under_another_server(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP/1.1, where no trailers can be sent; gRPC is refused, and the log says why, once."""
    monkeypatch.setitem(SERVERS, server, RPC[server])
    async with served(server) as (host, port, printed), asyncio.timeout(90):
        status, _, body = await post(host, port, "/test.Greeter/Greet", "application/proto", b"you")
        assert (status, body) == (200, b"hello you")
        status, _, body = await post(host, port, "/test.Greeter/Greet", "application/proto", b"")
        assert (status, b'"nobody is there"' in body) == (404, True)
        web = "application/grpc-web"
        _, _, body = await post(host, port, "/test.Greeter/Count", web, seal(b"2"))
        assert seal(b"1") in body
        assert seal(b"grpc-status: 0\r\n", TRAILERS) in body
        for _ in range(2):
            status, head, _ = await post(
                host, port, "/test.Greeter/Greet", "application/grpc", seal(b"you")
            )
            assert (status, b"grpc-status: 12" in head) == (505, True)
    assert sum("http.response.trailers" in line for line in printed) == 1


@pytest.mark.real_loop(timeout=120)
async def test_grpc_works_under_a_server_that_sends_trailers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client of grpcio over hypercorn's HTTP/2."""
    monkeypatch.setitem(SERVERS, "hypercorn", RPC["hypercorn"])
    async with served("hypercorn") as (host, port, _), asyncio.timeout(90):
        await asyncio.to_thread(call_with_grpcio, f"{host}:{port}")


def call_with_grpcio(target: str) -> None:
    """What a stock client sees."""
    with grpc.insecure_channel(target) as channel:
        greet: Any = channel.unary_unary("/test.Greeter/Greet")
        assert greet(b"you", timeout=60, wait_for_ready=True) == b"hello you"
        count: Any = channel.unary_stream("/test.Greeter/Count")
        assert list(count(b"100", timeout=60)) == [b"%d" % number for number in range(100)]
        with pytest.raises(grpc.RpcError) as failure:
            greet(b"", timeout=60)
        error: Any = failure.value
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "nobody is there")
