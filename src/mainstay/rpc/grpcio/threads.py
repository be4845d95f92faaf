"""Servicers whose methods are plain functions: they run in threads, with the scope carried along.

What they ask of the call is done on the loop, in a task below the thread's own scope: when the call
is cancelled, so is the task, and the thread that waits for it goes on at once, with `grpc.RpcError`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from math import inf
from typing import Any, Final, NoReturn

from mainstay.core.call import Stream
from mainstay.core.scope import Scope
from mainstay.core.threads import to_thread
from mainstay.errors import Cancelled, EndOfStream, Error, UsageError
from mainstay.rpc.call import RpcCall
from mainstay.rpc.grpcio.context import open_head
from mainstay.rpc.grpcio.known import KnownCall

__all__ = ["Outbox", "RequestIterator", "ThreadContext", "drive", "send_all"]

_log = logging.getLogger("mainstay.rpc")

_AHEAD: Final = 32
"""Replies that a generator may be ahead of what was sent."""


class ThreadContext(KnownCall):
    """What a method gets beside its request: the contract of `grpc.ServicerContext`.

    Made on the loop, used in any thread.

    Attributes:
        outbox: of a method whose replies stream.
    """

    def __init__(self, call: RpcCall) -> None:
        super().__init__(call)
        self._loop = asyncio.get_running_loop()
        # That of the call is made late, which only the loop may do.
        self._scope = Scope.current()
        self._callbacks: list[Callable[[], Any]] = []
        self._lock = threading.Lock()
        self._ended: asyncio.Future[None] | None = None
        self.outbox: Outbox | None = None

    # --- messages -------------------------------------------------------------------------------

    def on_loop(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Run a coroutine function on the loop and wait for it.

        Raises: what it raises; grpc.RpcError when the call has ended.
        """
        done: Future[Any] = Future()
        result: list[Any] = []

        async def work() -> None:
            result.append(await function(*args))

        def end(error: BaseException | None) -> None:
            if error is None:
                done.set_result(result[0])
            else:
                done.set_exception(error)

        self.start_on_loop(work, end)
        try:
            return done.result()
        except Exception as error:
            told = self.told(error)
            if told is error:
                raise
            raise told from error

    def start_on_loop(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        end: Callable[[BaseException | None], None],
    ) -> None:
        """Run `work` in a task below this thread's scope, and call `end` on the loop with what it
        has raised."""
        scope = Scope.current_or_none() or self._scope

        def finish(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                end(scope.cause or Cancelled("the call has ended"))
            else:
                end(task.exception())

        def begin() -> None:
            try:
                scope.start(work()).add_done_callback(finish)
            except BaseException as error:
                end(error)

        self._loop.call_soon_threadsafe(begin)

    def told(self, error: BaseException) -> BaseException:
        """What the method is told of `error`: grpc.RpcError for the end of the call."""
        expected = isinstance(error, Error) and not isinstance(error, EndOfStream)
        if not expected or not self._scope.cancelled:
            return error
        from grpc import RpcError  # noqa: PLC0415 - see the package

        return RpcError(f"the call has ended: {error}")

    def disable_next_message_compression(self) -> None:
        """Send the next message as it is."""
        if self.outbox is not None:
            self.outbox.flush()  # or one of those before would be the next
        super().disable_next_message_compression()

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Send the head of the reply now. Raises: ValueError when it was sent."""
        if self.head_sent:
            raise ValueError("Initial metadata no longer allowed!")
        self.head_sent = True
        self.on_loop(open_head, self._call, initial_metadata)

    # --- how it ends ----------------------------------------------------------------------------

    def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """End the call with a status that is no success, by raising an exception."""
        self.give_up(code, details, trailing_metadata)

    def abort_with_status(self, status: Any) -> NoReturn:
        """The same with a status of `grpc_status.rpc_status.to_status`."""
        self.give_up(status.code, status.details, status.trailing_metadata)

    def code(self) -> Any:
        """What was set, or None."""
        return self._code

    def details(self) -> Any:
        """What was set, as bytes; None if nothing was. So it is with grpcio."""
        return self._details.encode() or None

    def time_remaining(self) -> float:
        """Seconds to the tighter of the caller's deadline and the service's; without both, as many
        as a thread can wait."""
        left = self._scope.remaining()
        return threading.TIMEOUT_MAX if left == inf else max(left, 0.0)

    def is_active(self) -> bool:
        """Whether somebody waits for the answer."""
        return not self._over and not self._scope.cancelled

    def cancel(self) -> bool:
        """End the call as cancelled; whether that was needed."""
        active = self.is_active()
        self._scope.cancel(Cancelled(f"{self._call.method} cancelled itself"))
        return active

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        """Call `callback`, in a thread, when the call has ended or is cancelled, whichever is
        first; False when that was already."""
        with self._lock:
            if self._over or self._scope.cancelled:
                return False
            self._callbacks.append(callback)
            first = len(self._callbacks) == 1
        if first:
            self._loop.call_soon_threadsafe(self._watch)
        return True

    def end(self) -> None:
        """See `KnownCall`."""
        with self._lock:
            super().end()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _watch(self) -> None:
        self._ended = self._loop.create_future()
        if self._over or self._scope.cancelled:
            self._run_callbacks()
            return
        # In a scope below: cancelled with the call, whatever the thread does.
        task = self._scope.start(_wait(self._ended), "callbacks")
        task.add_done_callback(lambda _: self._run_callbacks())

    def _run_callbacks(self) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
        if callbacks:
            self._loop.run_in_executor(None, _run_all, callbacks, self._call.method)


async def _wait(ended: asyncio.Future[None]) -> None:
    await ended


def _run_all(callbacks: list[Callable[[], Any]], method: str) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception:
            _log.exception("a callback of %s failed", method)


class RequestIterator:
    """What the caller streams, one message at a time, for threads.

    Raises, when the call ends before the caller's last message: grpc.RpcError.
    """

    def __init__(self, context: ThreadContext, stream: Stream) -> None:
        self._context = context
        self._stream = stream

    def __iter__(self) -> RequestIterator:
        return self

    def __next__(self) -> Any:
        try:
            return self._context.on_loop(self._stream.receive)
        except EndOfStream:
            raise StopIteration from None

    next = __next__


async def drive(behaviour: Callable[..., Any], given: Any, context: ThreadContext) -> Any:
    """Run a method in a thread; return its reply, or an iterator's end.

    A method that streams its replies is run to its end in one thread, so that what it holds (locks,
    cursors) stays where it was taken.
    """
    work = functools.partial(_work, behaviour, given, context)
    functools.update_wrapper(work, behaviour, assigned=("__qualname__",), updated=())
    return await to_thread(work)


def _work(behaviour: Callable[..., Any], given: Any, context: ThreadContext) -> Any:
    made = behaviour(given, context)
    if inspect.iscoroutine(made) or inspect.isasyncgen(made):
        if inspect.iscoroutine(made):
            made.close()
        raise UsageError(
            f"{getattr(behaviour, '__qualname__', behaviour)} is a plain function that returns "
            "what has to be awaited; if a decorator hides `async def`, let it return one"
        )
    return made


def send_all(stream: Stream, behaviour: Callable[..., Any]) -> Callable[..., None]:
    """`behaviour`, whose replies are an iterator, as a function that sends them on `stream`."""

    def run(given: Any, context: ThreadContext) -> None:
        outbox = context.outbox = Outbox(context, stream)
        replies = _work(behaviour, given, context)
        try:
            for reply in replies:
                if context._aborted:
                    return
                context.head_sent = True
                outbox.put(reply)
        finally:
            close = getattr(replies, "close", None)
            if close is not None:
                close()
            outbox.flush()

    functools.update_wrapper(run, behaviour, assigned=("__qualname__",), updated=())
    return run


class Outbox:
    """Replies on their way from a thread to the loop: a few at a time, as each crossing costs more
    than a message."""

    def __init__(self, context: ThreadContext, stream: Stream) -> None:
        self._context = context
        self._stream = stream
        self._waiting: list[Any] = []
        self._sending = False
        self._failed: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, message: Any) -> None:
        """Send `message` soon; waits while too many are on their way.

        Raises: what sending has raised; grpc.RpcError when the call has ended.
        """
        with self._changed:
            while len(self._waiting) >= _AHEAD and self._failed is None:
                self._changed.wait()
            self._check()
            self._waiting.append(message)
            begin = not self._sending
            self._sending = True
        if begin:
            try:
                self._context.start_on_loop(self._send, self._end)
            except RuntimeError as error:  # the loop is closed: the process ends
                self._end(error)
                raise

    def flush(self) -> None:
        """Wait until all are sent. Raises: as `put`."""
        with self._changed:
            while self._sending:
                self._changed.wait()
            self._check()

    async def _send(self) -> None:
        while True:
            with self._changed:
                taken, self._waiting = self._waiting, []
                if not taken:
                    self._sending = False
                self._changed.notify_all()
            if not taken:
                return
            for message in taken:
                await self._stream.send(message)

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            with self._changed:
                self._failed = error
                self._sending = False
                self._changed.notify_all()

    def _check(self) -> None:
        if self._failed is not None:
            raise self._context.told(self._failed)
