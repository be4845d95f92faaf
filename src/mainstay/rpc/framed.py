"""Calls whose messages are envelopes in the body: gRPC, gRPC-Web, and Connect's streams.

Messages that a handler sends without waiting in between leave together, in one write, at the latest
when it waits; a peer that takes nothing stops it. This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final

from mainstay.core.metadata import EMPTY, Metadata
from mainstay.errors import (
    ClosedError,
    Code,
    EndOfStream,
    InvalidRequest,
    RpcError,
    TooLarge,
    UsageError,
)
from mainstay.net.exchange import Fields
from mainstay.rpc.call import RpcCall
from mainstay.rpc.compression import COMPRESSORS, compress, decompress
from mainstay.rpc.long_messages import LIGHT, LongMessage
from mainstay.rpc.status import too_long
from mainstay.wire.envelopes import COMPRESSED, PLAIN, PREFIX, EnvelopeError, EnvelopeReader, seal
from mainstay.wire.grpc import encode_binary

__all__ = ["FramedCall", "FramedStream", "OneRequestStream", "incoming_of", "wire_fields"]

_TOGETHER: Final = 16 * 1024
"""Bytes of messages that wait for one another; a DATA frame holds as many."""

_SMALL: Final = len(PLAIN)
"""Bytes from which a message is looked at more closely; no limit is as low."""

_BREATH: Final = 8
"""Writes after which a producer that never waits lets others have a turn."""


class FramedCall(RpcCall):
    """One call; a protocol says what its head, its end and its flags are.

    Attributes:
        compression: of the messages we send; None for none. It can be set until the first one.
        compress_next: whether the next message is compressed, where there is a compression; it is
            true again after that message.
        incoming: how the peer's messages are compressed; None for not at all.
    """

    __slots__ = ("_flow", "compress_next", "compression", "incoming")

    flags: ClassVar[int] = COMPRESSED
    """That the peer's messages may have."""

    dated: ClassVar[bool] = True
    """Whether the head of a stream tells the time, as replies of HTTP do."""

    compression: str | None
    compress_next: bool
    incoming: str | None
    _flow: FramedStream | None

    # --- what a protocol says -------------------------------------------------------------------

    def head_fields(self) -> Fields:
        """Of a reply that begins with a message: content type, encoding, initial metadata."""
        raise NotImplementedError

    def end_stream(self) -> tuple[bytes, Fields]:
        """What ends a call that succeeded: bytes of the body, and trailers."""
        raise NotImplementedError

    def end_failed(self, status: Any, *, opened: bool) -> tuple[bytes, Fields]:
        """The same for an RpcStatus; with `opened` the head has been sent."""
        raise NotImplementedError

    def take_special(self, flags: int, data: bytes) -> bytes | None:
        """An envelope with flags other than `COMPRESSED`: its message, or None at the end."""
        raise NotImplementedError

    # --- the one way ----------------------------------------------------------------------------

    def choose_compression(self, accepted: bytes | None) -> None:
        """Compress as the settings say, if the peer accepts it."""
        self.compress_next = True
        self.compression = None
        chosen = self.settings.compression
        if chosen != "identity" and accepted and chosen.encode() in _listed(accepted):
            self.compression = chosen

    def set_compression(self, name: str | None) -> None:
        """Let the messages we send be compressed so. Raises: UsageError for an unknown name, and
        after the head was sent."""
        if self._flow is not None and self._flow.opened:
            raise UsageError("compression is chosen before the first message is sent")
        if name is not None and name not in COMPRESSORS:
            raise UsageError(f"{name!r} is no compression; there are {', '.join(COMPRESSORS)}")
        self.compression = name
        if self._flow is not None:
            self._flow._steady = False

    def packed(self, message: Any) -> bytes:
        """A message of ours in its envelope."""
        return self.sealed(self.endpoint.encode(message))

    def sealed(self, data: bytes) -> bytes:
        """The same for the bytes of a message."""
        size = len(data)
        if size < _SMALL and self.compression is None:
            return PLAIN[size] + data
        if size > self.settings.send_size:
            raise too_long(size, self.settings.send_size)
        if self.compression is None:
            return seal(data)
        wanted, self.compress_next = self.compress_next, True
        if wanted and len(data) >= self.settings.compress_from:
            return seal(compress(self.compression, data), COMPRESSED)
        return seal(data)

    def unpacked(self, flags: int, data: bytes) -> Any:
        """A message of the peer's out of its envelope."""
        if flags & COMPRESSED:
            data = self.opened(data)
        try:
            return self.endpoint.decode(data)
        except ValueError as error:
            name = self.endpoint.method.request.name
            raise InvalidRequest(f"the message is no {name}: {error}") from None

    def opened(self, data: bytes) -> bytes:
        """The bytes of a compressed message. Raises: TooLarge, RpcError."""
        if self.incoming is None:
            raise RpcError(Code.INTERNAL, "a message is compressed, and nobody said how")
        return decompress(self.incoming, data, self.settings.receive_size)

    def reader(self) -> EnvelopeReader:
        """Reads the peer's envelopes."""
        return EnvelopeReader(self.settings.receive_size, self.flags)

    def flow(self) -> FramedStream:
        """The messages of the call, made when they are first needed."""
        flow = self._flow
        if flow is None:
            self.exchange.body_limit = None
            several = self.endpoint.method.kind.requests_stream
            flow = self._flow = FramedStream(self) if several else OneRequestStream(self)
        return flow

    def end(self) -> None:
        """See `ExchangeCall`; what was gathered goes now, and not when the collector comes."""
        self._ended = True
        self.exchange.gone = None  # as does `ExchangeCall`, which a call of `super` doubles
        self._flow = self.stream = None

    # --- see RpcCall ----------------------------------------------------------------------------

    def open_stream(self) -> FramedStream:
        """See `RpcCall`."""
        flow = self.flow()
        self.exchange.patient = flow.several
        return flow

    async def read(self) -> Any:
        """See `RpcCall`."""
        return await self.flow().receive_only()

    async def finish(self) -> None:
        """See `RpcCall`."""
        await self.flow().end()

    def respond(self, message: Any) -> None:
        """See `RpcCall`."""
        data = self.packed(message)
        end, trailers = self.end_stream()
        if self._flow is not None and self._flow.opened:
            self.respond_opened(data + end, trailers)
        else:
            self.exchange.respond_with_trailers(200, self.head_fields(), data + end, trailers)

    def respond_opened(self, body: bytes, trailers: Fields) -> None:
        """Answer a unary call whose head was sent before its handler had ended."""
        self.exchange.write(body)
        self.exchange.finish(trailers)

    def fail(self, status: Any) -> None:
        """See `RpcCall`."""
        flow = self._flow
        exchange = self.exchange
        if flow is None or not flow.begun:
            if self._initial:
                # In one block (Trailers-Only) all of it would be trailers.
                body, fields = self.end_failed(status, opened=True)
                exchange.respond_with_trailers(200, self.head_fields(), body, fields)
                return
            body, fields = self.end_failed(status, opened=False)
            exchange.respond_with_trailers(200, fields, body, ())
            return
        flow.flush()
        body, fields = self.end_failed(status, opened=True)
        if body:
            exchange.write(body)
        exchange.finish(fields)


