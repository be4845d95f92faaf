"""HTTP/1.1 requests: from bytes to heads and bodies (RFC 9112).

`HeadParser` finds the end of a head itself, so that what follows never depends on how lenient the
parser is, and refuses whatever two implementations might read differently, because that is what
request smuggling is made of: bare CR and LF, both Content-Length and Transfer-Encoding, a second
Host, and everything the engine refuses (obs-fold, space before a colon, signs in numbers, codings
other than one final ``chunked``).

The engine is hyper's parser, by way of httpunk's private sans-I/O module; this file has every use of
it for HTTP/1.1. Why: `docs/decisions/034-http1-engine.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, overload

from httpunk._httpunk import H1Codec, H1RequestHead, HeaderMap, HTTPunkError

from mainstay.wire.authority import HOST
from mainstay.wire.errors import WireError

__all__ = [
    "BodyReader",
    "BytesReader",
    "ChunkedReader",
    "HeadParser",
    "HeaderMap",
    "PackedFields",
    "RequestHead",
    "fields_of",
]

_END: Final = b"\r\n\r\n"
_LEAST_BUFFER: Final = 8192
"""Bytes; the engine takes no smaller bound for its own buffer."""
_LONGEST_METHOD: Final = 32
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} ")
_AROUND_TARGET: Final = 64
"""Bytes of a request line beside its target."""
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)+")
_CONTENT_LENGTH: Final = re.compile(rb"\ncontent-length:", re.IGNORECASE)
_VERSION: Final = re.compile(rb" HTTP/([0-9]\.[0-9])$")
_KNOWN: Final = 256
"""Blocks of fields that are remembered, of at most `_MOST_KNOWN` bytes each. Most clients send the
same fields with every request of a connection, which is what HPACK lives on; a block that was
accepted once means the same again, and looking it up costs a third of parsing it."""
_MOST_KNOWN: Final = 1024
_METHODS: Final = {
    method.encode(): method
    for method in ("GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH")
}
_IN_TARGET: Final = bytes(byte for byte in range(0x21, 0x7F) if chr(byte) not in '#<>`"')
"""Bytes that the engine takes anywhere in a target, and as they are."""
_HOSTS: Final = 1000
"""Checked values of Host that are remembered; nearly all requests of a server have the same."""


RequestHead: TypeAlias = tuple[str, bytes, str, str, int | None, bool, bool, bool, HeaderMap]
"""One request line and its fields; a plain tuple, because one is made for every request.

