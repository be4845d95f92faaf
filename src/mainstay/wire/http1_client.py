"""HTTP/1.1 as a client sees it, without I/O (RFC 9112): requests out, replies in.

The head of a reply is cut out here, bounded, and given to llhttp (by `httptools`), which is strict
about every byte of it; so are chunks. What the framing of the body is (RFC 9112 §6.3) is decided
here, because llhttp knows nothing of the request: a reply to HEAD has a length and no body.

Refused, since two readers may understand them differently: a reply with both lengths, with a coding
other than chunked, with chunks in HTTP/1.0, with bare line feeds or folded fields, and a 101 that
nobody asked for. Interim replies (1xx) are passed over, a bounded number of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias

import httptools

__all__ = [
    "INTERIM_REPLIES",
    "LAST_CHUNK",
    "ReplyEnd",
    "ReplyError",
    "ReplyEvent",
    "ReplyHead",
    "ReplyReader",
    "chunk",
    "request_head",
]

INTERIM_REPLIES: Final = 16
"""Interim replies (1xx) to one request; more are an error."""

LAST_CHUNK: Final = b"0\r\n\r\n"

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(rb"[\x21-\x7e]+")
_BAD_VALUE: Final = re.compile(rb"[\0\r\n]")
_END: Final = b"\r\n\r\n"
_START: Final = b"HTTP/1."
_INTERIM: Final = range(100, 200)
_STATUSES: Final = range(100, 600)
_SUCCESS: Final = range(200, 300)
_SWITCHING: Final = 101
_BODILESS: Final = (204, 304)


class ReplyError(Exception):
    """The server sent what cannot be understood, or more than it may. The connection is over."""


@dataclass(slots=True)
class ReplyHead:
    """A reply begins.

    Attributes:
        status: 200 to 599.
        fields: lower-case names and values.
        version: ``1.0`` or ``1.1``.
    """

    status: int
    fields: list[tuple[bytes, bytes]]
    version: str


@dataclass(slots=True)
class ReplyEnd:
    """The reply is whole; with the trailer fields."""

    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)


ReplyEvent: TypeAlias = "ReplyHead | ReplyEnd | bytes"


class _State(Enum):
    IDLE = auto()
    """No reply is expected."""
    HEAD = auto()
    LENGTH = auto()
    CHUNKS = auto()
    TO_THE_END = auto()
    """The body ends with the connection."""


class ReplyReader:
    """Reads the replies on one connection, one after the other.

    Args:
        head_size: bytes of a head, and of the trailers, at most.
        header_count: fields of a head, and of the trailers, at most.

    Attributes:
        reusable: after a `ReplyEnd`: whether the connection may carry another request.
        started: whether a byte came since `expect`.
    """

    __slots__ = (
        "_buffer",
        "_head_size",
        "_header_count",
        "_interim",
        "_left",
        "_method",
        "_parser",
        "_sink",
        "_state",
        "reusable",
        "started",
    )

    def __init__(self, *, head_size: int, header_count: int) -> None:
        self._head_size = head_size
        self._header_count = header_count
        self._state = _State.IDLE
        self._method = ""
        self._buffer = b""
        self._left = 0
        self._interim = 0
        self._sink = _Sink(0, 0)
        self._parser: httptools.HttpResponseParser | None = None
        self.reusable = True
        self.started = False

    def expect(self, method: str) -> None:
        """A request of this method was sent, and its reply comes next."""
        self._state = _State.HEAD
        self._method = method
        self._buffer = b""
        self._interim = 0
        self.started = False

    def receive(self, data: bytes) -> list[ReplyEvent]:
        """What `data`, any piece of what the server sends, means.

        Raises: ReplyError.
        """
        self.started = True
        events: list[ReplyEvent] = []
        while data and self._state is _State.HEAD:
            data = self._receive_head(data, events)
        if not data:
            return events
        if self._state is _State.LENGTH:
            self._receive_counted(data, events)
        elif self._state is _State.CHUNKS:
            self._receive_chunks(data, events)
        elif self._state is _State.TO_THE_END:
            events.append(data)
        else:
            self._receive_excess(events)
        return events

    def receive_eof(self) -> list[ReplyEvent]:
        """The server ended the connection, properly.

        Raises: ReplyError when a reply was not whole.
        """
        self.reusable = False
        if self._state is _State.TO_THE_END:
            self._state = _State.IDLE
            return [ReplyEnd()]
        if self._state is _State.IDLE:
            return []
        raise ReplyError("the connection was closed before the reply was whole")

    def _receive_head(self, data: bytes, events: list[ReplyEvent]) -> bytes:
        seen = len(self._buffer)
        buffer = self._buffer + data if seen else data
        if not _START.startswith(buffer[: len(_START)]):
            raise ReplyError(f"it does not speak HTTP/1.1: its reply begins with {buffer[:16]!r}")
        end = buffer.find(_END, max(0, seen - 3))
        if max(end, len(buffer) if end < 0 else 0) > self._head_size:
            raise ReplyError(f"the head of the reply is longer than {self._head_size} bytes")
        if end < 0:
            if b"\n\n" in buffer:
                raise ReplyError("the lines of its reply end with LF instead of CRLF")
            self._buffer = buffer
            return b""
        self._buffer = b""
        head = self._parse_head(buffer[: end + len(_END)])
        if head.status in _INTERIM:
            self._interim += 1
            if head.status == _SWITCHING or self._interim > INTERIM_REPLIES:
                raise ReplyError(f"it sent a {head.status} that nobody asked for")
        else:
            events.append(head)
            self._begin_body(head, events)
        return buffer[end + len(_END) :]

    def _parse_head(self, block: bytes) -> ReplyHead:
        self._sink = sink = _Sink(self._head_size, self._header_count)
        self._parser = parser = httptools.HttpResponseParser(sink)
        try:
            parser.feed_data(block)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            raise _refused(error) from None
        version = parser.get_http_version()
        status = parser.get_status_code()
        if version not in ("1.0", "1.1") or status not in _STATUSES:
            raise ReplyError(f"its reply has the status {status} and the version {version}")
        fields, sink.fields = sink.fields, []
        sink.parts.clear()
        sink.ended = False
        return ReplyHead(status, fields, version)

    def _begin_body(self, head: ReplyHead, events: list[ReplyEvent]) -> None:
        """RFC 9112 §6.3, and §9.3 about what follows."""
        options = _tokens(head.fields, b"connection")
        self.reusable = b"close" not in options and (
            head.version == "1.1" or b"keep-alive" in options
        )
        codings = _tokens(head.fields, b"transfer-encoding")
        lengths = [value for name, value in head.fields if name == b"content-length"]
        if codings and (codings != [b"chunked"] or lengths or head.version == "1.0"):
            raise ReplyError("it says the length of its reply in a way that is not safe to read")
        if lengths and not (len(lengths) == 1 and lengths[0].isdigit()):
            raise ReplyError("its reply has a content-length that is no number")
        tunnel = self._method == "CONNECT" and head.status in _SUCCESS
        if self._method == "HEAD" or head.status in _BODILESS or tunnel:
            self._finish(events)
        elif codings:
            self._state = _State.CHUNKS
        elif not lengths:
            self._state = _State.TO_THE_END
            self.reusable = False
        elif int(lengths[0]):
            self._left = int(lengths[0])
            self._state = _State.LENGTH
        else:
            self._finish(events)

    def _receive_counted(self, data: bytes, events: list[ReplyEvent]) -> None:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            events.append(data)
            return
        events.append(data[: self._left] if left else data)
        self._finish(events)
        if left:
            self._receive_excess(events)

    def _receive_chunks(self, data: bytes, events: list[ReplyEvent]) -> None:
        sink = self._sink
        failed: ReplyError | None = None
        try:
            assert self._parser is not None
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            failed = _refused(error)
        events += sink.parts
        sink.parts.clear()
        if sink.ended:
            # What follows is a fault of the next reply, not of this one, which is whole.
            self._finish(events, sink.fields)
            self.reusable = self.reusable and failed is None and not sink.excess
        elif failed is not None:
            raise failed

    def _finish(
        self, events: list[ReplyEvent], trailers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        self._state = _State.IDLE
        self._parser = None
        events.append(ReplyEnd(list(trailers)))

    def _receive_excess(self, events: list[ReplyEvent]) -> None:
        self.reusable = False
        if not events:
            raise ReplyError("it sent something that nobody asked for")


class _Sink:
    """What llhttp finds."""

    __slots__ = ("_left", "_size", "ended", "excess", "fields", "parts")

    def __init__(self, head_size: int, header_count: int) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.ended = False
        self.excess = False
        self._size = head_size
        self._left = header_count

    def on_message_begin(self) -> None:
        self.excess = self.ended

    def on_header(self, name: bytes, value: bytes) -> None:
        self._left -= 1
        self._size -= len(name) + len(value)
        if self._left < 0 or self._size < 0:
            raise ReplyError("its reply has more fields than allowed")
        self.fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        # Trailers may have as many again.
        self._left += len(self.fields)
        self._size += sum(len(name) + len(value) for name, value in self.fields)

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.ended = True


def _refused(error: httptools.HttpParserError) -> ReplyError:
    if isinstance(error.__context__, ReplyError):
        return error.__context__
    return ReplyError(f"its reply is malformed: {error}")


def _tokens(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The members of a field that is a list, in lower case."""
    values = [value for key, value in fields if key == name]
    if not values:
        return []
    return [part for each in b",".join(values).lower().split(b",") if (part := each.strip(b" \t"))]


def request_head(method: str, target: str, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The request line and the fields, with the empty line after them.

    Raises: ValueError for what would end its line, which is how requests are smuggled.
    """
    first, second = method.encode("latin-1", "replace"), target.encode("latin-1", "replace")
    if not _TOKEN.fullmatch(first):
        raise ValueError(f"{method!r} is no method")
    if not _TARGET.fullmatch(second):
        raise ValueError(f"{target!r} is no request target")
    lines = [b"%b %b HTTP/1.1\r\n" % (first, second)]
    for name, value in fields:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a field")
        if _BAD_VALUE.search(value):
            raise ValueError(f"the value of {name!r} has a line break or NUL in it")
        lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(b"\r\n")
    return b"".join(lines)


def chunk(data: bytes) -> bytes:
    """One chunk; `data` is not empty, since an empty one ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
