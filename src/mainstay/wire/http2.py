"""HTTP/2 without I/O (RFC 9113): what an engine is asked, and what it tells.

An engine holds the state of one connection: frames, header compression, streams, windows. It is fed
bytes and answers with events; what it is told to send it keeps until `take`. It is synchronous, for
one thread, and serves either end. There are two: `http2_httpunk`, which is fast, and
`http2_reference`, in Python, which needs no wheel and is what the fast one is compared with.

Rules that both keep, and whoever drives them:

* A violation by the peer of one stream resets that stream; if it was known, a `Reset` tells so.
* A violation of the connection is the last event, `Broken`: GOAWAY is ready to be taken, and then
  nothing is left but to close. What came before it in the same bytes may be lost.
* What is told to a stream that is closed by then is dropped: the driver and the peer cannot know
  of each other's last frames.
* Bytes of a body count against the windows until `credit` returns them. Padding and what nobody
  will read are returned at once.
* An engine does not count floods and does not know the time: `http2_guard` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol, TypeAlias

from mainstay.wire.http2_known import Found, KnownHeads
from mainstay.wire.http2_replies import KnownReplies

__all__ = [
    "CONNECTION_FIELDS",
    "PREFACE",
    "Broken",
    "Data",
    "ErrorCode",
    "Event",
    "Fields",
    "Goaway",
    "Http2Engine",
    "Http2Settings",
    "Pong",
    "RequestHead",
    "Reset",
    "ResponseHead",
    "Trailers",
    "Writable",
]

Fields: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values."""

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first (RFC 9113 §3.4)."""

CONNECTION_FIELDS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""Fields about an HTTP/1.1 connection, which no message over HTTP/2 has (RFC 9113 §8.2.2)."""


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (RFC 9113 §7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Settings:
    """What one end allows the other. Sizes are bytes.

    Attributes:
        streams: that the peer may have open at once; for a server.
        stream_window: of a body, received and not credited; at least 65,535.
        connection_window: of all bodies together; at least 65,535.
        head_size: of the decoded fields of a message, 32 more for each (RFC 9113 §6.5.2); a longer
            head is told with `oversize`.
        header_count: fields of a message; more are told with `oversize`.
        extended_connect: whether a server takes WebSockets (RFC 8441).
        together: whether a server may be told of a body with its head, see `RequestHead.body`; not
            every engine does.
    """

    streams: int = 250
    stream_window: int = 65_536
    connection_window: int = 1 << 20
    head_size: int = 32 * 1024
    header_count: int = 100
    extended_connect: bool = True
    together: bool = False


class RequestHead:
    """A request begins; to a server.

    Attributes:
        stream: its number.
        method, target, scheme, authority: of the pseudo-fields; the Host field stands in for
            ``:authority``. The target is ASCII without blanks.
        protocol: of an extended CONNECT, else empty.
        fields: the others; several ``cookie`` fields are one (RFC 9113 §8.2.3).
        length: as declared, or None.
        ended: whether there is no body.
        oversize: it is longer than allowed, and not whole: answer 431.
        body: all of it, if it came in the same bytes and `Http2Settings.together` is set; then no
            `Data` follows. Else None.
    """

    __slots__ = (
        "authority",
        "body",
        "ended",
        "fields",
        "length",
        "method",
        "oversize",
        "protocol",
        "scheme",
        "stream",
        "target",
    )

    def __init__(
        self,
        stream: int,
        method: str,
        target: bytes,
        scheme: str,
        authority: str,
        protocol: str,
        fields: list[tuple[bytes, bytes]],
        length: int | None,
        ended: bool,
        oversize: bool,
    ) -> None:
        self.stream = stream
        self.method = method
        self.target = target
        self.scheme = scheme
        self.authority = authority
        self.protocol = protocol
        self.fields = fields
        self.length = length
        self.ended = ended
        self.oversize = oversize
        self.body: bytes | None = None


@dataclass(slots=True)
class ResponseHead:
    """A response begins; to a client. Interim responses are not told."""

    stream: int
    status: int
    fields: list[tuple[bytes, bytes]]
    ended: bool
    oversize: bool = False


class Data:
    """Bytes of a body came; `ended`: they are its last. `credit` their number when they are read.

    A body may end without bytes.
    """

    __slots__ = ("data", "ended", "stream")

    def __init__(self, stream: int, data: bytes, ended: bool) -> None:
        self.stream = stream
        self.data = data
        self.ended = ended


@dataclass(slots=True)
class Trailers:
    """A body ended with these fields."""

    stream: int
    fields: list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Reset:
    """A stream is over before its end: the peer reset it, or (`ours`) broke the protocol on it."""

    stream: int
    code: int
    ours: bool = False


@dataclass(slots=True)
class Writable:
    """A window grew: of a stream, or (0) of the connection; what waited may be sent now."""

    stream: int


@dataclass(slots=True)
class Pong:
    """The answer to `Http2Engine.ping`."""

    payload: bytes


@dataclass(slots=True)
class Goaway:
    """The peer leaves. Our streams above `last` were not looked at, and each gets a `Reset`."""

    last: int
    code: int


@dataclass(slots=True)
class Broken:
    """The peer broke the protocol, and the connection is over."""

    code: int
    message: str


Event: TypeAlias = (
    RequestHead | ResponseHead | Data | Trailers | Reset | Writable | Pong | Goaway | Broken | Found
)


class Http2Engine(Protocol):
    """One HTTP/2 connection.

    Attributes:
        known: heads that need not be decoded, see `receive_known`; None where there is no such thing.
        replies: as a client, replies that need not be decoded; None where there is no such thing. Where
            it is not, `receive` takes the bodies that a `ReplyGuard` has found as well.
    """

    known: KnownHeads | None
    replies: KnownReplies | None

    def begin(self) -> None:
        """Get ready what opens the connection: the preface of a client, and the settings."""

    def receive(self, data: bytes) -> list[Event]:
        """What `data`, any piece of what the peer sends, means. Never raises for what is in it."""

    def receive_known(self, data: bytes, found: dict[int, Found]) -> list[Event]:
        """The same with the requests in it that a `FrameGuard` has found by `known`; those of them
        that may begin are events as they are. Only where there is a `known`."""

    def request(
        self, method: str, scheme: str, authority: str, target: str, fields: Fields, ended: bool
    ) -> int | None:
        """As a client, begin a request. The stream's number; None if the peer allows no more now.

        Raises: ValueError for fields that cannot be sent.
        """

    def request_whole(
        self,
        method: str,
        scheme: str,
        authority: str,
        target: str,
        fields: Fields,
        data: bytes,
        ended: bool,
    ) -> tuple[int, int] | None:
        """The same with the first bytes of the body, the last ones if `ended`: the stream's number,
        and how many of the bytes went; for the rest see `send`."""

    def respond(self, stream: int, status: int, fields: Fields, ended: bool) -> None:
        """As a server, begin the response. Raises: ValueError for fields that cannot be sent."""

    def respond_whole(
        self, stream: int, status: int, fields: Fields, body: bytes, trailers: Fields
    ) -> int:
        """As a server, send head, body and trailers at once; how many bytes of the body went.

        If not all did, the trailers did not go either: `send` the rest, then them. Raises:
        ValueError as `respond`; then nothing, or only the head, has gone.
        """

    def inform(self, stream: int, status: int, fields: Fields) -> None:
        """As a server, send an interim response. Raises: ValueError as `respond`."""

    def send(self, stream: int, data: bytes, start: int, ended: bool) -> int:
        """Send ``data[start:]``, the last of the body if `ended`; how many bytes of it went.

        The rest waits for windows, or for its turn, which comes after the next `take` at the
        latest: call again after `Writable` and after `take`. Without bytes and with `ended` it ends
        the body at once.
        """

    def window(self, stream: int) -> int:
        """Bytes of a body that the peer takes now on this stream, or (0) on all together."""

    def send_trailers(self, stream: int, fields: Fields) -> None:
        """End the body with these fields. Raises: ValueError as `respond`."""

    def reset(self, stream: int, code: int) -> None:
        """Break a stream off; nothing of it is told any more."""

    def credit(self, stream: int, size: int) -> None:
        """`size` bytes of the body were read: the peer may send as many more."""

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life; 8 bytes."""

    def drain(self) -> None:
        """As a server, tell the peer to open no streams; those on their way are taken.

        GOAWAY names no last stream yet; once the peer shows that it knows, or with `drain_now`, a
        second GOAWAY does (RFC 9113 §6.8).
        """

    def drain_now(self) -> None:
        """Say the last stream now, and take no others."""

    def fail(self, code: int) -> None:
        """End the connection for this reason: GOAWAY, and nothing after it."""

    def take(self) -> bytes:
        """What is to be written now; it counts as written."""

    @property
    def drained(self) -> bool:
        """Whether the last stream has been said: nothing new will come."""
