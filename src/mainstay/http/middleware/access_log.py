"""One log record for each call, when it is over.

For a reply in one piece that is when the handlers inside have answered; for a stream, when its last
part was sent or it was broken off. What a peer chose is written so that it cannot forge a line or
move a terminal's cursor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection
from typing import Any, Final
from urllib.parse import unquote

from mainstay.core.call import Call, Handler, Middleware
from mainstay.core.ids import REQUEST_ID
from mainstay.core.redact import MASK, is_credential
from mainstay.errors import Code, Error, PeerGone, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import HttpNext, http_only
from mainstay.http.problems import problem_response, status_of
from mainstay.http.response import Response
from mainstay.net.calls import ExchangeCall

__all__ = ["access_log"]

_log = logging.getLogger("mainstay.access")

_FAULTS: Final = frozenset({Code.UNKNOWN, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS})
_LEFT: Final = 499
_FAILED: Final = 500
_ERROR: Final = 400
_LONGEST: Final = 512
"""Characters of a path or a user agent that are logged; peers choose their length."""

PROBES: Final = frozenset({"/livez", "/readyz", "/startedz", "/metrics"})


def access_log(
    *, query: bool = False, sample: float = 1.0, skip: Collection[str] = PROBES
) -> Middleware:
    """Log each call at INFO by the logger ``mainstay.access``, with its facts as fields:

    ``method``, ``route``, ``path`` (as sent), ``status`` (499 if the peer left first), ``seconds``,
    ``bytes`` (of the body, before outer middleware changes it), ``peer``, ``request_id``,
    ``user_agent``, ``http`` (the version), and ``broken`` for a stream that was cut off. List it
    first, or after `trusted_proxies`, so that it sees what the others answer.

    Of a method of RPC it is ``transport``, ``method``, ``code`` (of what its handler raised),
    ``seconds``, ``peer``, ``request_id``, ``user_agent`` and ``http``, at the end of its streams.

    Args:
        query: whether the path is logged with its query; values of parameters that are named as
            credentials become ``***``. Off, because URLs carry more secrets than one thinks.
        sample: how many of the calls that went well are logged, from 0 to 1; errors always are.
        skip: paths whose calls are logged only if they fail.

    Raises: UsageError for a sample outside 0 to 1.
    """
    if not 0.0 <= sample <= 1.0:
        raise UsageError(f"access_log: a sample is from 0 to 1, not {sample}")

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        if not _log.isEnabledFor(logging.INFO):
            return await next(call)
        record = _Record(call, query, sample, skip)
        try:
            response = await next(call)
        except asyncio.CancelledError:
            cause = call.scope.cause
            record.write(
                _LEFT if cause is None or isinstance(cause, PeerGone) else status_of(cause)
            )
            raise
        except Exception as error:
            if isinstance(error, PeerGone):
                record.write(_LEFT)
            else:
                record.write(status_of(error), _size_of(error, call))
            raise
        body = response.body
        if isinstance(body, bytes):
            record.write(response.status, len(body))
        elif call.begun or call.exchange.method == "HEAD":
            record.write(response.status)
        else:
            response.body = _Watched(body, response.status, record.write)
        return response

    layer.__qualname__ = "access_log"
    of_http = http_only(layer)

    def middleware(call: Call, next: Handler) -> Awaitable[Any]:
        if isinstance(call, ExchangeCall) and not isinstance(call, HttpCall):
            return _log_method(call, next, sample)
        return of_http(call, next)

    middleware.__name__ = middleware.__qualname__ = "access_log"
    return middleware


async def _log_method(call: ExchangeCall, next: Handler, sample: float) -> Any:
    """The same for a method of RPC, to the end of its streams."""
    if not _log.isEnabledFor(logging.INFO):
        return await next(call)
    started = call.scope.effects.clock.monotonic()
    try:
        reply = await next(call)
    except asyncio.CancelledError:
        cause = call.scope.cause
        _write_method(call, Code.CANCELLED if cause is None else _code_of(cause), started)
        raise
    except Exception as error:
        _write_method(call, _code_of(error), started)
        raise
    if sample >= 1.0 or call.scope.effects.random.random() < sample:
        _write_method(call, None, started)
    return reply


def _code_of(error: Exception) -> Code:
    return error.code if isinstance(error, Error) else Code.UNKNOWN


def _write_method(call: ExchangeCall, code: Code | None, started: float) -> None:
    scope, exchange = call.scope, call.exchange
    name = "OK" if code is None else code.name
    facts = {
        "transport": call.transport,
        "method": call.method,
        "code": name,
        "seconds": round(scope.effects.clock.monotonic() - started, 6),
        "peer": exchange.peer.address,
        "http": exchange.version,
        "user_agent": _harmless(scope.metadata.get("user-agent") or ""),
    }
    request_id = scope.get(REQUEST_ID)
    if request_id is not None:
        facts["request_id"] = request_id
    level = logging.WARNING if code in _FAULTS else logging.INFO
    _log.log(level, "%s %s %s", call.transport, call.method, name, extra=facts)


def _size_of(error: Exception, call: HttpCall) -> int:
    """Bytes of the problem that the outermost will make of it; zero where it will not be sent."""
    if call.begun or call.exchange.method == "HEAD":
        return 0
    body = problem_response(error, call.request).body
    return len(body) if isinstance(body, bytes) else 0


class _Record:
    """What is known of one call; `write` is called once."""

    __slots__ = ("_call", "_query", "_sample", "_skip", "_started")

    def __init__(self, call: HttpCall, query: bool, sample: float, skip: Collection[str]) -> None:
        self._call = call
        self._query = query
        self._sample = sample
        self._skip = skip
        self._started = call.scope.effects.clock.monotonic()

    def write(self, status: int, size: int = 0, *, broken: bool = False) -> None:
        call = self._call
        scope, exchange = call.scope, call.exchange
        target = exchange.target.decode("latin-1")
        path, mark, query = target.partition("?")
        if status < _ERROR and not broken:
            if path in self._skip:
                return
            if self._sample < 1.0 and scope.effects.random.random() >= self._sample:
                return
        if self._query and mark:
            path = f"{path}?{_masked(query)}"
        facts = {
            "method": exchange.method,
            "route": call.method,
            "path": _harmless(path),
            "status": status,
            "seconds": round(scope.effects.clock.monotonic() - self._started, 6),
            "bytes": size,
            "peer": call.request.peer.address,
            "http": exchange.version,
            "user_agent": _harmless(call.request.headers.get("user-agent") or ""),
        }
        request_id = scope.get(REQUEST_ID)
        if request_id is not None:
            facts["request_id"] = request_id
        if broken:
            facts["broken"] = True
        level = logging.WARNING if status >= _FAILED else logging.INFO
        _log.log(level, "%s %s %d", exchange.method, facts["path"], status, extra=facts)


class _Watched:
    """A body that is iterated, counted, and told of once."""

    __slots__ = ("_body", "_ended", "_iterator", "_size", "_status", "_write")

    def __init__(self, body: AsyncIterable[bytes], status: int, write: Callable[..., None]) -> None:
        self._body = body
        self._iterator: AsyncIterator[bytes] | None = None
        self._status = status
        self._write = write
        self._size = 0
        self._ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._iterator = aiter(self._body)
        return self

    async def __anext__(self) -> bytes:
        assert self._iterator is not None
        try:
            part = await anext(self._iterator)
        except StopAsyncIteration:
            self._end(broken=False)
            raise
        except BaseException:
            self._end(broken=True)
            raise
        self._size += len(part)
        return part

    async def aclose(self) -> None:
        """Let the body go; before its end it counts as broken."""
        self._end(broken=True)
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()

    def _end(self, *, broken: bool) -> None:
        if not self._ended:
            self._ended = True
            self._write(self._status, self._size, broken=broken)


def _masked(query: str) -> str:
    """The query with ``***`` for the values of parameters that are named as credentials."""
    parts = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        parts.append(
            f"{name}={MASK}" if equals and value and is_credential(unquote(name)) else part
        )
    return "&".join(parts)


def _harmless(text: str) -> str:
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