* method, as sent
* target: path and query; of an absolute form, those of it
* authority: the Host field; of an absolute form, that of it
* version: ``1.0`` or ``1.1``
* length: bytes of the body; None when it is chunked
* whether the peer wants the connection to go on
* whether it waits for a 100 before it sends the body
* whether it asks for another protocol
* the fields; `fields_of` reads them
"""


_AfterLine: TypeAlias = tuple[str, str, int | None, bool, bool, bool, HeaderMap]


def fields_of(headers: HeaderMap | PackedFields) -> Sequence[tuple[bytes, bytes]]:
    """The fields of a head: lower-case names and values."""
    return headers if isinstance(headers, PackedFields) else headers.raw_items()


class PackedFields(Sequence[tuple[bytes, bytes]]):
    """The fields of a head in one piece, taken apart at every look: a tenth of the memory, for
    requests that last.

    Args:
        fields: of a head, so that no name has a colon in it, and nothing a line feed.
    """

    __slots__ = ("_lines",)

    def __init__(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        self._lines = b"\n".join(b"%b:%b" % field for field in fields)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        for line in self._lines.split(b"\n") if self._lines else ():
            name, _, value = line.partition(b":")
            yield name, value

    @overload
    def __getitem__(self, index: int) -> tuple[bytes, bytes]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[bytes, bytes]]: ...
    def __getitem__(self, index: int | slice) -> tuple[bytes, bytes] | list[tuple[bytes, bytes]]:
        return list(self)[index]

    def __len__(self) -> int:
        return self._lines.count(b"\n") + bool(self._lines)


class HeadParser:
    """Parses heads, those of any number of connections: it remembers nothing between two calls.

    Args:
        head_size: bytes of a head.
        header_count: fields of a head.
        target_size: bytes of a target.
    """

    __slots__ = ("_codec", "_head_size", "_header_count", "_hosts", "_known", "_target_size")

    def __init__(self, *, head_size: int, header_count: int, target_size: int) -> None:
        self._header_count = header_count
        self._head_size = head_size
        self._target_size = target_size
        self._codec = self._new_codec()
        self._hosts: dict[bytes, str] = {}
        self._known: dict[bytes, _AfterLine] = {}

    def _new_codec(self) -> H1Codec:
        size = max(self._head_size, _LEAST_BUFFER)
        return H1Codec(max_headers=self._header_count, max_buf_size=size)

    def feed(self, seen: bytes, data: bytes) -> tuple[RequestHead | None, bytes]:
        """Look for a head in what was `seen` and what is new.

        Returns: the head and what follows it; or None and what to pass as `seen` next time.

        Raises: WireError; the connection cannot be read any further.
        """
        begin = 0
        if seen:
            begin = max(0, len(seen) - 3)  # the end may be split between the two
            data = seen + data
        end = data.find(_END, begin)
        if end <= 0 or data[0] in b"\r\n":
            found = _EMPTY_LINES.match(data)  # before a request (RFC 9112 §2.2)
            data = data[found.end() :] if found else data
            end = data.find(_END)
        if end < 0:
            self._check_part(data, len(seen))
            return None, data
        end += 4
        rest = b""
        if end != len(data):
            data, rest = data[:end], data[end:]
        line = data.find(b"\r\n")
        after = self._known.get(data[line:])
        if after is not None:
            # Every field is the same as before: only the request line is new.
            parts = data[:line].split(b" ")
            method = _METHODS.get(parts[0])
            if method is not None and len(parts) == 3 and parts[2] == b"HTTP/1.1":  # noqa: PLR2004
                target = parts[1]
                if (
                    target[:1] == b"/"
                    and not target.translate(None, _IN_TARGET)
                    and len(target) <= self._target_size
                    and len(data) <= self._head_size
                ):
                    return (method, target, *after), rest
        return self._parse(data, line), rest

    def _check_part(self, data: bytes, new: int) -> None:
        """Refuse a head that is not whole and cannot become one; from `new` on it was not seen."""
        if len(data) > self._head_size:
            raise self._too_large(data)
        if data.count(b"\n", new) != data.count(b"\r\n", max(0, new - 1)):
            raise WireError(400, "a line of the head ends in a bare LF")
        # A preface of something else should not have to wait for its timeout.
        if len(data) > _LONGEST_METHOD and not _METHOD.match(data):
            raise WireError(400, "this is no HTTP request")

    def _too_large(self, data: bytes) -> WireError:
        line = data.find(b"\r\n")
        if line < 0 or line > self._target_size + _AROUND_TARGET:
            return WireError(414, f"the target is longer than {self._target_size} bytes")
        return WireError(431, f"the head is longer than {self._head_size} bytes")

    def _parse(self, data: bytes, line: int) -> RequestHead:
        """One whole head. In one piece, because it runs for every request."""
        if len(data) > self._head_size:
            raise self._too_large(data)
        if b"#" in data[:line] or not _METHOD.match(data):
            # The engine drops a fragment without a word; others route by it.
            raise WireError(400, "the request line is malformed")
        # The engine refuses a bare CR, and takes a bare LF for the end of a line.
        if data.count(b"\n") != data.count(b"\r\n"):
            raise WireError(400, "a line of the head ends in a bare LF")
        codec = self._codec
        codec.reset()
        try:
            found = codec.receive_request_head(data)
        except HTTPunkError as error:
            self._codec = self._new_codec()  # this one keeps what it could not read
            raise self._error(data, error) from None
        if found is None:
            self._codec = self._new_codec()
            raise WireError(400, "the head of the request is not whole")
        headers = found.headers
        old = found.http10
        hosts = headers.get_all("host")
        if len(hosts) == 1:
            host = self._hosts.get(hosts[0]) or self._checked_host(hosts[0])
        elif hosts or not old:
            raise WireError(400, "it has two Host fields" if hosts else "it has no Host field")
        else:
            host = ""
        kind = found.body_kind
        length = 0 if kind == "empty" else self._length(kind, found, data)
        expects = found.expect_continue
        if not expects and "expect" in headers and not old:
            raise WireError(417, "nothing but 100-continue can be expected")
        target = found.target
        if len(target) > self._target_size:
            raise WireError(414, f"the target is longer than {self._target_size} bytes")
        if target[0] != "/":
            host, target = _other_form(found.method, target, host)
        upgrades = found.is_upgrade
        after = (
            host,
            "1.0" if old else "1.1",
            length,
            found.keep_alive,
            expects,
            upgrades,
            headers,
        )
        if length == 0 and not old and not expects and not upgrades and target == found.target:
            fields = data[line:]
            if len(fields) <= _MOST_KNOWN:
                if len(self._known) >= _KNOWN:
                    self._known.clear()
                self._known[fields] = after
        return (found.method, target.encode("latin-1"), *after)

    def _checked_host(self, value: bytes) -> str:
        if not HOST.fullmatch(value):
            raise WireError(400, "its Host field is no host")
        if len(self._hosts) >= _HOSTS:
            self._hosts.clear()
        host = self._hosts[value] = value.decode("latin-1")
        return host

    def _length(self, kind: str, found: H1RequestHead, data: bytes) -> int | None:
        headers = found.headers
        if kind == "length":
            # The engine makes one of two that are equal.
            if len(_CONTENT_LENGTH.findall(data)) != 1:
                raise WireError(400, "it has two Content-Length fields")
            return found.content_length
        if _CONTENT_LENGTH.search(data):  # the engine drops it, as RFC 9112 §6.3 allows
            raise WireError(400, "it has both Content-Length and Transfer-Encoding")
        codings = headers.get_all("transfer-encoding")
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            raise WireError(501, "no transfer coding but one, chunked, is understood")
        return None

    def _error(self, data: bytes, error: HTTPunkError) -> WireError:
        kind = str(error.args[0]) if error.args else ""
        line = data.find(b"\r\n")
        if kind == "uri_too_long" or (kind == "too_large" and line > self._target_size):
            return WireError(414, "the target is too long")
        if kind == "too_large":
            return WireError(431, "it has too many fields, or they are too long")
        if kind in ("version", "version_h2"):
            version = _VERSION.search(data[:line])
            other = version is not None and version[1] not in (b"1.0", b"1.1")
            return WireError(505 if other else 400, "only HTTP/1.0 and 1.1 are spoken here")
        return WireError(400, str(error.args[-1]) if error.args else "it cannot be parsed")


def _other_form(method: str, target: str, host: str) -> tuple[str, str]:
    """Host and path of a target that is no path (RFC 9112 §3.2)."""
    if target == "*" and method == "OPTIONS":
        return host, target
    scheme, separator, rest = target.partition("://")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    known = separator and scheme.lower() in ("http", "https")
    if not known or not authority or not HOST.fullmatch(authority.encode("latin-1")):
        raise WireError(400, "the target is neither a path nor an address")
    # The address in the target wins over the Host field (RFC 9112 §3.2.2).
    return authority, path if path.startswith("/") else "/" + path


class BodyReader:
    """A body of known framing: bytes in, parts of the body out; the base of two."""

    __slots__ = ("done", "rest")

    done: bool
    """Whether the body is complete."""
    rest: bytes
    """What came after the body, once it is complete."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those of the body among them. Raises: WireError."""
        raise NotImplementedError

    def trailers(self) -> Sequence[tuple[bytes, bytes]]:
        """The trailer fields, once it is complete."""
        return ()


