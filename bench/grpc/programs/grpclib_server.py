"""grpclib on uvloop, with the two middlewares as its events, which wrap the method."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import uvloop
from greeter_pb2 import HelloReply, HelloRequest
from grpclib.const import Cardinality, Handler, Status
from grpclib.events import RecvRequest, listen
from grpclib.exceptions import GRPCError
from grpclib.server import Server

counts = {"running": 0, "requests": 0, "seconds": 0.0}


async def in_flight(event: RecvRequest) -> None:
    """Know how many calls run."""
    method = event.method_func

    async def around(stream: Any) -> None:
        counts["running"] += 1
        try:
            await method(stream)
        finally:
            counts["running"] -= 1

    event.method_func = around


async def timing(event: RecvRequest) -> None:
    """Count the calls and the time they take."""
    method = event.method_func

    async def around(stream: Any) -> None:
        began = time.monotonic()
        try:
            await method(stream)
        finally:
            counts["requests"] += 1
            counts["seconds"] += time.monotonic() - began

    event.method_func = around


class Greeter:
    """The service of the bench; what its plugin generates comes down to this mapping."""

    async def say_hello(self, stream: Any) -> None:
        """One reply."""
        request = await stream.recv_message()
        if not request.name:
            raise GRPCError(Status.INVALID_ARGUMENT, "name is empty")
        await stream.send_message(HelloReply(message=f"Hello, {request.name}!"))

    async def lots_of_replies(self, stream: Any) -> None:
        """As many as `count` says."""
        request = await stream.recv_message()
        message = f"Hello, {request.name}!"
        for number in range(request.count):
            await stream.send_message(HelloReply(message=message, number=number))

    def __mapping__(self) -> dict[str, Handler]:
        """Path -> handler."""
        return {
            "/bench.v1.Greeter/SayHello": Handler(
                self.say_hello, Cardinality.UNARY_UNARY, HelloRequest, HelloReply
            ),
            "/bench.v1.Greeter/LotsOfReplies": Handler(
                self.lots_of_replies, Cardinality.UNARY_STREAM, HelloRequest, HelloReply
            ),
        }


async def main() -> None:
    """Serve until the process is ended."""
    server = Server([Greeter()])
    # The last to listen is the innermost.
    listen(server, RecvRequest, timing)
    listen(server, RecvRequest, in_flight)
    await server.start("127.0.0.1", int(sys.argv[1]))
    await server.wait_closed()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
