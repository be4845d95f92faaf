"""grpc.aio on uvloop, with generated code and the two middlewares as interceptors."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import greeter_pb2_grpc
import grpc
import uvloop
from greeter_pb2 import HelloReply, HelloRequest

counts = {"running": 0, "requests": 0, "seconds": 0.0}
Continue = Callable[[Any], Awaitable[Any]]


class InFlight(grpc.aio.ServerInterceptor):
    """Knows how many calls run."""

    async def intercept_service(self, continuation: Continue, details: Any) -> Any:
        """Wrap the handler, as the interface wants it."""
        handler = await continuation(details)
        if handler is None:
            return None
        if handler.response_streaming:
            stream = handler.unary_stream

            async def streaming(request: Any, context: Any) -> AsyncIterator[Any]:
                counts["running"] += 1
                try:
                    async for reply in stream(request, context):
                        yield reply
                finally:
                    counts["running"] -= 1

            return handler._replace(unary_stream=streaming)
        unary = handler.unary_unary

        async def unary_unary(request: Any, context: Any) -> Any:
            counts["running"] += 1
            try:
                return await unary(request, context)
            finally:
                counts["running"] -= 1

        return handler._replace(unary_unary=unary_unary)


class Timing(grpc.aio.ServerInterceptor):
    """Counts the calls and the time they take."""

    async def intercept_service(self, continuation: Continue, details: Any) -> Any:
        """Wrap the handler, as the interface wants it."""
        handler = await continuation(details)
        if handler is None:
            return None
        if handler.response_streaming:
            stream = handler.unary_stream

            async def streaming(request: Any, context: Any) -> AsyncIterator[Any]:
                began = time.monotonic()
                try:
                    async for reply in stream(request, context):
                        yield reply
                finally:
                    counts["requests"] += 1
                    counts["seconds"] += time.monotonic() - began

            return handler._replace(unary_stream=streaming)
        unary = handler.unary_unary

        async def unary_unary(request: Any, context: Any) -> Any:
            began = time.monotonic()
            try:
                return await unary(request, context)
            finally:
                counts["requests"] += 1
                counts["seconds"] += time.monotonic() - began

        return handler._replace(unary_unary=unary_unary)


class Greeter(greeter_pb2_grpc.GreeterServicer):
    """The service of the bench."""

    async def SayHello(self, request: HelloRequest, context: Any) -> HelloReply:  # noqa: N802
        """One reply."""
        if not request.name:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "name is empty")
        return HelloReply(message=f"Hello, {request.name}!")

    async def LotsOfReplies(  # noqa: N802
        self, request: HelloRequest, context: Any
    ) -> AsyncIterator[HelloReply]:
        """As many as `count` says."""
        message = f"Hello, {request.name}!"
        for number in range(request.count):
            yield HelloReply(message=message, number=number)


async def main() -> None:
    """Serve until the process is ended."""
    server = grpc.aio.server(interceptors=[InFlight(), Timing()])
    greeter_pb2_grpc.add_GreeterServicer_to_server(Greeter(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
