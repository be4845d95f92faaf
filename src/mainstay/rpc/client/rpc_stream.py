"""A streaming call in the hands of who made it.

Without middleware it stands right on its stream. With middleware a task runs them, because they
span the life of the stream: the innermost hands the stream out, wrapped as they want it, and ends
when the call does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Self

from mainstay.core.call import Stream
from mainstay.core.seen import failure_of
from mainstay.errors import Code, EndOfStream, UsageError
from mainstay.rpc.client.failures import again, failure
from mainstay.rpc.client.pairs import PairTuple
from mainstay.rpc.client.streaming import StreamingCall
from mainstay.rpc.method import Kind

__all__ = ["Requests", "RpcStream", "span"]

Requests = Iterable[Any] | AsyncIterable[Any]
"""Messages to send."""


class RpcStream:
    """One call that is not unary; methods of a channel make it. It has begun.

    Iterate over it for the replies, or await it for the one reply of a client-streaming call. Use
    it as ``async with`` where you may leave before its end: the call is cancelled then. Sending and
    receiving are independent: one task may send while another receives.

    Args:
        call: on the wire.
        kind: of the method.
        stream: what is spoken to: `call`, or what middleware made of it, which comes later.
        task: that runs the middleware, or None.
    """

    __slots__ = ("__weakref__", "_call", "_feeder", "_kind", "_loop", "_stream", "_task")

    def __init__(
        self,
        call: StreamingCall,
        kind: Kind,
        stream: Stream | asyncio.Future[Stream],
        task: asyncio.Task[Any] | None = None,
    ) -> None:
        self._call = call
        self._kind = kind
        self._stream = stream
        self._task = task
        self._feeder: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    # --- replies --------------------------------------------------------------------------------

    async def receive(self) -> Any:
        """The next reply.

        Raises: EndOfStream after the last one; RpcFailed.
        """
        try:
            return await (await self._opened()).receive()
        except asyncio.CancelledError:
            raise
        except Exception:
            if self._call.over:
                await self._settle()
            raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None
        except asyncio.CancelledError:
            self.cancel()
            raise

    async def reply(self) -> Any:
        """End our side, and wait for the one reply of a client-streaming call. Raises: RpcFailed."""
        try:
            if self._feeder is None:
                await self.done_sending()
        except BaseException:
            self.cancel()
            raise
        return await self.only_reply()

    async def only_reply(self) -> Any:
        """Wait for the one reply of a client-streaming call, whose requests somebody else sends and
        ends. Raises: RpcFailed."""
        name = self._call.terms.method.name
        try:
            try:
                message = await self.receive()
            except EndOfStream:
                text = "a client-streaming call has one reply, not none"
                raise failure(Code.UNIMPLEMENTED, text, method=name) from None
            try:
                await self.receive()
            except EndOfStream:
                return message
            text = "a client-streaming call has one reply, not more"
            raise failure(Code.UNIMPLEMENTED, text, method=name)
        finally:
            self.cancel()

    def __await__(self) -> Generator[Any, None, Any]:
        if self._kind.replies_stream:
            raise UsageError("this call has any number of replies: iterate over it")
        return self.reply().__await__()

    # --- requests -------------------------------------------------------------------------------

    async def send(self, message: Any) -> None:
        """Send a request; waits while the server does not take as many.

        Raises: ClosedError after `done_sending`, and when the server has ended the call; RpcFailed
        when the call has failed.
        """
        await (await self._opened()).send(message)

    async def done_sending(self) -> None:
        """Say that there are no more requests; replies still come. Idempotent."""
        await (await self._opened()).close()

    def feed(self, requests: Requests) -> None:
        """Send all of these, in a task of their own, and then `done_sending`."""
        self._feeder = self._loop.create_task(self._feed(requests), name="requests of a call")

    async def _feed(self, requests: Requests) -> None:
        try:
            stream = await self._opened()
            if isinstance(requests, AsyncIterable):
                async for message in requests:
                    await stream.send(message)
            else:
                for message in requests:
                    await stream.send(message)
            await stream.close()
        except Exception as error:
            # It is the receiver who hears of it: of the call's own end as well.
            if not self._call.over:
                self._call.break_off(error)

    # --- what else came -------------------------------------------------------------------------

    async def initial_metadata(self) -> PairTuple:
        """What came with the head; waits for it. Raises: RpcFailed if the call failed before."""
        call = self._call
        await call.wait_head()
        if not call.head and call.error is not None:
            raise again(call.error)
        return call.initial_metadata

    @property
    def trailing_metadata(self) -> PairTuple:
        """What came with the status; empty before the end."""
        return self._call.trailing_metadata

    @property
    def wire(self) -> StreamingCall:
        """The call on the wire."""
        return self._call

    # --- its end --------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Want no more of it: the server is told, if it has not ended. Idempotent."""
        self._call.cancel()
        if self._feeder is not None:
            self._feeder.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()
        feeder = self._feeder
        if feeder is not None and not feeder.done():
            await asyncio.wait([feeder])
        if self._task is not None:
            await asyncio.wait([self._task])
            self._seen()

    async def _opened(self) -> Stream:
        stream = self._stream
        if not isinstance(stream, asyncio.Future):
            return stream
        assert self._task is not None
        if not stream.done():
            # A middleware may refuse, and then there is no stream.
            await asyncio.wait([stream, self._task], return_when=asyncio.FIRST_COMPLETED)
        if not stream.done():
            _raise_from(self._task)
            raise EndOfStream("a middleware ended the call before it began")
        self._stream = made = stream.result()
        return made

    async def _settle(self) -> None:
        """The call is over: what the middleware make of that is what is raised."""
        task = self._task
        if task is not None:
            await asyncio.wait([task])
            _raise_from(task)

    def _seen(self) -> None:
        """What the middleware raise, now or later, is for nobody any more."""
        if self._task is not None:
            if self._task.done():
                _take_note(self._task)
            else:
                self._task.add_done_callback(_take_note)

    def __del__(self) -> None:
        call = getattr(self, "_call", None)
        if call is None or self._loop.is_closed():
            return
        self._seen()
        if not call.over or call.unread:
            call.drop()

    def __repr__(self) -> str:
        state = "over" if self._call.over else "open"
        return f"<RpcStream {self._call.terms.method.name} {state}>"


def _take_note(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _raise_from(task: asyncio.Task[Any]) -> None:
    """Raise what a task did, if it failed."""
    error = failure_of(task)
    if isinstance(error, Exception):
        raise again(error)
    task.result()


async def span(
    call: StreamingCall, out: asyncio.Future[Stream], stream: Stream, begin: Callable[[], None]
) -> None:
    """The innermost handler of a streaming call: begin it, hand it out, wait for its end."""
    begin()
    if not out.done():
        out.set_result(stream)
    await call.wait_told()
    if call.error is not None:
        raise again(call.error)
