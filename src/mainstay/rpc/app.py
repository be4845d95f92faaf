"""From an exchange to a method and back: the application of RPC, in front of that of HTTP.

They share every port. A path that names a method is answered here, in the protocol that its content
type says; everything else is HTTP's, but for gRPC to a method that does not exist. This file is in
the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from mainstay.core.call import Handler
from mainstay.core.scope import Scope, stand_in
from mainstay.errors import Code, Error, Fault, Overloaded, Unimplemented
from mainstay.net.calls import CallRunner, failure_of
from mainstay.net.exchange import Exchange
from mainstay.net.port import Port, PortApplication
from mainstay.rpc.call import RpcCall
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.grpc import GrpcCall, KnownGrpcCall
from mainstay.rpc.method import CATCH_ALL, Kind, MessageType, RpcMethod
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.speakers import (
    Speaker,
    choose,
    content_type_of,
    get_speakers,
    refuse,
    respond_problem,
    speakers,
)
from mainstay.rpc.status import RpcStatus, status_of, understood

if TYPE_CHECKING:
    from mainstay.rpc.transcoding.table import Found, Transcoding

__all__ = ["RpcApplication"]

_log = logging.getLogger("mainstay.rpc")

_CANCELLED: Final = Code.CANCELLED.value
_OVERLOADED: Final = Code.UNAVAILABLE.value
"""What clients of gRPC make of 503."""
_CATCH_ALL: Final = f"/{CATCH_ALL}/{CATCH_ALL}".encode()


class RpcApplication:
    """Answers exchanges with methods.

    Args:
        endpoints: every method, in no order.
        settings: see `RpcSettings`.
        fallback: answers what is no RPC.
        call_timeout: seconds for a unary call whose caller does not say; None for no bound.
        transcoding: finds methods by paths of their own; None for no such paths.

    Attributes:
        endpoints, settings: as given.
        unmatched: counts calls of methods that do not exist, or answers them (`CATCH_ALL`).
    """

    def __init__(
        self,
        endpoints: Sequence[RpcEndpoint],
        settings: RpcSettings,
        fallback: PortApplication,
        call_timeout: float | None = 30.0,
        transcoding: Transcoding | None = None,
    ) -> None:
        self.endpoints = endpoints
        self.settings = settings
        self._by_path = {each.method.path.encode(): each for each in endpoints}
        nothing = RpcEndpoint(_NO_METHOD, _unmatched)
        self.unmatched = self._by_path.pop(_CATCH_ALL, nothing)
        self._fallback = fallback
        self._call_timeout = call_timeout
        self._transcoding = transcoding
        self._speakers = speakers(settings)
        self._at_once: dict[bytes | None, Speaker] = {
            name: each for name, each in self._speakers.items() if each.spoken == "grpc"
        }
        self._get_speakers = get_speakers(settings)
        self._warned = False
        self._runner: CallRunner[RpcCall] | None = None
        self._port: Port | None = None
        self._monotonic: Callable[[], float] = lambda: 0.0

    def open(self, port: Port, calls: Scope, handler: Handler) -> None:
        """See `PortApplication`."""
        self._runner = runner = CallRunner[RpcCall](port, calls, RpcCall.answer_late)
        self._port = port
        self._limit = port.limits.in_flight or inf
        self._long_limit = port.limits.long_calls or inf
        self._run = runner.run
        self._make_scope = runner.make_scope
        self._monotonic = port.monotonic
        self._fallback.open(port, calls, handler)

    @property
    def tasks(self) -> dict[asyncio.Task[None], RpcCall]:
        """Calls that wait for something now."""
        return {} if self._runner is None else self._runner.tasks

    def begin(self, exchange: Exchange) -> None:
        """See `Application`."""
        known = exchange.known
        if known is not None and known.use is not None:
            endpoint, head, speaker, timeout = known.use
            port = self._port
            assert port is not None
            if endpoint.unary and port.in_flight - port.long <= self._limit:
                call = speaker(exchange, endpoint, head, self.settings, self._make_scope, timeout)
                self._run(call, self._answer(call, endpoint))
            else:
                self._call(exchange, endpoint, head, speaker)
            return
        endpoint = self._by_path.get(exchange.target)
        if endpoint is None:
            self._begin_other(exchange)
            return
        head = dict(exchange.fields)
        speaker = self._at_once.get(head.get(b"content-type"))
        if speaker is None or exchange.method != "POST":
            self._begin_rarer(exchange, endpoint, head)
            return
        if known is not None:
            if speaker is GrpcCall and KnownGrpcCall.may_be(head, self.settings):
                speaker = KnownGrpcCall
            timeout = endpoint.method.timeout
            if endpoint.unary and timeout is None:
                timeout = self._call_timeout
            known.use = (endpoint, head, speaker, timeout)
        self._call(exchange, endpoint, head, speaker)

    def begin_untrailed(self, exchange: Exchange) -> None:
        """The same on a connection that cannot send trailers, as that of many an ASGI server: gRPC
        is refused before anything is done, and the other protocols have no need of them."""
        spoken = self._speakers.get(content_type_of(dict(exchange.fields)))
        if spoken is None or spoken.spoken != "grpc":
            self.begin(exchange)
            return
        if not self._warned:
            self._warned = True
            _log.warning(
                "gRPC is refused with 505: it needs trailers, which this server of ASGI cannot send "
                "(http.response.trailers); Connect and gRPC-Web work"
            )
        message = b"gRPC needs trailers, which cannot be sent here\n"
        fields = ((b"grpc-status", b"12"), (b"grpc-message", message[:-1]))
        exchange.respond(505, b"text/plain", fields, message)

    def _begin_rarer(
        self, exchange: Exchange, endpoint: RpcEndpoint, head: Mapping[bytes, bytes]
    ) -> None:
        """What is not gRPC by its usual names: see `mainstay.rpc.speakers`."""
        speaker = choose(exchange, endpoint, head, self._speakers, self._get_speakers)
        if speaker is not None:
            self._call(exchange, endpoint, head, speaker)
        else:
            refuse(exchange, endpoint, self.settings)

    def _call(
        self,
        exchange: Exchange,
        endpoint: RpcEndpoint,
        head: Mapping[bytes, bytes],
        speaker: Speaker | Found,
    ) -> None:
        port = self._port
        assert port is not None
        if (
            port.in_flight - port.long > self._limit
            or (port.long >= self._long_limit and not endpoint.unary)
        ) and not endpoint.method.vital:
            endpoint.counts.add(_OVERLOADED, 0.0)
            _refuse(exchange, speaker.spoken)
            return
        timeout = endpoint.method.timeout
        if not endpoint.unary:
            exchange.lasts()
        elif timeout is None:
            timeout = self._call_timeout
        call = speaker(exchange, endpoint, head, self.settings, self._make_scope, timeout)
        self._run(call, self._answer(call, endpoint))

    def _begin_other(self, exchange: Exchange) -> None:
        path, mark, _ = exchange.target.partition(b"?")
        endpoint = self._by_path.get(path) if mark else None
        head = dict(exchange.fields)
        if endpoint is not None:
            self._begin_rarer(exchange, endpoint, head)
            return
        speaker = self._speakers.get(content_type_of(head))
        if speaker is not None and speaker.unary is not True and exchange.method == "POST":
            # Nothing but RPC has such a content type; what Connect's unary calls have may be HTTP's.
            self._call(exchange, self.unmatched, head, speaker)
            return
        found = None
        if self._transcoding is not None:
            if self._transcoding.answer_preflight(exchange, self.settings):
                return
            found = self._transcoding.find(exchange)
        if found is not None:
            self._call(exchange, found.endpoint, head, found)
        else:
            self._fallback.begin(exchange)

    # --- one call -------------------------------------------------------------------------------

    async def _answer(self, call: RpcCall, endpoint: RpcEndpoint) -> None:
        """Run the handlers and send what they answer; raises only what ends the program."""
        stand_in(call)
        started = self._monotonic()
        code = 0
        try:
            call.accept()
            if endpoint.unary:
                request = call.whole()
                call.request = await call.read() if request is None else request
                reply = await endpoint.handler(call)
                if not call.answered:
                    call.respond(reply)
            else:
                call.stream = call.open_stream()
                await endpoint.handler(call)
                if not call.answered:
                    await call.finish()
        except BaseException as error:
            code = self._fail(call, error)
        else:
            if call._made is not None:
                call._made.__exit__(None, None, None)
        finally:
            call.end()
            endpoint.counts.add(code, self._monotonic() - started)

    def _fail(self, call: RpcCall, error: BaseException) -> int:
        """Tell the peer of a failure; return the code that is counted."""
        error = failure_of(call, error)
        if not isinstance(error, Exception):
            call.exchange.reset()
            if isinstance(error, asyncio.CancelledError):
                return _CANCELLED  # by somebody outside of the framework
            raise error
        try:
            error = understood(error)
            status = status_of(error)
            _tell(call, error, status)
        except Exception:  # an error whose own code fails; a call without an answer would hang
            _log.exception("%s failed, and so does its error", call.method)
            status = RpcStatus(Code.INTERNAL, "the server failed")
        if not call.answered:
            call.fail_surely(status)
        return status.code.value


def _refuse(exchange: Exchange, spoken: str) -> None:
    """Answer what comes while there are as many calls as there may be. Clients of gRPC take nothing
    but the status of it; whoever reads HTTP gets a problem, as from a route."""
    fields = ((b"retry-after", b"1"),)
    if spoken.startswith("grpc"):
        exchange.respond(503, b"text/plain", fields, b"overloaded\n")
    else:
        detail = "the server has as many calls in flight as it may have; try again"
        respond_problem(exchange, 503, Overloaded.reason, detail, fields)


def _tell(call: RpcCall, error: Exception, status: RpcStatus) -> None:
    expected = isinstance(error, Error) and error.fault in (Fault.PEER, Fault.POLICY)
    if not expected:
        _log.error("%s failed: %r", call.method, error, exc_info=error)
    else:
        _log.debug("%s ended with %s: %s", call.method, status.code.name, error)


async def _unmatched(call: Any) -> Any:
    path = call.exchange.target.decode("latin-1")
    raise Unimplemented(f"there is no method {path}")


_NOTHING: Final = MessageType(name="", python_type=bytes, decode=bytes, encode=bytes)
_NO_METHOD: Final = RpcMethod(
    service="unmatched",
    name="unmatched",
    kind=Kind.BIDI,  # so that nothing has to be received before the answer
    request=_NOTHING,
    response=_NOTHING,
)
