"""The server that the conformance suites talk to, in a process of its own: ``serving()``."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from mainstay import Service
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.http.settings import HttpSettings
from mainstay.net.limits import Limits
from mainstay.service.settings import Settings

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
            child.wait(60)


service = Service("conformance")
ANY = ("GET", "POST", "PUT")


@service.route("/echo", methods=ANY)
@service.route("/smuggled", methods=ANY)
async def echo(request: Request) -> Response:
    """The method, the target and the body."""
    body = await request.read()
    target = request.exchange.target.decode("latin-1")
    return Response(f"{request.method} {target} {len(body)} ".encode() + body)


@service.get("/slow")
async def slow(request: Request) -> Response:
    """The same, after a while."""
    await asyncio.sleep(0.05)
    return await echo(request)


@service.get("/nothing")
async def nothing() -> None:
    """No content."""


@service.get("/not-modified")
async def not_modified() -> Response:
    """Not modified."""
    return Response(status=304)


@service.get("/stream")
async def stream() -> AsyncIterator[bytes]:
    """A body of unknown length."""
    for _ in range(10):
        yield b"0123456789"
        await asyncio.sleep(0)


@service.get("/endless")
async def endless() -> AsyncIterator[bytes]:
    """More than any buffer takes."""
    for _ in range(10_000):
        yield b"x" * 65536


async def main() -> None:
    """Serve until standard input ends."""
    limits = Limits(**json.loads(sys.argv[1]))
    settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",), limits=limits))
    async with service.running(settings=settings) as running:
        sys.stdout.write(f"{running.addresses[0]}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
