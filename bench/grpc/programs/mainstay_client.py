"""Our client on uvloop, with code that grpcio-tools generated."""

from __future__ import annotations

import asyncio
import sys

import greeter_pb2_grpc
import uvloop
from greeter_pb2 import HelloRequest

from bench.grpc.programs.calling import TIMEOUT, obey
from mainstay.rpc import Channel


async def main() -> None:
    """Call when told."""
    async with Channel(f"tcp://127.0.0.1:{sys.argv[1]}") as channel:
        stub = greeter_pb2_grpc.GreeterStub(channel)
        request = HelloRequest(name="world")

        async def call() -> str:
            reply = await stub.SayHello(request, timeout=TIMEOUT)
            return str(reply.message)

        await obey(call)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
