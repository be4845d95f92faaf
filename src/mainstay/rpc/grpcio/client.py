"""Stubs that ``grpcio-tools`` generated, on our channel: the calls that they expect.

Generated code asks its channel for ``unary_unary`` and the like, and gets methods whose calls keep
the contract of ``grpc.aio`` (``grpc/aio/_base_call.py`` names it): await it, iterate over it,
``read`` and ``write``, ask for the code and the metadata. Errors are ``grpc.aio.AioRpcError``.
grpcio is imported when something of it is first wanted; a call that succeeds wants nothing.

What differs: a deadline that is over before the call begins raises at once, call credentials are
refused, and interceptors are the middleware of the channel.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mainstay.errors import ClosedError, Code, EndOfStream, Error, UsageError
from mainstay.rpc.client.calls import UnaryCall, WireCall
from mainstay.rpc.client.failures import CancelledFailure, RpcFailed, again, failure
from mainstay.rpc.client.methods import Method, UnaryMethod
from mainstay.rpc.client.pairs import MetadataSource, PairTuple
from mainstay.rpc.client.rpc_stream import Requests, RpcStream
from mainstay.rpc.method import Kind

if TYPE_CHECKING:
    import grpc
    from grpc.aio import AioRpcError, Metadata

__all__ = ["StubCall", "StubStream", "StubTask", "StubUnary", "aio_error", "stub_method"]

_COMPRESSIONS: Final = {0: "identity", 1: "deflate", 2: "gzip"}
"""By the numbers of ``grpc.Compression``."""


def stub_method(method: Method) -> Callable[..., Any]:
    """What generated code calls for `method`."""
    if isinstance(method, UnaryMethod):
        return _unary(method)
    requests_stream = method.wire.kind.requests_stream
    call: Any = method

    def call_stream(
        request: Any = None,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> StubStream:
        try:
            stream = call(
                request,
                timeout=timeout,
                metadata=metadata,
                wait_for_ready=wait_for_ready,
                compression=_compression(compression, credentials),
            )
        except RpcFailed as error:
            raise aio_error(error) from None
        return StubStream(stream, method.wire.kind)

    def call_with_requests(
        request_iterator: Requests | None = None, *args: Any, **options: Any
    ) -> StubStream:
        return call_stream(request_iterator, *args, **options)

    return call_with_requests if requests_stream else call_stream


def _unary(method: UnaryMethod) -> Callable[..., Any]:
    start = method.start
    with_middleware = method.has_middleware

    def call_unary(
        request: Any,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> StubUnary | StubTask:
        how = None
        if compression is not None or credentials is not None:
            how = _compression(compression, credentials)
        try:
            if with_middleware:
                work = method.answered(request, timeout, metadata, wait_for_ready, how)
                return StubTask(work, method.wire.name)
            return StubUnary(start(request, timeout, metadata, wait_for_ready, how))
        except RpcFailed as error:
            raise aio_error(error) from None

    return call_unary


def _compression(value: Any, credentials: Any) -> str | None:
    if credentials is not None:
        raise UsageError("credentials of single calls are not supported; send them as metadata")
    return None if value is None else _COMPRESSIONS[int(value)]


class StubCall:
    """What the calls of all kinds have in common; see ``grpc.aio.Call``."""

    __slots__ = ("__weakref__",)

    def _failed(self) -> Exception | None:
        """Why it failed; None before the end."""
        raise NotImplementedError

    def _known(self) -> WireCall | None:
        """The call on the wire, if there is one by now."""
        raise NotImplementedError

    async def _ended(self) -> None:
        """Wait for the end."""
        raise NotImplementedError

    def done(self) -> bool:
        """Whether it is over."""
        raise NotImplementedError

    def cancel(self) -> bool:
        """Give it up; whether that was still possible."""
        raise NotImplementedError

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.done() and isinstance(self._failed(), CancelledFailure)

    def time_remaining(self) -> float | None:
        """Seconds to its deadline, or None."""
        wire = self._known()
        if wire is None or wire.end is None:
            return None
        return max(wire.end - asyncio.get_running_loop().time(), 0.0)

    async def initial_metadata(self) -> Metadata:
        """What came with the head."""
        await self._ended()
        return _metadata(self._pairs()[0])

    async def trailing_metadata(self) -> Metadata:
        """What came with the status."""
        await self._ended()
        return _metadata(self._pairs()[1])

    def _pairs(self) -> tuple[PairTuple, PairTuple]:
        wire = self._known()
        return ((), ()) if wire is None else (wire.initial_metadata, wire.trailing_metadata)

    async def code(self) -> grpc.StatusCode:
        """How it ended; waits for that."""
        await self._ended()
        error = self._failed()
        return _status_code(None if error is None else _as_failure(error).code)

    async def details(self) -> str:
        """What the server says about it; waits for that."""
        await self._ended()
        error = self._failed()
        return "" if error is None else _as_failure(error).message

    async def debug_error_string(self) -> str:
        """The same for developers."""
        await self._ended()
        error = self._failed()
        return "" if error is None else str(error)

    async def wait_for_connection(self) -> None:
        """Wait until it has begun on a connection. Raises: AioRpcError when there is none."""
        while not self.done():
            wire = self._known()
            if wire is not None and wire.connection is not None:
                return
            await asyncio.sleep(_LOOK)
        error = self._failed()
        if error is not None:
            raise _raised(error)

    def __repr__(self) -> str:
        state = "done" if self.done() else "pending"
        return f"<{type(self).__name__} {state}>"


_LOOK: Final = 0.01
"""Seconds between two looks for a connection."""


class StubUnary(StubCall):
    """See ``grpc.aio.UnaryUnaryCall``.

    Args:
        wire: the call; it has begun.
    """

    __slots__ = ("_wire",)

    def __init__(self, wire: UnaryCall) -> None:
        self._wire = wire

    def __await__(self) -> Generator[Any, None, Any]:
        wire = self._wire
        if not wire.over:
            try:
                yield from wire.future
            except asyncio.CancelledError:
                wire.cancel()
                raise
        try:
            return wire.result()
        except Exception as error:
            raise _raised(error) from None

    def _failed(self) -> Exception | None:
        return self._wire.failed()

    def _known(self) -> WireCall:
        return self._wire

    async def _ended(self) -> None:
        if not self._wire.over:
            await asyncio.wait([self._wire.future])

    def done(self) -> bool:
        """See `StubCall`."""
        return self._wire.over

    def cancel(self) -> bool:
        """See `StubCall`."""
        if self._wire.over:
            return False
        self._wire.cancel()
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback` with this call when it is over."""
        self._wire.future.add_done_callback(lambda _: callback(self))

    def __del__(self) -> None:
        wire = getattr(self, "_wire", None)
        if wire is not None and not wire.over:
            wire.drop()


