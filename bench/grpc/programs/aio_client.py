"""The client of grpc.aio on uvloop, with generated code."""

from __future__ import annotations

import asyncio
import sys

import greeter_pb2_grpc
import grpc
import uvloop
from greeter_pb2 import HelloRequest

from bench.grpc.programs.calling import TIMEOUT, obey


async def main() -> None:
    """Call when told."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
        stub = greeter_pb2_grpc.GreeterStub(channel)
        request = HelloRequest(name="world")

        async def call() -> str:
            reply = await stub.SayHello(request, timeout=TIMEOUT)
            return str(reply.message)

        await obey(call)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
