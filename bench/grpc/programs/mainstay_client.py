"""Our client on uvloop."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from greeter_pb2 import HelloReply, HelloRequest

from bench.grpc.programs.calling import TIMEOUT, obey
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.method import Kind


async def main() -> None:
    """Call when told."""
    async with Channel(f"tcp://127.0.0.1:{sys.argv[1]}") as channel:
        say_hello = channel.method_at(
            "/bench.v1.Greeter/SayHello",
            Kind.UNARY,
            HelloRequest.SerializeToString,
            HelloReply.FromString,
        )
        request = HelloRequest(name="world")

        async def call() -> str:
            reply = await say_hello(request, timeout=TIMEOUT)
            return str(reply.message)

        await obey(call)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
