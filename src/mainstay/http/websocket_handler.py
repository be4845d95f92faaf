"""From a user's function to the handler of a WebSocket route.

The function takes the socket and plays its part, or is an async generator whose items are sent. In
the chain of a route three pieces of a `WebSocketPlan` stand in this order::

    plan.serve → middleware of the service → middleware of the route → plan.handler(fill)

`serve` is outermost. It refuses what is no good WebSocket, puts the stream into ``call.stream``, and
in the end says goodbye with the code for how the call went. An error before the WebSocket was
accepted is left to whoever makes HTTP answers of errors.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, get_args, get_origin

from mainstay.core.call import Handler
from mainstay.core.scope import Key, Scope
from mainstay.core.signature import MISSING, parameters_of, returns_of, where
from mainstay.errors import (
    BusyError,
    ClosedError,
    DeadlineExceeded,
    EndOfStream,
    HttpError,
    InvalidRequest,
    Overloaded,
    PeerError,
    PeerGone,
    PolicyError,
    ShuttingDown,
    TooLarge,
    WiringError,
)
from mainstay.http.call import HttpCall
from mainstay.http.response import Response
from mainstay.http.websocket import WebSocket
from mainstay.http.websocket_codec import UNSUPPORTED, decoder_of, encoder_of
from mainstay.http.websocket_farewell import farewell_of
from mainstay.http.websocket_options import NORMAL, WebSocketOptions
from mainstay.net.limits import Limits

if TYPE_CHECKING:
    from mainstay.http.websocket_stream import WebSocketStream

__all__ = ["Fill", "WebSocketPlan", "close_code_of", "is_socket", "websocket_handler"]

_log = logging.getLogger("mainstay.http")

Fill: TypeAlias = Callable[[HttpCall], "Mapping[str, Any] | Awaitable[Mapping[str, Any]]"]
"""Finds the arguments of a function, those beside the socket."""

_BASE: Final[Key[WebSocketStream]] = Key("websocket")
_DEFAULT: Final = WebSocketOptions()
_SWITCHING: Final = 101


def is_socket(annotation: Any) -> bool:
    """Whether a parameter with this annotation gets the socket."""
    return annotation is WebSocket or get_origin(annotation) is WebSocket


class WebSocketPlan:
    """A function, worked out once, as the handler of a WebSocket route.

    Args:
        function: a coroutine function with a parameter annotated ``WebSocket[In, Out]``, or an
            async generator function, with or without one.
        options: of the route.

    Attributes:
        parameter: the name of the parameter that gets the socket, or None.
        incoming, outgoing: the types of messages, for documentation.
        limits: of the server; to be set before the first call, the defaults otherwise.

    Raises: WiringError for a function that cannot be one.
    """

    def __init__(
        self, function: Callable[..., Any], options: WebSocketOptions | None = None
    ) -> None:
        # Not above: the engine is slow to import, and a service without WebSockets starts without.
        from mainstay.http.websocket_stream import WebSocketStream  # noqa: PLC0415

        self._stream = WebSocketStream
        here = where(function)
        self._function = function
        self._feeds = inspect.isasyncgenfunction(function)
        if not self._feeds and not inspect.iscoroutinefunction(function):
            message = f"{here}: the handler of a WebSocket is an async function"
            raise WiringError(message)
        found = [each for each in parameters_of(function) if is_socket(each.annotation)]
        if len(found) > 1 or (not found and not self._feeds):
            message = (
                f"{here}: the handler of a WebSocket has one parameter for it, such as "
                "`socket: WebSocket[str, str]`; or it is an async generator that yields messages"
            )
            raise WiringError(message)
        types: tuple[Any, ...] = (MISSING, MISSING)
        self.parameter = None
        if found:
            self.parameter = found[0].name
            types = get_args(found[0].annotation) or types
        self.incoming, self.outgoing = types
        if self._feeds and self.outgoing is MISSING:
            items = get_args(returns_of(function))
            self.outgoing = items[0] if items else MISSING
        self.limits = Limits()
        self._options = options or _DEFAULT
        self._decode = decoder_of(self.incoming, here)
        self._encode = encoder_of(self.outgoing, here)

    async def serve(self, call: Any, next: Handler) -> Response:
        """The outermost middleware of the route: opens and ends the conversation.

        Returns what a middleware answered instead of the handler; otherwise a response that says
        101 and has an empty stream for its body, so that nobody sends it: ``call.begun`` is set.

        Raises: what is raised before the WebSocket was accepted; HttpError 426 for a request that
        asks for none.
        """
        if call.exchange.protocol != "websocket":
            headers = {"upgrade": "websocket", "connection": "upgrade"}
            message = "this address takes WebSockets only"
            raise HttpError(426, message, headers=headers, reason="UPGRADE_REQUIRED")
        deaf = self.parameter is None
        stream = self._stream(
            call, self._options, self.limits, self._decode, self._encode, deaf=deaf
        )
        call.stream = stream
        call.scope.set(_BASE, stream)
        try:
            answer = await next(call)
            if not stream.opened:
                if isinstance(answer, Response) and answer.status != _SWITCHING:
                    return answer
                await stream.open()
        except asyncio.CancelledError as error:
            cause = call.scope.cause
            stream.end(*close_code_of(cause or ShuttingDown("the call was ended"), call.scope))
            if cause is None or not stream.opened:
                raise
            _tell(call, cause, error)
        except Exception as error:
            if not stream.opened:
                stream.end(NORMAL)
                raise
            stream.end(*close_code_of(error, call.scope))
            _tell(call, error)
        else:
            stream.end(*(farewell_of(call.scope) if stream.draining else (NORMAL, "")))
        return _switched()

    def handler(self, fill: Fill) -> Handler:
        """The innermost handler: `fill` finds the arguments beside the socket."""

        def handle(call: Any) -> Awaitable[Response]:
            found = fill(call)
            if isinstance(found, Mapping):
                return self.run(call, dict(found))
            return self._run_later(call, found)

        return handle

    async def _run_later(self, call: HttpCall, arguments: Awaitable[Mapping[str, Any]]) -> Response:
        return await self.run(call, dict(await arguments))

    async def run(self, call: HttpCall, arguments: dict[str, Any]) -> Response:
        """Call the function, and send what it yields. The answer stands for a WebSocket that is
        over; see `serve`."""
        stream = call.stream
        base = call.scope.get(_BASE)
        assert stream is not None
        assert base is not None
        if self.parameter is not None:
            arguments[self.parameter] = WebSocket(stream, base, call.request)
        if not self._feeds:
            conversation = self._function(**arguments)
            del arguments  # the conversation may be long
            await conversation
            return _switched()
        if self.parameter is None:
            # At once: the first item may be long in coming, and nobody else could accept.
            await stream.open()
        items = cast("AsyncGenerator[Any, None]", self._function(**arguments))
        async with aclosing(items):
            async for item in items:
                await stream.send(item)
                if base.draining:
                    break
        return _switched()

    def __repr__(self) -> str:
        return f"<WebSocketPlan {where(self._function)}>"


class _Nothing:
    """A body without parts."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