class StubTask(StubCall):
    """The same for a channel with middleware, which run in a task."""

    __slots__ = ("_answered", "_name", "_task")

    def __init__(self, work: tuple[Any, Any], name: str) -> None:
        self._answered, run = work
        self._name = name
        loop = asyncio.get_running_loop()
        self._task: asyncio.Task[_Outcome] = loop.create_task(_outcome(run), name=name)
        self._task.add_done_callback(_look_at)

    def __await__(self) -> Generator[Any, None, Any]:
        message, error = yield from self._task
        if error is not None:
            raise _raised(error)
        return message

    def _failed(self) -> Exception | None:
        task = self._task
        if not task.done():
            return None
        if task.cancelled():
            return failure(Code.CANCELLED, "the call was cancelled", method=self._name)
        error = task.exception()
        if error is None:
            return task.result()[1]
        return error if isinstance(error, Exception) else None

    def _known(self) -> WireCall | None:
        found: WireCall | None = self._answered.last
        return found

    async def _ended(self) -> None:
        await asyncio.wait([self._task])

    def done(self) -> bool:
        """See `StubCall`."""
        return self._task.done()

    def cancel(self) -> bool:
        """See `StubCall`."""
        return self._task.cancel()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback` with this call when it is over."""
        self._task.add_done_callback(lambda _: callback(self))


class StubStream(StubCall):
    """See ``grpc.aio.UnaryStreamCall``, ``StreamUnaryCall`` and ``StreamStreamCall``.

    Args:
        stream: the call; it has begun.
        kind: of its method.
    """

    __slots__ = ("_kind", "_reply", "_stream", "_wire")

    def __init__(self, stream: RpcStream, kind: Kind) -> None:
        self._stream = stream
        self._wire = stream.wire
        self._kind = kind
        self._reply: asyncio.Task[_Outcome] | None = None

    # --- replies --------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Any]:
        if self._kind.replies_stream:
            raise UsageError("this call has any number of replies: iterate over it")
        if self._reply is None:
            loop = asyncio.get_running_loop()
            self._reply = loop.create_task(_outcome(self._stream.only_reply()))
            self._reply.add_done_callback(_look_at)
        try:
            message, error = yield from self._reply
        except asyncio.CancelledError:
            self._stream.cancel()
            raise
        if error is not None:
            raise _raised(error)
        return message

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.receive()
        except EndOfStream:
            raise StopAsyncIteration from None
        except asyncio.CancelledError:
            self._stream.cancel()
            raise
        except Error as error:
            raise _raised(error) from None

    async def read(self) -> Any:
        """The next reply; ``grpc.aio.EOF`` after the last one."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            from grpc.aio import EOF  # noqa: PLC0415 - grpcio is optional

            return EOF

    # --- requests -------------------------------------------------------------------------------

    async def write(self, request: Any) -> None:
        """Send a request. Raises: asyncio.InvalidStateError after the end of either side."""
        try:
            await self._stream.send(request)
        except ClosedError as error:
            raise asyncio.InvalidStateError(str(error)) from None
        except RpcFailed as error:
            raise _raised(error) from None

    async def done_writing(self) -> None:
        """Say that there are no more requests."""
        await self._stream.done_sending()

    # --- see StubCall ---------------------------------------------------------------------------

    async def initial_metadata(self) -> Metadata:
        """What came with the head; waits for that only."""
        await self._wire.wait_head()
        return _metadata(self._wire.initial_metadata)

    def _failed(self) -> Exception | None:
        return self._wire.error if self._wire.over else None

    def _known(self) -> WireCall:
        return self._wire

    async def _ended(self) -> None:
        await self._wire.wait_over()

    def done(self) -> bool:
        """See `StubCall`."""
        return self._wire.over

    def cancel(self) -> bool:
        """See `StubCall`."""
        if self._wire.over:
            return False
        self._stream.cancel()
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback` with this call when it is over."""
        wire = self._wire
        loop = asyncio.get_running_loop()

        def look(_: object = None) -> None:
            if wire.over:
                callback(self)
                return
            watcher = loop.create_future()
            watcher.add_done_callback(look)
            wire.watchers.append(watcher)

        loop.call_soon(look)


_Outcome: TypeAlias = "tuple[Any, Error | None]"
"""A reply, or why there is none."""


async def _outcome(work: Awaitable[Any]) -> _Outcome:
    # Not raised by the task that is kept: its traceback would know who keeps it.
    try:
        return await work, None
    except Error as error:
        return None, error.with_traceback(None)


def _look_at(task: asyncio.Task[Any]) -> None:
    # Who does not await it does not want to know; grpc.aio is as quiet.
    if not task.cancelled():
        task.exception()


def _as_failure(error: Exception) -> RpcFailed:
    if isinstance(error, RpcFailed):
        return error
    code = Code.CANCELLED if isinstance(error, ClosedError) else Code.UNKNOWN
    return failure(code, str(error))


def _raised(error: Exception) -> BaseException:
    """What a stub raises for an error of ours."""
    if isinstance(error, CancelledFailure) and not error.trailing_metadata and error.ours:
        return asyncio.CancelledError(error.message)
    if isinstance(error, RpcFailed | ClosedError):
        return aio_error(_as_failure(error))
    return again(error)


def aio_error(error: RpcFailed) -> AioRpcError:
    """The same for who expects grpcio."""
    from grpc.aio import AioRpcError  # noqa: PLC0415 - grpcio is optional

    return AioRpcError(
        _status_code(error.code),
        _metadata(error.initial_metadata),
        _metadata(error.trailing_metadata),
        details=error.message,
        debug_error_string=str(error),
    )


def _metadata(pairs: PairTuple) -> Metadata:
    from grpc.aio import Metadata  # noqa: PLC0415 - grpcio is optional

    return Metadata(*pairs)


def _status_code(code: Code | None) -> grpc.StatusCode:
    from grpc import StatusCode  # noqa: PLC0415 - grpcio is optional

    return StatusCode.OK if code is None else StatusCode[code.name]