class FramedStream:
    """The messages of a call in both directions; see `Stream`.

    Attributes:
        opened: whether the head was sent.
        several: whether the peer sends any number of messages.
    """

    several: ClassVar[bool] = True

    __slots__ = (
        "_call",
        "_closed",
        "_ended",
        "_failed",
        "_held",
        "_inflated",
        "_parts",
        "_reader",
        "_scheduled",
        "_size",
        "_steady",
        "_writes",
        "opened",
    )

    def __init__(self, call: FramedCall) -> None:
        self._call = call
        self._reader = call.reader()
        self._parts: list[bytes] = []  # two for each message: prefix and the rest, or all and none
        self._size = 0
        self._writes = 0
        self._scheduled = False
        self._steady = False  # whether `send_all` has nothing to look at but the next message
        self._closed = False
        self._ended = False
        self._failed: Exception | None = None
        self._held: LongMessage | None = None  # received, and not yet an object
        self._inflated = 0  # bytes that were made of compressed ones without a pause
        self.opened = False

    # --- from the peer --------------------------------------------------------------------------

    async def receive(self) -> Any:
        """See `Stream`. Raises: also InvalidRequest, TooLarge and RpcError for what is malformed."""
        call = self._call
        reader = self._reader
        if self._held is not None:
            return await self._receive_held()
        if self._inflated > LIGHT:
            # Little in the buffer may be very much; whoever never waits would let nobody else.
            self._inflated = 0
            await asyncio.sleep(0)
        try:
            while (found := reader.next()) is None:
                if self._ended:
                    raise EndOfStream("the peer sends no more messages")
                # Between messages a peer may pause for as long as it likes, if it has several.
                call.exchange.patient = self.several and not reader.pending
                data = await call.exchange.receive()
                if data:
                    reader.feed(data)
                    continue
                self._ended = True
                if reader.pending:
                    message = "the stream ends in the middle of a message"
                    raise RpcError(Code.INTERNAL, message)
        except EnvelopeError as error:
            self._ended = True
            if error.oversize:
                raise TooLarge(str(error)) from None
            raise RpcError(Code.INTERNAL, str(error)) from None
        call.exchange.patient = True
        flags, data = found
        if flags > COMPRESSED:
            special = call.take_special(flags, data)
            if special is None:
                self._ended = True
                raise EndOfStream("the peer sends no more messages")
            flags, data = flags & COMPRESSED, special
        call.endpoint.received += 1
        if flags or len(data) > LIGHT:
            return await self._receive_long(flags, data)
        return call.unpacked(flags, data)

    async def _receive_long(self, flags: int, data: bytes) -> Any:
        """A message that may take long to become an object."""
        call = self._call
        if flags:
            data = call.opened(data)
            self._inflated += len(data)
        self._held = LongMessage(call.endpoint, data, call.settings)
        return await self._receive_held()

    async def _receive_held(self) -> Any:
        """The message that is here; one who is cancelled meanwhile leaves it to the next."""
        held = self._held
        assert held is not None
        try:
            message = await held.made()
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._held = None
            raise
        self._held = None
        return message

    async def receive_only(self) -> Any:
        """The one message of a peer that has one. Raises: as `receive`, and RpcError for another
        number."""
        try:
            message = await FramedStream.receive(self)
        except EndOfStream:
            raise RpcError(Code.UNIMPLEMENTED, "this method has one request, not none") from None
        try:
            await FramedStream.receive(self)
        except EndOfStream:
            return message
        raise RpcError(Code.UNIMPLEMENTED, "this method has one request, not more")

    # --- to the peer ----------------------------------------------------------------------------

    async def open(self, metadata: Metadata = EMPTY) -> None:
        """See `Stream`. Raises: UsageError when the head was sent."""
        if self.opened:
            raise UsageError("the head of the reply was sent already")
        self._call.initial_metadata.extend(metadata)
        self.send_head()

    @property
    def begun(self) -> bool:
        """Whether anything was sent, be it that it still waits here."""
        return self.opened or bool(self._parts)

    def send_head(self) -> None:
        """The head of the reply, if it was not sent."""
        if not self.opened:
            fields = self._call.head_fields()
            self.opened = True
            self._call.exchange.open(200, fields, dated=self._call.dated)

    async def send(self, message: Any) -> None:
        """See `Stream`. Raises: also TypeError and ValueError for a wrong message."""
        if self._closed or self._failed is not None:
            self._refuse()
        call = self._call
        data = call.packed(message)
        self._parts += (data, b"")
        self._size += len(data)
        if self._size >= _TOGETHER:
            await self._give_way()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush_scheduled)

    async def send_all(self, messages: AsyncIterator[Any]) -> None:
        """Send each of `messages`; a coroutine for every one would cost more than all the rest.

        Raises: as `send`, and what `messages` raises.
        """
        call, endpoint = self._call, self._call.endpoint
        encode, serialize, usual = endpoint.encode, endpoint.serialize, endpoint.usual
        parts = self._parts
        plain, prefix, together = PLAIN, PREFIX, _TOGETHER
        size = 0
        async for message in messages:
            if self._steady:
                try:
                    data = serialize(message) if type(message) is usual else encode(message)
                except Exception:
                    data = encode(message)  # which says what is wrong
                length = len(data)
                try:
                    parts.append(plain[length])
                    # Apart, because joining many costs less than adding two.
                    parts.append(data)
                except IndexError:
                    data = call.sealed(data)
                    length = len(data)
                    parts += (data, b"")
                size += length + prefix
                if size < together:
                    continue
            else:
                data = call.packed(message)
                if self._closed or self._failed is not None:
                    self._refuse()
                if not self._scheduled:
                    size = self._size  # nothing waits, unless it is the peer who makes us wait
                    self._scheduled = True
                    asyncio.get_running_loop().call_soon(self._flush_scheduled)
                self._steady = call.compression is None and type(call).packed is FramedCall.packed
                parts += (data, b"")
                size += len(data)
            if size >= together:
                size = 0
                await self._give_way()

    def _refuse(self) -> None:
        raise self._failed or ClosedError("the stream was closed on our side")

    async def _give_way(self) -> None:
        if not self.flush():
            self._writes = 0
            await self._call.exchange.wait_writable()
            return
        self._writes += 1
        if self._writes >= _BREATH:
            self._writes = 0
            await asyncio.sleep(0)

    def flush(self) -> bool:
        """Write what was gathered; whether there is room for more."""
        self.send_head()
        parts = self._parts
        if not parts:
            return True
        self._call.endpoint.sent += len(parts) >> 1
        data = b"".join(parts) if parts[1] or parts[2:3] else parts[0]
        parts.clear()  # the very list, which `send_all` has at hand
        self._size = 0
        return self._call.exchange.write(data)

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self._steady = False
        if not self._parts:
            return
        try:
            if not self.flush():
                # The next message has to wait, wherever it comes from.
                self._size = _TOGETHER
        except Exception as error:  # told to the next who sends
            self._failed = error

    async def close(self, metadata: Metadata = EMPTY) -> None:
        """See `Stream`. The status follows when the handler has ended."""
        self._call.trailing_metadata.extend(metadata)
        self._closed = True
        self._steady = False

    async def end(self) -> None:
        """Send what is left, and the end of a call that succeeded."""
        self._closed = True
        if self._failed is not None:
            raise self._failed
        self.flush()
        exchange = self._call.exchange
        body, trailers = self._call.end_stream()
        if body:
            exchange.write(body)
        exchange.finish(trailers)