def _switched() -> Response:
    # One each: middleware may change it.
    return Response(_Nothing(), _SWITCHING)


def websocket_handler(
    function: Callable[..., Any], fill: Fill, options: WebSocketOptions | None = None
) -> Handler:
    """A whole handler without middleware between: `WebSocketPlan` in one piece."""
    plan = WebSocketPlan(function, options)
    inner = plan.handler(fill)
    return lambda call: plan.serve(call, inner)


def close_code_of(error: BaseException, scope: Scope) -> tuple[int, str]:
    """The close code for an error that ended the call with this scope, and a reason if the peer may
    hear it (RFC 6455 §7.4.1)."""
    match error:
        case InvalidRequest():
            return 1003 if error.reason == UNSUPPORTED else 1007, error.message
        case TooLarge():
            return 1009, error.message
        case ShuttingDown():
            return farewell_of(scope)
        case Overloaded() | DeadlineExceeded():
            return 1013, error.message
        case BusyError():
            return 1013, ""
        case EndOfStream():
            # A handler that receives once more than the peer sends has heard the goodbye.
            return NORMAL, ""
        case PeerError() | PolicyError():
            return 1008, error.message
        case _:
            return 1011, ""


def _tell(call: HttpCall, error: BaseException, shown: BaseException | None = None) -> None:
    """Log how a call failed whose peer can be told a code only."""
    if isinstance(error, (PeerGone, EndOfStream, ShuttingDown)):
        _log.debug("%s ended: %s", call.method, error)
    elif isinstance(error, ClosedError):
        _log.info("%s sent after the goodbye: %s", call.method, error)
    elif isinstance(error, PeerError):
        _log.info("%s was closed: %s", call.method, error)
    elif isinstance(error, PolicyError):
        _log.warning("%s was ended: %s", call.method, error)
    else:
        _log.error("%s failed: %r", call.method, error, exc_info=shown or error)