class BytesReader(BodyReader):
    """A body by Content-Length."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """See the base."""
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            return data
        self.done = True
        self._left = 0
        if len(data) > left:
            self.rest = data[left:]
            return data[:left]
        return data


_MOST_FRAMING: Final = 16 * 1024
"""Bytes of chunk extensions, and of trailers, over a whole body."""
_MOST_TRAILERS: Final = 100
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*"
)


class ChunkedReader(BodyReader):
    """A body in chunks (RFC 9112 §7.1).

    Read here and not by the engine, which takes a bare LF among the trailers for the end of a line:
    what stands behind it is then a trailer to one and the next request to another.
    """

    __slots__ = ("_framing", "_held", "_left", "_state", "_trailers")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._state = _SIZE
        self._held = b""
        self._left = 0
        self._framing = 0
        self._trailers: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> bytes:
        """See the base."""
        if self._held:
            data = self._held + data
            self._held = b""
        parts = []
        at = 0
        while at < len(data) and not self.done:
            if self._state is _DATA:
                part = data[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                if not self._left:
                    self._state = _DATA_END
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                self._hold(data[at:])
                break
            self._line(data[at:end])
            at = end + 2
        if self.done:
            self.rest = data[at:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hold(self, line: bytes) -> None:
        """A line that is not whole; refused as soon as it cannot become a good one."""
        if b"\n" in line or (self._state is _DATA_END and line != b"\r"):
            raise WireError(400, "a line between chunks does not end in CRLF")
        self._count(len(line))
        self._framing -= len(line)
        self._held = line

    def _count(self, size: int) -> None:
        self._framing += size
        if self._framing > _MOST_FRAMING:
            raise WireError(400, "its chunk extensions or trailers are too long")

    def _line(self, line: bytes) -> None:
        if self._state is _DATA_END:
            if line:
                raise WireError(400, "a chunk is longer than it says")
            self._state = _SIZE
        elif self._state is _SIZE:
            found = _CHUNK.fullmatch(line)
            if found is None:
                raise WireError(400, "the size of a chunk is no hexadecimal number")
            self._count(len(line) - len(found[1]))
            self._left = int(found[1], 16)
            self._state = _DATA if self._left else _TRAILER_LINE
        elif not line:
            self.done = True
        else:
            self._trailer(line)

    def _trailer(self, line: bytes) -> None:
        found = _TRAILER.fullmatch(line)
        if found is None or len(self._trailers) >= _MOST_TRAILERS:
            raise WireError(400, "the trailers are malformed, or too many")
        self._count(len(line))
        self._trailers.append((found[1].lower(), found[2]))

    def trailers(self) -> Sequence[tuple[bytes, bytes]]:
        """See the base."""
        return self._trailers


_SIZE: Final = "size"
_DATA: Final = "data"
_DATA_END: Final = "end of data"
_TRAILER_LINE: Final = "trailer"
