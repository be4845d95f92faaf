"""grpcio on its threads, with generated code and the two middlewares as interceptors."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import greeter_pb2_grpc
import grpc
from greeter_pb2 import HelloReply, HelloRequest

counts = {"running": 0, "requests": 0, "seconds": 0.0}
Continue = Callable[[Any], Any]


class InFlight(grpc.ServerInterceptor):
    """Knows how many calls run."""

    def intercept_service(self, continuation: Continue, details: Any) -> Any:
        """Wrap the handler, as the interface wants it."""
        handler = continuation(details)
        if handler is None:
            return None
        if handler.response_streaming:
            stream = handler.unary_stream

            def streaming(request: Any, context: Any) -> Iterator[Any]:
                counts["running"] += 1
                try:
                    yield from stream(request, context)
                finally:
                    counts["running"] -= 1

            return handler._replace(unary_stream=streaming)
        unary = handler.unary_unary

        def unary_unary(request: Any, context: Any) -> Any:
            counts["running"] += 1
            try:
                return unary(request, context)
            finally:
                counts["running"] -= 1

        return handler._replace(unary_unary=unary_unary)


class Timing(grpc.ServerInterceptor):
    """Counts the calls and the time they take."""

    def intercept_service(self, continuation: Continue, details: Any) -> Any:
        """Wrap the handler, as the interface wants it."""
        handler = continuation(details)
        if handler is None:
            return None
        if handler.response_streaming:
            stream = handler.unary_stream

            def streaming(request: Any, context: Any) -> Iterator[Any]:
                began = time.monotonic()
                try:
                    yield from stream(request, context)
                finally:
                    counts["requests"] += 1
                    counts["seconds"] += time.monotonic() - began

            return handler._replace(unary_stream=streaming)
        unary = handler.unary_unary

        def unary_unary(request: Any, context: Any) -> Any:
            began = time.monotonic()
            try:
                return unary(request, context)
            finally:
                counts["requests"] += 1
                counts["seconds"] += time.monotonic() - began

        return handler._replace(unary_unary=unary_unary)


class Greeter(greeter_pb2_grpc.GreeterServicer):
    """The service of the bench."""

    def SayHello(self, request: HelloRequest, context: Any) -> HelloReply:  # noqa: N802
        """One reply."""
        if not request.name:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "name is empty")
        return HelloReply(message=f"Hello, {request.name}!")

    def LotsOfReplies(self, request: HelloRequest, context: Any) -> Iterator[HelloReply]:  # noqa: N802
        """As many as `count` says."""
        message = f"Hello, {request.name}!"
        for number in range(request.count):
            yield HelloReply(message=message, number=number)


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(16), interceptors=[InFlight(), Timing()])
    greeter_pb2_grpc.add_GreeterServicer_to_server(Greeter(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()
