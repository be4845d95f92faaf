"""A client that sends bytes as they are, and reads replies as strictly as RFC 9112 has them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

__all__ = ["Client", "Reply", "parse_replies"]

PATIENCE: Final = 60.0
"""Seconds that a server has for anything."""

STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [^\r\n\x00]*")
FIELD_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*)")


@dataclass(frozen=True)
class Reply:
    """One reply, whole.

    Attributes:
        status: of the status line.
        fields: the last of each name, in lower case.
        body: without its framing.
        to_the_end: whether only the end of the connection ended it.
    """

    status: int
    fields: Mapping[bytes, bytes]
    body: bytes
    to_the_end: bool = False


class Malformed(AssertionError):
    """The server's reply is no HTTP."""


class Client:
    """One connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.received = b""
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        """Send each part in a packet of its own; a server that has had enough may close, and what it
        has said before can still be read."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for part in parts:
                self.socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            return

    def replies(self, heads: Sequence[bool], *, interim: bool = False) -> list[Reply]:
        """Read as many replies as `heads` has entries, each telling whether HEAD was asked for."""
        while True:
            found, _ = parse_replies(self.received, heads, ended=self.ended, interim=interim)
            if len(found) == len(heads) or self.ended:
                return found
            self._read()

    def wait_closed(self) -> bytes:
        """Read until the server closes, and return all that it ever sent."""
        while not self.ended:
            self._read()
        return self.received

    def is_open(self, seconds: float = 0.05) -> bool:
        """Whether the server has not closed it by now, and has nothing more to say."""
        self.socket.settimeout(seconds)
        try:
            return not self.ended and self.socket.recv(1) == b"never"
        except TimeoutError:
            return True
        except ConnectionResetError:
            return False
        finally:
            self.socket.settimeout(PATIENCE)

    def _read(self) -> None:
        try:
            part = self.socket.recv(65536)
        except ConnectionResetError:
            part = b""
        self.received += part
        self.ended = not part


def parse_replies(
    data: bytes, heads: Iterable[bool], *, ended: bool, interim: bool = False
) -> tuple[list[Reply], bytes]:
    """The replies that are whole, and what is left; those of 1xx only if `interim`."""
    found: list[Reply] = []
    for head in heads:
        while True:
            parsed = parse_reply(data, head=head, ended=ended)
            if parsed is None:
                return found, data
            reply, data = parsed
            if reply.status >= 200 or interim:
                found.append(reply)
                break
    return found, data


def parse_reply(data: bytes, *, head: bool, ended: bool) -> tuple[Reply, bytes] | None:
    """The first reply, and what follows; None when it is not whole."""
    top, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    line, *lines = top.split(b"\r\n")
    matched = STATUS_LINE.fullmatch(line)
    if matched is None:
        raise Malformed(f"status line {line!r}")
    fields: dict[bytes, bytes] = {}
    for each in lines:
        field = FIELD_LINE.fullmatch(each)
        if field is None:
            raise Malformed(f"field line {each!r}")
        name = field[1].lower()
        if name in (b"content-length", b"transfer-encoding") and name in fields:
            raise Malformed(f"two of {name!r}")
        fields[name] = field[2].rstrip()
    status = int(matched[1])
    framed = b"content-length" in fields, b"transfer-encoding" in fields
    if all(framed):
        raise Malformed("both lengths")
    if status < 200 or status == 204:
        if any(framed):
            raise Malformed(f"a length with {status}")
        return Reply(status, fields, b""), rest
    if head or status == 304:
        return Reply(status, fields, b""), rest
    if framed[1]:
        body = parse_chunks(rest)
        return None if body is None else (Reply(status, fields, body[0]), body[1])
    if framed[0]:
        size = int(fields[b"content-length"])
        return (Reply(status, fields, rest[:size]), rest[size:]) if len(rest) >= size else None
    return (Reply(status, fields, rest, to_the_end=True), b"") if ended else None


def parse_chunks(data: bytes) -> tuple[bytes, bytes] | None:
    """A body in chunks without trailers, and what follows it; None when it is not whole."""
    body = b""
    while True:
        line, found, data = data.partition(b"\r\n")
        if not found:
            return None
        size = int(line, 16)
        if len(data) < size + 2:
            return None
        if data[size : size + 2] != b"\r\n":
            raise Malformed(f"chunk of {size}")
        body += data[:size]
        data = data[size + 2 :]
        if size == 0:
            return body, data
