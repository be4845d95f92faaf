"""A call by JSON on a path of its own.

Unary: the reply is JSON, or the bytes of a ``google.api.HttpBody``. A stream of replies is a line of
JSON for each (``application/x-ndjson``), or server-sent events for who accepts ``text/event-stream``.
A failure is a problem (RFC 9457) as everywhere by HTTP; after the first message it breaks lines off,
and is an event named ``error`` among events. Metadata are plain fields, and the trailing ones of a
stream are trailers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from mainstay.core.metadata import Metadata
from mainstay.core.scope import Scope
from mainstay.errors import EndOfStream, Error, HttpError, UsageError
from mainstay.net.budget import budget_of
from mainstay.net.exchange import Exchange, Fields
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.framed import FramedCall, FramedStream, wire_fields
from mainstay.rpc.long_messages import LIGHT, off_loop
from mainstay.rpc.origins import origin_fields
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.status import RpcStatus, too_long
from mainstay.rpc.transcoding.route import Route

__all__ = ["EVENTS", "LINES", "ProblemMaker", "TranscodedCall", "TranscodedStream"]

LINES: Final = b"application/x-ndjson"
EVENTS: Final = b"text/event-stream"
_JSON: Final = b"application/json"
_ID: Final = "x-request-id"

ProblemMaker: TypeAlias = Callable[
    [BaseException, str, Mapping[str, Any]], tuple[int, Fields, bytes]
]
"""Tells of an error: the status, the fields and the body of the answer, given the error, the id of
the request, and further members of the problem."""


class TranscodedCall(FramedCall):
    """See `RpcCall`.

    Args:
        route: what was found.
        raw: the segments of the path.
        query: what follows the question mark.
        problem: tells of errors.
    """

    __slots__ = ("_problem", "_query", "_raw", "_route", "_type")

    spoken = "http"

    def __init__(
        self,
        exchange: Exchange,
        endpoint: RpcEndpoint,
        head: Mapping[bytes, bytes],
        settings: RpcSettings,
        scope_maker: Callable[[Any], Scope] | Scope,
        timeout: float | None,
        *,
        route: Route,
        raw: list[str],
        query: bytes,
        problem: ProblemMaker,
    ) -> None:
        super().__init__(exchange, endpoint, head, settings, scope_maker, timeout)
        self._route = route
        self._raw = raw
        self._query = query
        self._problem = problem
        self._flow = None
        self.compression = None
        self.compress_next = True
        self.incoming = None
        self._type = _JSON

    def accept(self) -> None:
        """See `RpcCall`."""
        head = self.head
        if not self.endpoint.unary:
            self._type = EVENTS if _accepts_events(head.get(b"accept", b"")) else LINES
        if self._route.bodiless or self._route.reads_raw:
            return
        if head.get(b"content-encoding", b"identity") != b"identity":
            raise HttpError(
                415, "the body is taken as it is, not compressed", reason="UNSUPPORTED_MEDIA_TYPE"
            )
        kind = head.get(b"content-type", b"")
        if kind != _JSON and kind and not _is_json(kind):
            message = "the body is application/json"
            raise HttpError(
                415,
                message,
                headers={"accept": "application/json"},
                reason="UNSUPPORTED_MEDIA_TYPE",
            )

    def budget(self, metadata: Metadata) -> float | None:
        """See `RpcCall`; as everywhere by HTTP, a caller can only shorten the service's own time."""
        return budget_of(metadata)

    # --- the request ----------------------------------------------------------------------------

    def whole(self) -> Any:
        """See `RpcCall`."""
        body = self.exchange.body
        if body is None or len(body) > min(self.settings.receive_size, LIGHT):
            return None
        return self._made_of(body)

    async def read(self) -> Any:
        """See `RpcCall`. Raises: also TooLarge."""
        exchange = self.exchange
        size = self.settings.receive_size
        limit = exchange.body_limit
        exchange.body_limit = size if limit is None else min(limit, size)
        parts = []
        length = 0
        while part := await exchange.receive():
            length += len(part)
            if length > size:
                raise _too_large(size)
            parts.append(part)
        body = b"".join(parts)
        if self._route.reads_raw or len(body) <= LIGHT:
            return self._made_of(body)
        return await off_loop(partial(self._made_of, body))

    def _made_of(self, body: bytes) -> Any:
        kind = self.head.get(b"content-type", b"")
        limit = self.settings.receive_elements
        return self._route.request(self._raw, self._query, body, kind, limit)

    # --- the reply ------------------------------------------------------------------------------

    def respond(self, message: Any) -> None:
        """See `RpcCall`."""
        route = self._route
        if route.sends_raw:
            body, kind = route.raw_reply(message)
        else:
            body, kind = route.reply(message), _JSON
        if len(body) > self.settings.send_size:
            raise too_long(len(body), self.settings.send_size)
        fields: Fields = ()
        if self._initial is not None or self._trailing is not None or self.settings.origins:
            fields = self._readable(self._metadata())
        self.exchange.respond(200, kind, fields, body)

    def _readable(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The fields, with those that let pages of the origins in the settings read them."""
        settings = self.settings
        names = [name for name, _ in fields]
        return [
            *fields,
            *origin_fields(settings.origins, self.head, names, credentials=settings.credentials),
        ]

    def _metadata(self) -> list[tuple[bytes, bytes]]:
        return wire_fields([*(self._initial or ()), *(self._trailing or ())])

    def fail(self, status: Any) -> None:
        """See `RpcCall`."""
        flow = self._flow
        if flow is not None and self._type is EVENTS and flow.begun:
            flow.flush()
        if flow is not None and flow.opened:
            flow.flush()
            if self._type is not EVENTS:
                self.exchange.reset()
                return
            body = self._told(status)[2]
            self.exchange.write(b"event: error\ndata: " + body + b"\n\n")
            self.exchange.finish()
            return
        code, fields, body = self._told(status)
        sent = self._readable([*fields, *self._metadata_of(status)])
        kind = next((value for name, value in sent if name == b"content-type"), None)
        self.exchange.respond(
            code, kind, [each for each in sent if each[0] != b"content-type"], body
        )

    def _metadata_of(self, status: RpcStatus) -> list[tuple[bytes, bytes]]:
        try:
            return [*self._metadata(), *wire_fields(list(status.trailers))]
        except UsageError:
            return []  # what cannot be sent must not hide the failure

    def _told(self, status: RpcStatus) -> tuple[int, Fields, bytes]:
        error: BaseException = status.error if status.error is not None else _Unknown()
        details = _details(status)
        instance = next((str(value) for name, value in self._initial or () if name == _ID), "")
        return self._problem(error, instance, {"details": details} if details else {})

    # --- streams; see FramedCall ----------------------------------------------------------------

    def packed(self, message: Any) -> bytes:
        """See `FramedCall`: a line, an event, or a piece of a body."""
        route = self._route
        if route.sends_raw:
            body, kind = route.raw_reply(message)
            if self._type is LINES or self._type is EVENTS:  # the first message says what it is
                self._type = kind
            return body
        body = route.reply(message)
        if len(body) > self.settings.send_size:
            raise too_long(len(body), self.settings.send_size)
        return body + b"\n" if self._type is LINES else b"data: " + body + b"\n\n"

    _flow: TranscodedStream | None

    def flow(self) -> TranscodedStream:
        """See `FramedCall`."""
        flow = self._flow
        if flow is None:
            flow = self._flow = TranscodedStream(self)
        return flow

    def open_stream(self) -> TranscodedStream:
        """See `RpcCall`."""
        return self.flow()

    def head_fields(self) -> Fields:
        """See `FramedCall`."""
        fields = [(b"content-type", self._type)]
        if not self._route.sends_raw:
            fields.append((b"vary", b"accept"))
            fields.append((b"cache-control", b"no-cache"))
        return self._readable([*fields, *wire_fields(self._initial or [])])

    def end_stream(self) -> tuple[bytes, Fields]:
        """See `FramedCall`."""
        return b"", wire_fields(self._trailing) if self._trailing else ()


class TranscodedStream(FramedStream):
    """The one request of a call, and its replies."""

    __slots__ = ("_given",)

    def __init__(self, call: TranscodedCall) -> None:
        super().__init__(call)
        self._given = False

    async def send_all(self, messages: AsyncIterator[Any]) -> None:
        """See `FramedStream`, whose envelopes are not ours."""
        async for message in messages:
            await self.send(message)

    async def receive(self) -> Any:
        """See `Stream`."""
        if self._given:
            raise EndOfStream("there is one request, and it was received")
        self._given = True
        call = self._call
        message = call.whole()
        if message is None:
            message = await call.read()
        call.exchange.patient = True
        call.endpoint.received += 1
        return message


class _Unknown(Exception):
    """Stands for an exception that is none of ours, of which nothing is told."""


def _too_large(size: int) -> Error:
    return HttpError(413, f"the body is longer than {size} bytes", reason="TOO_LARGE")


def _is_json(kind: bytes) -> bool:
    plain = kind.partition(b";")[0].strip().lower()
    return plain == _JSON or (plain.startswith(b"application/") and plain.endswith(b"+json"))


def _accepts_events(accept: bytes) -> bool:
    for each in accept.split(b","):
        kind, _, parameters = each.partition(b";")
        if kind.strip().lower() == EVENTS:
            return parameters.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False


def _details(status: RpcStatus) -> list[Any]:
    """The details that a handler gave, as JSON; of a type that nobody knows, its name."""
    if not status.details:
        return []
    from google.protobuf import json_format  # noqa: PLC0415 - errors are the exception

    made = []
    for each in status.details:
        name = each.DESCRIPTOR.full_name
        kind = f"type.googleapis.com/{name}"
        said: Any
        try:
            said = json_format.MessageToDict(each, descriptor_pool=each.DESCRIPTOR.file.pool)
        except (json_format.Error, TypeError):
            said = {}
        made.append({"@type": kind, **(said if isinstance(said, dict) else {"value": said})})
    return made
