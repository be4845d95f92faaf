"""gRPC by the stock client, with its retries off: what the server refuses is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.wrappers_pb2 import Int64Value

from bench.restart.endpoint import Endpoint
from bench.restart.outcomes import Failed, Outcome, Recorder

__all__ = ["Grpc", "outcome_of_call"]

SERVICE: Final = "/restart.v1.Subject/"
TIMEOUT: Final = 15.0
MESSAGES: Final = 20

OPTIONS: Final = (
    ("grpc.enable_retries", 0),  # the transparent ones too
    ("grpc.use_local_subchannel_pool", 1),  # a connection for each channel
    ("grpc.enable_http_proxy", 0),
)

GIVEN_UP: Final = "Stream removed (GOAWAY received;"
"""What grpcio says of calls that it gave up by itself, before their first frame; and of calls that a
server refuses, so that only the wire tells the two apart."""

OWN_FAULT: Final = "Internal error from Core"
"""What it says when it wrote to a stream that had just ended, whatever the server did: it has no
status then. What a server resets or refuses has another text."""

_OUTCOMES: Final = {
    grpc.StatusCode.DEADLINE_EXCEEDED: Outcome.HANG,
    grpc.StatusCode.UNAVAILABLE: Outcome.RESET,
    grpc.StatusCode.CANCELLED: Outcome.CUT,
}


def outcome_of_call(code: grpc.StatusCode, details: str) -> Outcome:
    """What a status that is not OK means, where a `Tap` counts what the server has lost.

    Args:
        code: of the status.
        details: of the status.
    """
    if details == OWN_FAULT or details.startswith(GIVEN_UP):
        return Outcome.GIVEN_UP
    if code is grpc.StatusCode.UNAVAILABLE and "onnection refused" in details:
        return Outcome.REFUSED
    return _OUTCOMES.get(code, Outcome.ERROR)


class Grpc:
    """Calls on a few channels.

    Args:
        endpoint: of a `Tap`.
        recorder: learns when streams are told to leave.
        size: channels, a connection each.
    """

    def __init__(self, endpoint: Endpoint, recorder: Recorder, *, size: int = 3) -> None:
        self._recorder = recorder
        target = f"127.0.0.1:{endpoint.port}"
        self._channels = [
            grpc.aio.insecure_channel(target, options=list(OPTIONS)) for _ in range(size)
        ]
        self._turn = 0

    def _method(self, shape: str, name: str) -> Any:
        self._turn = (self._turn + 1) % len(self._channels)
        return getattr(self._channels[self._turn], shape)(
            SERVICE + name,
            request_serializer=Int64Value.SerializeToString,
            response_deserializer=Int64Value.FromString,
        )

    async def unary(self) -> None:
        """A quick call."""
        await self._unary("Quick")

    async def slow(self) -> None:
        """A call that takes two seconds."""
        await self._unary("Slow")

    async def _unary(self, name: str) -> None:
        try:
            reply = await self._method("unary_unary", name)(Int64Value(value=7), timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        if reply.value != 7:
            raise Failed(Outcome.ERROR, f"the reply is {reply.value}")

    async def count(self) -> None:
        """A stream of replies over two seconds, which has to be whole."""
        call = self._method("unary_stream", "Count")(Int64Value(value=MESSAGES), timeout=TIMEOUT)
        try:
            got = [reply.value async for reply in call]
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        if got != list(range(MESSAGES)):
            raise Failed(Outcome.CUT, f"the stream brought {got}")

    def talk(self, requests: AsyncIterator[int]) -> AsyncIterator[int]:
        """A conversation; it ends when the service asks its callers to go elsewhere."""
        return self._talk(requests)

    async def _talk(self, requests: AsyncIterator[int]) -> AsyncIterator[int]:
        async def messages() -> AsyncIterator[Int64Value]:
            async for number in requests:
                yield Int64Value(value=number)

        call = self._method("stream_stream", "Talk")(messages())
        try:
            async for reply in call:
                yield reply.value
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        finally:
            call.cancel()

    def _failed(self, error: grpc.aio.AioRpcError) -> Failed:
        code, details = error.code(), error.details() or ""
        outcome = outcome_of_call(code, details)
        return Failed(outcome, f"{code.name}: {details}")

    async def aclose(self) -> None:
        """Close the channels."""
        await asyncio.gather(*(channel.close() for channel in self._channels))
