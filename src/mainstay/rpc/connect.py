"""Connect's unary calls: a request and a reply of HTTP with nothing around the messages.

A call that changes nothing may come by GET, its message in the query, so that caches can answer it
(connectrpc.com/docs/protocol, "Unary-Request" and "Unary-Get-Request").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from mainstay.errors import DeadlineExceeded, InvalidRequest, RpcError, TooLarge, UsageError
from mainstay.rpc.call import RpcCall
from mainstay.rpc.compression import ACCEPTED, COMPRESSORS, compress, decompress
from mainstay.rpc.connect_errors import error_object
from mainstay.rpc.framed import incoming_of, wire_fields
from mainstay.rpc.in_json import InJson
from mainstay.rpc.long_messages import LIGHT, LongMessage
from mainstay.rpc.origins import origin_fields
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.status import OVER, RpcStatus, too_long
from mainstay.wire.connect import STATUSES, decode_parameter, decode_timeout, parameters

__all__ = [
    "ConnectCall",
    "ConnectGetCall",
    "ConnectJsonCall",
    "ConnectJsonGetCall",
    "check_head",
    "preferred",
]

_JSON: Final = b"application/json"
_VERSION: Final = b"1"
_ACCEPT: Final = (b"accept-encoding", ACCEPTED)
_VARY: Final = (b"vary", b"accept-encoding")
_CODED: Final = frozenset({b"content-encoding", b"content-length"})


def check_head(head: Mapping[bytes, bytes]) -> None:
    """Refuse what no version of Connect means, and what comes too late.

    Raises: InvalidRequest, DeadlineExceeded.
    """
    version = head.get(b"connect-protocol-version", _VERSION)
    if version != _VERSION:
        raise InvalidRequest(f"connect-protocol-version is 1 here, not {version.decode('latin-1')}")
    timeout = head.get(b"connect-timeout-ms")
    if timeout is not None and decode_timeout(timeout) is None:
        raise InvalidRequest("connect-timeout-ms is not a number of up to ten digits")
    if timeout is not None and not decode_timeout(timeout):
        raise DeadlineExceeded(OVER)


def preferred(settings: RpcSettings, accepted: bytes | None) -> str | None:
    """How replies are compressed: as the settings say, if the peer takes it."""
    chosen = settings.compression
    if chosen == "identity" or not accepted:
        return None
    for each in accepted.split(b","):
        name, _, weight = each.partition(b";")
        if name.strip() == chosen.encode():
            return None if weight.replace(b" ", b"") in (b"q=0", b"q=0.0") else chosen
    return None


class ConnectCall(RpcCall):
    """One unary call by POST, in protobuf.

    Attributes:
        compression: of the reply; None for none.
        incoming: how the request is compressed; None for not at all.
    """

    __slots__ = ("compression", "incoming")

    spoken = "connect"
    content_type: ClassVar[bytes] = b"application/proto"
    unary: ClassVar[bool | None] = True

    compression: str | None
    incoming: str | None

    def accept(self) -> None:
        """See `RpcCall`."""
        head = self.head
        self.incoming = None
        self.compression = preferred(self.settings, head.get(b"accept-encoding"))
        check_head(head)
        if b"content-encoding" in head:
            self.incoming = incoming_of(head, b"content-encoding")

    def limit(self) -> float | None:
        """See `RpcCall`."""
        value = self.head.get(b"connect-timeout-ms")
        return None if value is None else decode_timeout(value)

    def set_compression(self, name: str | None) -> None:
        """Let the reply be compressed so. Raises: UsageError for an unknown name."""
        if name is not None and name not in COMPRESSORS:
            raise UsageError(f"{name!r} is no compression; there are {', '.join(COMPRESSORS)}")
        self.compression = name

    def whole(self) -> Any:
        """See `RpcCall`."""
        body = self.exchange.body
        if body is None or self.incoming is not None or len(body) > LIGHT:
            return None
        return self.decoded(body)

    async def read(self) -> Any:
        """See `RpcCall`."""
        exchange = self.exchange
        exchange.body_limit = self.settings.receive_size
        parts = []
        while data := await exchange.receive():
            parts.append(data)
        return await self.unpacked(parts[0] if len(parts) == 1 else b"".join(parts))

    async def unpacked(self, data: bytes) -> Any:
        """The message that these bytes are, which may be compressed, and long.

        Raises: TooLarge, InvalidRequest.
        """
        limit = self.settings.receive_size
        if len(data) > limit:
            raise TooLarge(f"a message is longer than the {limit} bytes allowed here")
        if self.incoming is not None and data:
            try:
                data = decompress(self.incoming, data, limit)
            except RpcError as error:
                raise InvalidRequest(error.message) from None
        return await LongMessage(self.endpoint, data, self.settings).made()

    def decoded(self, data: bytes) -> Any:
        """The same for bytes that are neither. Raises: TooLarge, InvalidRequest."""
        limit = self.settings.receive_size
        if len(data) > limit:
            raise TooLarge(f"a message is longer than the {limit} bytes allowed here")
        try:
            return self.endpoint.decode(data)
        except ValueError as error:
            name = self.endpoint.method.request.name
            raise InvalidRequest(f"the message is no {name}: {error}") from None

    def respond(self, message: Any) -> None:
        """See `RpcCall`."""
        settings = self.settings
        data = self.endpoint.encode(message)
        if len(data) > settings.send_size:
            raise too_long(len(data), settings.send_size)
        fields = self._fields(())
        if settings.compression != "identity":
            fields.append(_VARY)
        if self.compression is not None and len(data) >= settings.compress_from:
            data = compress(self.compression, data)
            fields.append((b"content-encoding", self.compression.encode()))
        self.exchange.respond(200, self.content_type, fields, data)

    def fail(self, status: RpcStatus) -> None:
        """See `RpcCall`."""
        fields = self._fields(status.trailers)
        body = msgspec.json.encode(error_object(status))
        self.exchange.respond(STATUSES[status.code.value], _JSON, fields, body)

    def _fields(self, more: Any) -> list[tuple[bytes, bytes]]:
        """Metadata before and after the message, which are both fields of the head here."""
        fields = wire_fields(self._initial) if self._initial else []
        if self._trailing or more:
            trailing = wire_fields([*(self._trailing or ()), *more])
            fields += [(b"trailer-" + name, value) for name, value in trailing]
        for name, _ in fields:
            if name in _CODED:
                said = name.decode("latin-1")
                raise UsageError(f"metadata cannot be named {said!r}: the protocol uses it")
        settings = self.settings
        if settings.origins:
            names = [name for name, _ in fields]
            fields += origin_fields(
                settings.origins, self.head, names, credentials=settings.credentials
            )
        return fields


class ConnectJsonCall(InJson, ConnectCall):
    """The same, in JSON."""

    __slots__ = ()

    content_type = _JSON


class ConnectGetCall(ConnectCall):
    """One unary call by GET, in protobuf: its message is in the query."""

    __slots__ = ("_message",)

    _message: bytes

    def accept(self) -> None:
        """See `RpcCall`."""
        self.incoming = None
        self.compression = preferred(self.settings, self.head.get(b"accept-encoding"))
        check_head(self.head)
        try:
            given = parameters(self.exchange.target.partition(b"?")[2])
            if given.get("connect", b"v1") != b"v1":
                raise ValueError("the parameter connect is v1 here")
            message = given.get("message")
            if message is None:
                raise ValueError("the parameter message is missing")
            if given.get("base64") == b"1":
                message = decode_parameter(message)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        if "compression" in given:
            self.incoming = incoming_of({b"": given["compression"]}, b"")
        self._message = message

    def whole(self) -> Any:
        """See `RpcCall`."""
        message = self._message
        if self.incoming is not None or len(message) > LIGHT:
            return None
        return self.decoded(message)

    async def read(self) -> Any:
        """See `RpcCall`."""
        return await self.unpacked(self._message)


class ConnectJsonGetCall(InJson, ConnectGetCall):
    """The same, in JSON."""

    __slots__ = ()

    content_type = _JSON
