"""The client of grpclib on uvloop."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from greeter_pb2 import HelloReply, HelloRequest
from grpclib.client import Channel, UnaryUnaryMethod

from bench.grpc.programs.calling import TIMEOUT, obey


async def main() -> None:
    """Call when told."""
    async with Channel("127.0.0.1", int(sys.argv[1])) as channel:
        say_hello = UnaryUnaryMethod(
            channel, "/bench.v1.Greeter/SayHello", HelloRequest, HelloReply
        )
        request = HelloRequest(name="world")

        async def call() -> str:
            reply = await say_hello(request, timeout=TIMEOUT)
            return str(reply.message)

        await obey(call)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