class OneRequestStream(FramedStream):
    """The same for a method that has one request."""

    several = False

    __slots__ = ("_taken",)

    def __init__(self, call: FramedCall) -> None:
        super().__init__(call)
        self._taken = False

    async def receive(self) -> Any:
        """See `Stream`."""
        if self._taken:
            raise EndOfStream("the peer sends no more messages")
        self._taken = True
        return await self.receive_only()


def wire_fields(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[bytes, bytes]]:
    """Metadata as it goes over the wire.

    Raises: UsageError for names and values that cannot be sent.
    """
    fields = []
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str | bytes):
            kinds = f"{type(name).__name__}: {type(value).__name__}"
            raise UsageError(f"metadata is a str, and a str or bytes; {name!r} is {kinds}")
        key, binary = _wire_name(name)
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        if binary:
            raw = encode_binary(raw)
        else:
            if not _PRINTABLE(raw):
                message = (
                    f"metadata {name!r} is not printable ASCII; end its name with -bin, and give "
                    "it bytes"
                )
                raise UsageError(message)
            raw = raw.strip(b" ")
        fields.append((key, raw))
    return fields


@lru_cache(maxsize=256)
def _wire_name(name: str) -> tuple[bytes, bool]:
    """A name of metadata, and whether its values are binary (gRPC over HTTP/2, "Header-Name").

    Raises: UsageError for what is none.
    """
    key = name.lower()
    if key.startswith((":", "grpc-")) or key in _RESERVED:
        raise UsageError(f"metadata cannot be named {name!r}: the protocol uses it")
    if not _NAME(key):
        raise UsageError(f"metadata cannot be named {name!r}: there are letters, digits, - _ and .")
    return key.encode("ascii"), key.endswith("-bin")


_NAME: Final = re.compile(r"[0-9a-z_.-]+").fullmatch
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*").fullmatch
_RESERVED: Final = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "date",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def _listed(value: bytes) -> list[bytes]:
    return [each.strip() for each in value.split(b",")]


def incoming_of(head: Mapping[bytes, bytes], field: bytes) -> str | None:
    """How the peer compresses.

    Raises: RpcError with UNIMPLEMENTED for what nobody here knows.
    """
    value = head.get(field)
    if value is None or value == b"identity":
        return None
    name = value.decode("latin-1")
    if name not in COMPRESSORS:
        raise RpcError(Code.UNIMPLEMENTED, f"{name!r} is no compression that is known here")
    return name
