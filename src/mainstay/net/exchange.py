"""One request and its reply on a connection, whatever the version of HTTP.

This is the seam between those who own connections (`net`) and those who know what a request means
(`http`, `rpc`). A connection makes an `Exchange` when the head of a request is complete, and hands
it to the `Application`; what the application calls on it writes the reply.

Rules for both sides:

* `Application.begin` is called from a protocol callback, where no task is current, and must not
  raise. It usually starts the handler eagerly, so `respond` may be called before it returns.
* Either `respond` once, or `respond_with_trailers`, or `open`, then `send` or `write` any number of
  times, then `finish`. After the reply the connection goes on with what is left of the request: it
  is read and dropped within bounds, or the connection is closed.
* `gone` is called at most once, when the peer leaves or resets before the reply is finished. After
  it every `send` raises PeerGone, and `respond`, `open` and `finish` do nothing.
* Field names and values are bytes; names are lower case; values are checked by the connection for
  CR, LF and NUL before they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from mainstay.core.metadata import Peer
from mainstay.wire.http2_known import KnownHead

__all__ = ["Application", "Exchange", "Fields", "Tunnel"]

Fields: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Header or trailer fields on the wire: lower-case names and values."""


class Exchange:
    """One request and its reply; connections make subclasses.

    Attributes:
        method: ``GET``, …; ``CONNECT`` with `protocol` for a WebSocket over HTTP/2.
        target: path and query as sent, such as ``b"/a%20b?x=1"``.
        fields: of the request; on HTTP/2 without pseudo-fields.
        version: ``1.0``, ``1.1`` or ``2``.
        scheme: ``http`` or ``https``.
        authority: the Host field, or ``:authority``; empty when there was none.
        protocol: ``websocket`` when the peer wants one (RFC 6455 or RFC 8441), else empty.
        peer: who is at the other end.
        length: bytes of the body, as declared; 0 without a body, None when not declared.
        body: the whole body, when it has arrived with the head; else None, and `receive` has it.
        body_limit: bytes of body allowed; the application may change it before the first
            `receive`. A longer one makes `receive` raise.
        gone: called when the peer left; set by the application, with the reason.
        long: see `lasts`.
        known: the head, if the peer has sent the very same before; what is made of it can be kept
            there for the next exchange. Else None.
        patient: whether the peer may pause for as long as it likes in what it sends, as between the
            messages of a stream; else `Limits.body_timeout` holds. For the next `receive`.
    """

    __slots__ = (
        "authority",
        "body",
        "body_limit",
        "fields",
        "gone",
        "length",
        "long",
        "method",
        "patient",
        "peer",
        "protocol",
        "scheme",
        "target",
        "version",
    )

    method: str
    target: bytes
    fields: list[tuple[bytes, bytes]]
    version: str
    scheme: str
    authority: str
    protocol: str
    peer: Peer
    length: int | None
    body: bytes | None
    body_limit: int | None
    gone: Callable[[str], None] | None
    patient: bool
    long: bool
    known: KnownHead | None = None

    async def receive(self) -> bytes:
        """The next bytes of the body, at least one; ``b""`` at its end, and from then on.

        Also when `body` was whole. Reading makes room for the peer to send more.

        Raises: PeerGone if the peer left before the end; TooLarge when it is longer than
        `body_limit`; InvalidRequest when it is malformed; PeerTooSlow when nothing came for
        `Limits.body_timeout`.
        """
        raise NotImplementedError

    def lasts(self) -> None:
        """This is a stream that may stay open for as long as the peer likes: it may stop to take what
        it is sent (over HTTP/2, where others go on), and does not count as one of the calls at work,
        of which there may be `Limits.in_flight`. Idempotent."""
        self.long = True

    def trailers(self) -> Fields:
        """The trailer fields of the request; empty before the end of the body."""
        raise NotImplementedError

    def inform(self, status: int, fields: Fields = ()) -> None:
        """Send an interim reply, such as 103; 100 is sent by itself at the first `receive`."""
        raise NotImplementedError

    def respond(self, status: int, content_type: bytes | None, fields: Fields, body: bytes) -> None:
        """Send a whole reply, with its content-length, in one write.

        Args:
            status: 200 to 599.
            content_type: apart from the others, because heads are kept ready by it.
            fields: the others, without content-length, connection and date.
            body: left out on the wire for HEAD, 204 and 304.
        """
        raise NotImplementedError

    def open(
        self, status: int, fields: Fields, length: int | None = None, *, dated: bool = True
    ) -> None:
        """Send the head of a reply whose body follows.

        Args:
            status: 200 to 599.
            fields: all but content-length and date.
            length: bytes of the body, when it is known.
            dated: whether HTTP/2 adds the date; in gRPC, all fields are the callers' metadata.
        """
        raise NotImplementedError

    def respond_with_trailers(
        self, status: int, fields: Fields, body: bytes, trailers: Fields
    ) -> None:
        """Send a whole reply that ends with trailers, in one write; without content-length and date.

        Without body and trailers the head is all of it: what gRPC calls Trailers-Only.
        """
        raise NotImplementedError

    def write(self, data: bytes) -> bool:
        """Send a part of the body without waiting; whether there is room for more.

        If there is none, `wait_writable` before the next: what does not fit is kept, without bound.
        After the peer has gone it does nothing, and there is no room.
        """
        raise NotImplementedError

    async def wait_writable(self) -> None:
        """Wait until there is room to `write`. Raises: PeerGone, as `send`."""
        raise NotImplementedError

    async def send(self, data: bytes) -> None:
        """Send a part of the body; returns when there is room for more.

        Raises: PeerGone, also when the peer takes nothing for `Limits.write_timeout`.
        """
        raise NotImplementedError

    def finish(self, trailers: Fields = ()) -> None:
        """End the reply."""
        raise NotImplementedError

    def close_after(self) -> None:
        """Let this reply be the last of its connection, where that can be said (HTTP/1.1)."""

    def reset(self) -> None:
        """Break the reply off, so that the peer sees that it is not whole; also after `open`."""
        raise NotImplementedError

    def upgrade(self, fields: Fields = ()) -> Tunnel:
        """Accept a WebSocket (101, or 200 on HTTP/2) with these fields, and take the bytes over.

        Raises: UsageError when the peer did not ask for one.
        """
        raise NotImplementedError


class Tunnel(Protocol):
    """The bytes of a connection, or of an HTTP/2 stream, after `Exchange.upgrade`."""

    def listen(self, receiver: Callable[[bytes], None]) -> None:
        """From now on call `receiver` with what arrives; ``b""`` when the peer has ended."""

    @property
    def writable(self) -> bool:
        """Whether there is room to write; False as well where only `wait_writable` can say."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    async def wait_writable(self) -> None:
        """Wait until there is room to write. Raises: PeerGone."""

    def pause(self) -> None:
        """Let the peer wait: read nothing until `resume`."""

    def resume(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Send what was written, then end it."""


class Application(Protocol):
    """What answers the exchanges of a server."""

    def begin(self, exchange: Exchange) -> None:
        """Answer `exchange`, now or later."""
