"""The load generator: a process of its own, told by lines on its input.

``phase NAME`` begins to count under another name, ``burst`` sends the long calls now, ``lost`` asks
how many requests have failed so far, ``end`` stops; then what was counted is written as one line of
JSON. Bursts that are not over when the next one is
asked for go on beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from bench.restart.endpoint import Endpoint
from bench.restart.http1 import Http1, KeptConnections
from bench.restart.http2 import Http2Connections
from bench.restart.outcomes import Outcome, Recorder
from bench.restart.pace import Load, Pace, attempt
from bench.restart.tap import Tap

__all__ = ["PARTS", "QUICK", "main"]

PARTS: Final = ("http1", "rest", "grpc")
"""What one generator may be asked for: HTTP/1.1 alone, all else but gRPC, and gRPC."""

ON_THE_WIRE: Final = "grpc-wire"
"""The calls of gRPC as the `Tap` has seen them."""

QUICK: Final = ("fresh", "keep-alive", "http2", "grpc")
"""The kinds whose time is compared with and without restarts."""

Request = Callable[[], Awaitable[None]]


class Lasting(Protocol):
    """What goes on until it is stopped."""

    async def run(self) -> None:
        """Go on."""

    def stop(self) -> None:
        """End soon."""


class Generator:
    """Everything that one process sends.

    Args:
        endpoint: of the service.
        parts: some of `PARTS`.
        factor: of all rates.
    """

    def __init__(self, endpoint: Endpoint, parts: Sequence[str], factor: float) -> None:
        self.recorder = Recorder()
        self._lasting: list[Lasting] = []
        self._long: list[tuple[str, Request]] = []
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self._bursts: set[asyncio.Task[None]] = set()
        self._factor = factor
        if "http1" in parts:
            self._plan_http1(endpoint)
        if "rest" in parts:
            self._plan_rest(endpoint)
        if "grpc" in parts:
            self._plan_grpc(endpoint)

    def _at(self, kind: str, rate: float, request: Request) -> None:
        self._lasting.append(Pace(self.recorder, Load(kind, rate * self._factor, request)))

    def _plan_http1(self, endpoint: Endpoint) -> None:
        self._at("fresh", 80, Http1(endpoint, self.recorder).fresh)
        kept = KeptConnections(endpoint, self.recorder, "keep-alive")
        self._at("keep-alive", 60, kept.request)
        self._closing.append(kept.aclose)

    def _plan_rest(self, endpoint: Endpoint) -> None:
        from bench.restart.held import (  # noqa: PLC0415 - not for every part
            Conversation,
            Feed,
            WebSocketTalk,
        )

        many = Http2Connections(endpoint, self.recorder, "http2")
        self._at("http2", 60, many.request)
        self._closing.append(many.aclose)
        http1 = Http1(endpoint, self.recorder)
        self._long += [
            *[("slow", http1.slow)] * 3,
            *[("stream", http1.stream)] * 2,
            *[("upload", http1.upload)] * 2,
        ]
        self._lasting += [
            Conversation(self.recorder, "websocket", WebSocketTalk(endpoint), 10),
            Feed(endpoint, self.recorder),
        ]

    def _plan_grpc(self, endpoint: Endpoint) -> None:
        from bench.restart.grpc import Grpc  # noqa: PLC0415 - grpcio takes long to import
        from bench.restart.held import Conversation, GrpcTalk  # noqa: PLC0415

        calls = Grpc(endpoint, self.recorder)
        self._at("grpc", 40, calls.unary)
        self._long += [*[("grpc-slow", calls.slow)] * 2, *[("grpc-stream", calls.count)] * 2]
        self._lasting.append(Conversation(self.recorder, "grpc-talk", GrpcTalk(calls), 10))
        self._closing.append(calls.aclose)

    def burst(self) -> None:
        """Send every long call now."""
        loop = asyncio.get_running_loop()
        for kind, request in self._long:
            task = loop.create_task(attempt(self.recorder, kind, loop.time(), request), name=kind)
            self._bursts.add(task)
            task.add_done_callback(self._bursts.discard)

    async def run(self, commands: asyncio.StreamReader) -> None:
        """Send until told to end, and return when everything has its outcome."""
        tasks = [asyncio.ensure_future(each.run()) for each in self._lasting]
        while command := (await commands.readline()).decode().split():
            if command[0] == "phase":
                self.recorder.phase = command[1]
            elif command[0] == "burst":
                self.burst()
            elif command[0] == "lost":
                print(sum(each.failed for each in self.recorder.tallies.values()), flush=True)
            else:
                break
        for each in self._lasting:
            each.stop()
        await asyncio.wait([*tasks, *self._bursts])
        for task in tasks:
            task.result()
        for aclose in self._closing:
            await aclose()


async def _main(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    endpoint = Endpoint.from_text(options.endpoint, options.authority)
    tap = Tap(endpoint) if "grpc" in options.parts else None
    if tap is not None:
        endpoint = await tap.open()
    generator = Generator(endpoint, options.parts, options.factor)
    await generator.run(commands)
    if tap is not None:
        await tap.aclose()
        outcomes = generator.recorder.tally(ON_THE_WIRE, "all").outcomes
        outcomes[Outcome.OK] = tap.opened - tap.lost
        outcomes[Outcome.CUT] = tap.lost
    print(json.dumps(generator.recorder.to_dict()), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a generator."""
    parser = argparse.ArgumentParser(prog="python -m bench.restart.load", description=__doc__)
    parser.add_argument("endpoint", help="PORT or unix:PATH")
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--authority", default="", help="speak TLS, trusting this file")
    parser.add_argument("--factor", type=float, default=1.0, help="of all rates")
    # What waits for a core in here would be taken for the server's time. Only root may.
    with suppress(OSError):
        os.nice(-5)
    asyncio.run(_main(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
