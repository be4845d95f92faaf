"""The server that the conformance suites talk to, in a process of its own: ``serving()``."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from mainstay import Service
from mainstay.http.app import HttpApplication
from mainstay.http.call import HttpCall
from mainstay.http.endpoint import Endpoint
from mainstay.http.response import Response
from mainstay.http.router import Router
from mainstay.http.server import HttpServer
from mainstay.net.limits import Limits

__all__ = ["serving"]

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def serving(**limits: float) -> Iterator[tuple[str, int]]:
    """Run it with these limits, and tell where it listens."""
    command = [sys.executable, "-m", "tests.conformance.program", json.dumps(limits)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        try:
            address = child.stdout.readline().decode().strip().removeprefix("tcp://")
            host, _, port = address.rpartition(":")
            yield host, int(port)
            assert child.poll() is None, "the server has ended"
        finally:
            assert child.stdin is not None
            child.stdin.close()  # tells it to end
            child.wait(10)


async def echo(call: HttpCall) -> Response:
    """The method, the target and the body."""
    body = await call.request.read()
    target = call.exchange.target.decode("latin-1")
    return Response(f"{call.exchange.method} {target} {len(body)} ".encode() + body)


async def slow(call: HttpCall) -> Response:
    """The same, after a while."""
    await asyncio.sleep(0.05)
    return await echo(call)


async def nothing(call: HttpCall) -> Response:
    """No content."""
    return Response(status=204)


async def not_modified(call: HttpCall) -> Response:
    """Not modified."""
    return Response(status=304)


async def stream(call: HttpCall) -> Response:
    """A body of unknown length."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"0123456789"
            await asyncio.sleep(0)

    return Response(parts())


async def endless(call: HttpCall) -> Response:
    """More than any buffer takes."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 65536

    return Response(parts())


async def main() -> None:
    """Serve until standard input ends."""
    router: Router[Endpoint] = Router()
    endpoints = []
    routes: dict[str, Any] = {
        "/echo": echo,
        "/smuggled": echo,
        "/slow": slow,
        "/nothing": nothing,
        "/not-modified": not_modified,
        "/stream": stream,
        "/endless": endless,
    }
    for path, handler in routes.items():
        for method in ("GET", "POST", "PUT"):
            endpoint = Endpoint(f"{method} {path}", handler)
            endpoints.append(endpoint)
            router.add(method, path, endpoint)
    service = Service("conformance")
    limits = Limits(**json.loads(sys.argv[1]))
    application = HttpApplication(router, endpoints)
    service.add_server(HttpServer(["tcp://127.0.0.1:0"], application, limits=limits))
    async with service.running() as running:
        sys.stdout.write(f"{running.addresses[0]}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
