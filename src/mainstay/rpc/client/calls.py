"""One call on its stream of HTTP/2: how it starts, what it collects, how it ends.

A call that the server certainly did not look at is sent again, without telling anybody (gRFC A6,
"Transparent Retries"): as often as needed while nothing of it had left, and a few times after the
server refused it, since a server may count a stream that has ended for a moment longer than we do.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from mainstay.errors import Code, Error, RpcError, TooLarge, UsageError
from mainstay.net.client_streams import ClientStream, StreamConnection
from mainstay.rpc.client.core import ChannelCore, Terms
from mainstay.rpc.client.failures import again, failure
from mainstay.rpc.client.outcome import (
    FINE_HEAD,
    is_grpc,
    lost,
    of_code,
    of_reset,
    outcome,
)
from mainstay.rpc.client.pairs import PairTuple, pairs_of
from mainstay.rpc.compression import decompress
from mainstay.rpc.framed import incoming_of
from mainstay.rpc.long_messages import LIGHT
from mainstay.wire.envelopes import COMPRESSED, PLAIN, PREFIX, EnvelopeError, EnvelopeReader
from mainstay.wire.http2 import ErrorCode, ResponseHead

__all__ = ["UnaryCall", "WireCall"]

_FOUND = 200

_SHORT = len(PLAIN)

_EARLY = 0.01
"""Seconds before the end of a call at which a server that cancels it means its end."""


_MOST_REFUSALS = 5
"""Times that a call is begun again which the server refused (RFC 9113 §8.7)."""


class WireCall(ClientStream):
    """What all calls have in common.

    Args:
        core: of the channel.
        terms: of the call.
        data: of the body, to be sent with the head.
        ended: whether that is all.

    Attributes:
        end: loop time at which it gives up by itself, or None.
        over: whether nothing more happens.
        error: why it is over; None while it is not, and after success.
        status, head, trailers: as they came; `trailers` is `head` when the reply was only a head.
    """

    __slots__ = (
        "_core",
        "_refusals",
        "_slot",
        "data",
        "end",
        "ended",
        "error",
        "head",
        "over",
        "status",
        "terms",
        "trailers",
        "wait_for_ready",
    )

    def __init__(self, core: ChannelCore, terms: Terms, data: bytes, ended: bool) -> None:
        # Not by super(): this is done for every call.
        self.connection = None
        self.number = 0
        self.pending = None
        self.sent = False
        self._core = core
        self.terms = terms
        self.data = data
        self.end: float | None = None  # by its terms, when it begins
        self.ended = ended
        self.wait_for_ready = terms.wait_for_ready
        self.over = False
        self.error: Exception | None = None
        self.status = 0
        self.head: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self._refusals = 0
        self._slot: dict[Any, None] | None = None  # of the wheel

    def begin(self) -> None:
        """Start, now or when there is a connection. Raises: UsageError for what cannot be sent."""
        end = self.end
        core = self._core
        if end is not None:
            self._slot = slot = core.wheel.slot(end)
            slot[self] = None
        try:
            core.connector.begin(self)
        except ValueError as error:
            self.cancel()
            raise UsageError(f"{self.terms.method.name} cannot be called: {error}") from None

    def start(self, connection: StreamConnection) -> bool:
        """See `Starter`."""
        core = self._core
        terms = self.terms
        return connection.open(
            self,
            core.scheme,
            core.authority,
            terms.method.path,
            terms.fields,
            self.data,
            self.ended,
        )

    def cancel(self) -> None:
        """Nobody wants it any more. Idempotent."""
        if not self.over:
            name = self.terms.method.name
            error = failure(Code.CANCELLED, "the call was cancelled", method=name)
            error.ours = True
            self.break_off(error)

    def drop(self) -> None:
        """The same from anywhere: another thread, or the collector."""
        loop = self._core.loop
        if not loop.is_closed():
            loop.call_soon_threadsafe(self.cancel)

    def fire(self) -> None:
        """Its time is over; for the wheel."""
        if not self.over:
            self.break_off(self._late())

    def _late(self) -> Exception:
        message = f"no answer within {max(self.terms.allowed, 0):.3g} s"
        return failure(Code.DEADLINE_EXCEEDED, message, method=self.terms.method.name)

    def break_off(self, error: Exception) -> None:
        """End it from our side."""
        connection = self.connection
        if connection is not None:
            connection.cancel(self)
        self.error = error
        self.finish()

    def finish(self) -> None:
        """It is over; `error` and `trailers` say how."""
        self.over = True
        slot, self._slot = self._slot, None  # it knows us: a cycle that the collector would find
        if slot is not None:
            slot.pop(self, None)

    # --- what comes -----------------------------------------------------------------------------

    def on_head(self, event: ResponseHead) -> None:
        """See `ClientStream`."""
        self.status = event.status
        self.head = event.fields
        if event.ended:
            self.trailers = event.fields
            self.finish()
        elif event.oversize:
            limits = self._core.limits
            message = (
                f"the head of the reply is longer than {limits.head_size} bytes, or has more than "
                f"{limits.header_count} fields"
            )
            name = self.terms.method.name
            self.break_off(failure(Code.RESOURCE_EXHAUSTED, message, method=name))
        elif event.status != _FOUND or (event.fields != FINE_HEAD and not is_grpc(event.fields)):
            # Whatever the body is, it is none of messages.
            name = self.terms.method.name
            self.break_off(outcome(name, event.status, event.fields, None) or AssertionError())

    def on_reply(
        self, head: list[tuple[bytes, bytes]], data: bytes, end: list[tuple[bytes, bytes]]
    ) -> None:
        """See `ClientStream`. What ends the call by its head or its body is the last to be told."""
        self.on_head(ResponseHead(self.number, _FOUND, head, False))
        if not self.over:
            self.on_data(data, False)
        if not self.over:
            self.on_trailers(end)

    def on_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        """See `ClientStream`."""
        self.trailers = fields
        self.finish()

    def on_reset(self, code: int) -> None:
        """See `ClientStream`."""
        if self.over:
            return
        if (
            code == ErrorCode.REFUSED_STREAM
            and self._refusals < _MOST_REFUSALS
            and self.can_start_again()
        ):
            self._refusals += 1
            self._again()
            return
        end = self.end
        if code == ErrorCode.CANCEL and end is not None and self._core.loop.time() > end - _EARLY:
            # The server counts as well, and may be first; our own timer is a coarse one.
            self.error = self._late()
        else:
            self.error = of_reset(self.terms.method.name, code)
        self.finish()

    def on_lost(self, error: Error, *, untouched: bool) -> None:
        """See `ClientStream`."""
        if self.over:
            return
        if untouched and self.can_start_again():
            self._again()
            return
        self.error = lost(self.terms.method.name, error)
        self.finish()

    def can_start_again(self) -> bool:
        """Whether what was sent can be sent once more."""
        return not self.head

    def _again(self) -> None:
        self.connection = None
        self.pending = None
        self.sent = False
        # Not at once: the connection that tells of it is still in the middle of that.
        self._core.loop.call_soon(self._begin_again)

    def _begin_again(self) -> None:
        if not self.over:
            try:
                self._core.connector.begin(self)
            except ValueError as error:
                self.break_off(UsageError(f"{self.terms.method.name} cannot be called: {error}"))

    # --- for who asked --------------------------------------------------------------------------

    @property
    def initial_metadata(self) -> PairTuple:
        """What came with the head."""
        return () if self.trailers is self.head else pairs_of(self.head)

    @property
    def trailing_metadata(self) -> PairTuple:
        """What came with the status."""
        return pairs_of(self.trailers or ())

    def decode(self, flags: int, data: bytes) -> Any:
        """A message out of its envelope. Raises: RpcFailed."""
        method = self.terms.method
        if flags & COMPRESSED:
            try:
                how = incoming_of(dict(self.head), b"grpc-encoding")
                if how is None:
                    raise RpcError(Code.INTERNAL, "a message is compressed, and nobody said how")
                data = decompress(how, data, self._core.limits.receive_size)
            except (RpcError, TooLarge) as error:
                if error.code is Code.UNIMPLEMENTED:  # the server's fault here (statuscodes.md)
                    error = RpcError(Code.INTERNAL, error.message)
                raise of_code(method.name, error) from None
        try:
            if len(data) > LIGHT and method.weigh is not None:
                return method.weigh(data, self._core.limits.receive_elements)[1]()
            return method.decode(data)
        except TooLarge as error:
            raise of_code(method.name, error) from None
        except Exception as error:
            raise self._undecoded(error) from error

    def _undecoded(self, error: Exception) -> Exception:
        message = f"the reply cannot be decoded: {error}"
        return failure(Code.INTERNAL, message, method=self.terms.method.name)

    def too_long(self, error: EnvelopeError) -> Exception:
        """The failure for an envelope that is none, or too long."""
        code = Code.RESOURCE_EXHAUSTED if error.oversize else Code.INTERNAL
        return failure(code, str(error), method=self.terms.method.name)


class UnaryCall(WireCall):
    """One request, one reply.

    Attributes:
        future: done when it is over; it has no result.
    """

    __slots__ = ("_body", "_whole", "future")

    def __init__(self, core: ChannelCore, terms: Terms, data: bytes, end: float | None) -> None:
        # As `WireCall` does it, but in one call.
        self.connection = None
        self.number = 0
        self.pending = None
        self.sent = False
        self._core = core
        self.terms = terms
        self.data = data
        self.end = end
        self.ended = True
        self.wait_for_ready = terms.wait_for_ready
        self.over = False
        self.error = None
        self.status = 0
        self.head = []
        self.trailers = None
        self._refusals = 0
        self._slot = None
        self.future: asyncio.Future[None] = core.loop.create_future()
        self._body: bytes | bytearray = b""
        self._whole = False  # whether that is one message, neither compressed nor long

    def finish(self) -> None:
        """See `WireCall`."""
        self.over = True
        slot, self._slot = self._slot, None  # it knows us: a cycle that the collector would find
        if slot is not None:
            slot.pop(self, None)
        if not self.future.done():
            self.future.set_result(None)

    def on_data(self, data: bytes, ended: bool) -> None:
        """See `ClientStream`."""
        if data:
            connection = self.connection
            assert connection is not None
            connection.credit(self, len(data))
            size = len(data) - PREFIX
            if (
                0 <= size < _SHORT
                and not self._body
                and data.startswith(PLAIN[size])
                and size <= self._core.limits.receive_size
            ):  # as nearly all come: whole, and not compressed
                self._body = data
                self._whole = True
            else:
                self._gather(data)
        if ended and not self.over:
            self.finish()

    def on_reply(
        self, head: list[tuple[bytes, bytes]], data: bytes, end: list[tuple[bytes, bytes]]
    ) -> None:
        """See `ClientStream`."""
        size = len(data) - PREFIX
        fine = self._core.fine
        if (
            (head is fine[0] and end is fine[1])
            and 0 <= size < _SHORT
            and data.startswith(PLAIN[size])
            and size <= self._core.limits.receive_size
        ):
            self.status = _FOUND
            self.head = head
            self.trailers = end
            self._body = data
            self._whole = True
            # As `finish`.
            self.over = True
            slot, self._slot = self._slot, None
            if slot is not None:
                slot.pop(self, None)
            if not self.future.done():
                self.future.set_result(None)
            return
        super().on_reply(head, data, end)
        if self.error is None and self.failed() is None:
            self._core.fine = head, end

    def _gather(self, data: bytes) -> None:
        """Any part of a reply came: put it to what is there, and look at its prefix."""
        body = self._body
        if not body:
            self._body = body = data
        else:
            if isinstance(body, bytes):
                self._body = body = bytearray(body)
            body += data
        length = len(body)
        if length >= PREFIX:
            size = int.from_bytes(body[1:PREFIX], "big")
            whole = length == size + PREFIX
            self._whole = whole and not body[0] and size <= LIGHT
            if not whole or size > self._core.limits.receive_size:
                self._check(size, length)

    def _check(self, size: int, length: int) -> None:
        most = self._core.limits.receive_size
        if size > most:
            message = f"a message of {size} bytes is longer than the {most} allowed here"
            self._break(Code.RESOURCE_EXHAUSTED, message)
        elif length > size + PREFIX:
            self._break(Code.UNIMPLEMENTED, "a unary call has one reply, not more")

    def _break(self, code: Code, message: str) -> None:
        self.break_off(failure(code, message, method=self.terms.method.name))

    def failed(self) -> Exception | None:
        """Why there is no reply; None when there is one, and before the end."""
        if self.error is not None or not self.over:
            return self.error
        return outcome(self.terms.method.name, self.status, self.head, self.trailers)

    def result(self) -> Any:
        """The reply. Raises: RpcFailed, or what ended the call."""
        if self.error is not None or (self.head, self.trailers) != self._core.fine:
            error = self.failed()
            if error is not None:
                raise again(error)
        body = self._body
        if not self._whole:
            return self._result_of(bytes(body))
        try:
            return self.terms.method.decode(bytes(body[PREFIX:]))
        except Exception as error:
            raise self._undecoded(error) from error

    def _result_of(self, body: bytes) -> Any:
        name = self.terms.method.name
        reader = EnvelopeReader(self._core.limits.receive_size)
        reader.feed(body)
        try:
            found = reader.next()
        except EnvelopeError as error:
            raise self.too_long(error) from None
        if found is None and not body:
            raise failure(Code.UNIMPLEMENTED, "a unary call has one reply, not none", method=name)
        if found is None:
            message = "the reply ends in the middle of a message"
            raise failure(Code.INTERNAL, message, method=name)
        return self.decode(*found)
