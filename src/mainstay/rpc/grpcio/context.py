"""The context of servicers whose methods are coroutines: the contract of `grpc.aio`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Any, NoReturn

from mainstay.errors import Code, EndOfStream
from mainstay.rpc.call import RpcCall
from mainstay.rpc.framed import FramedCall
from mainstay.rpc.grpcio.known import KnownCall, code_of

__all__ = ["ServicerContext", "open_head"]

_log = logging.getLogger("mainstay.rpc")


class ServicerContext(KnownCall):
    """What a method gets beside its request. It ends with the call, and is of no use in threads."""

    _callbacks: list[Callable[[Any], Any]] | None = None

    # --- messages -------------------------------------------------------------------------------

    async def read(self) -> Any:
        """The caller's next message; `grpc.aio.EOF` after the last."""
        self._check()
        try:
            return await self._messages().receive()
        except EndOfStream:
            from grpc.aio import EOF  # noqa: PLC0415 - see the package

            return EOF

    async def write(self, message: Any) -> None:
        """Send a message; returns when there is room for more."""
        self._check()
        self.head_sent = True
        await self._messages().send(message)

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Send the head of the reply now. Raises: grpc.aio.UsageError when it was sent."""
        self._check()
        if self.head_sent:
            raise _misuse("Send initial metadata failed: already sent")
        self.head_sent = True
        await open_head(self._call, initial_metadata)

    def _messages(self) -> Any:
        stream = self._call.stream
        if stream is None:
            raise _misuse(
                f"{self._call.method} has one request and one reply: its method gets the one, and "
                "returns the other"
            )
        return stream

    def _check(self) -> None:
        if self._aborted:
            from grpc.aio import AbortError  # noqa: PLC0415 - see the package

            raise AbortError("Locally aborted.")
        if self._over:
            raise _misuse("RPC already finished.")

    # --- how it ends ----------------------------------------------------------------------------

    async def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """End the call with a status that is no success, by raising `grpc.aio.AbortError`."""
        self.give_up(code, details, trailing_metadata)

    async def abort_with_status(self, status: Any) -> NoReturn:
        """The same with a status of `grpc_status.rpc_status.to_status`."""
        self.give_up(status.code, status.details, status.trailing_metadata)

    def code(self) -> Any:
        """What was set, or None."""
        return self._code

    def details(self) -> str:
        """What was set."""
        return self._details

    def time_remaining(self) -> float | None:
        """Seconds to the tighter of the caller's deadline and the service's; None without both."""
        left = self._call.scope.remaining()
        return None if left == inf else max(left, 0.0)

    def cancelled(self) -> bool:
        """Whether nobody waits for the answer, or CANCELLED was set."""
        said = None if self._code is None else code_of(self._code)
        return said is Code.CANCELLED or self._call.scope.cancelled

    def done(self) -> bool:
        """Whether the call was aborted, or its method has ended."""
        return self._over or self._aborted

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Call `callback` with this context when the call has ended, however it did."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    def end(self) -> None:
        """See `KnownCall`."""
        super().end()
        if self._callbacks:
            loop = asyncio.get_running_loop()
            for callback in self._callbacks:
                loop.call_soon(self._tell, callback)  # once the status has been sent

    def _tell(self, callback: Callable[[Any], Any]) -> None:
        try:
            callback(self)
        except Exception:
            _log.exception("a done callback of %s failed", self._call.method)


def _misuse(message: str) -> Exception:
    from grpc.aio import UsageError  # noqa: PLC0415 - see the package

    return UsageError(message)


async def open_head(call: RpcCall, metadata: Any) -> None:
    """Send the head of the reply with these pairs, where the protocol has one to send early."""
    call.initial_metadata.extend((key, value) for key, value in metadata)
    if call.stream is not None:
        await call.stream.open()
    elif isinstance(call, FramedCall):
        call.flow().send_head()
