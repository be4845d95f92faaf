"""A service under servers of others: real processes of uvicorn and hypercorn."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from mainstay import Service
from mainstay.errors import UsageError
from tests.unseen import listen

ROOT = Path(__file__).parents[2]
SERVERS = {
    "uvicorn": ["uvicorn", "--fd", "{fd}", "tests.service.hello_asgi:app"],
    "hypercorn": ["hypercorn", "--bind", "fd://{fd}", "tests.service.hello_asgi:app"],
}


@asynccontextmanager
async def served(server: str) -> AsyncIterator[tuple[str, int, list[str]]]:
    """Host and port of the service under `server`, and what it printed, whole at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    words = [each.format(fd=listener.fileno()) for each in SERVERS[server]]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        pass_fds=[listener.fileno()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed: list[str] = []
    try:
        yield host, port, printed
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()
        printed += output.decode().splitlines()
        listener.close()


async def ask(host: str, port: int, path: str, method: str = "GET", body: bytes = b"") -> Any:
    """Status and body of an answer."""
    reader, writer = await asyncio.open_connection(host, port)
    head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    answer, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), rest


@pytest.mark.real_loop(timeout=120)
@pytest.mark.parametrize("server", SERVERS)
async def test_a_service_runs_under_another_server(server: str) -> None:
    """Routes, parameters, uploads, streams, WebSockets, problems and the docs; resources open and
    close with the server."""
    async with served(server) as (host, port, printed), asyncio.timeout(90):
        assert await ask(host, port, "/hello/a%20b?excited=yes") == (
            200,
            f"hello a b! from {host}".encode(),
        )
        assert await ask(host, port, "/size", "POST", b"x" * 1_000_000) == (200, b"1000000")
        status, body = await ask(host, port, "/numbers")
        assert (status, body.count(b"data: ")) == (200, 3)
        status, body = await ask(host, port, "/hello/x?excited=perhaps")
        assert (status, b"/query/excited" in body) == (422, True)
        assert (await ask(host, port, "/nothing"))[0] == 404
        assert (await ask(host, port, "/docs"))[0] == 200
        async with connect(f"ws://{host}:{port}/echo", proxy=None) as client:
            await client.send("hi")
            assert await client.recv() == "HI"
    text = "\n".join(printed)
    assert printed.count("opened") == printed.count("closed") == 1, text
    assert "Traceback" not in text, text


async def test_a_service_without_a_lifespan_says_what_is_wrong() -> None:
    """Nothing was opened, so nothing can be answered."""
    with pytest.raises(UsageError, match="lifespan"):
        await Service("hello").asgi({"type": "http"}, _never, _never)


async def test_a_start_that_fails_is_told() -> None:
    """With the message of the service."""
    service = Service("hello")
    said: list[Any] = []

    @service.on_start
    async def fail() -> None:
        raise RuntimeError("no database")

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        said.append(message)

    with pytest.raises(Exception, match="no database"):
        await service.asgi({"type": "lifespan"}, receive, send)
    (message,) = said
    assert message["type"] == "lifespan.startup.failed"
    assert "no database" in message["message"]


async def _never(*args: Any) -> Any:
    raise AssertionError


async def test_a_server_that_fails_to_say_when_to_stop_has_said_it() -> None:
    """The service stops, and nobody complains of an exception."""
    complaints = listen()
    said: list[str] = []
    heard = 0

    async def receive() -> Any:
        nonlocal heard
        heard += 1
        if heard > 1:
            raise RuntimeError("the server is gone")
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        said.append(message["type"])

    await Service("hello").asgi({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert complaints() == []
