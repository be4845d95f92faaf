"""Facts about heads and bodies of HTTP/1.1 requests."""

from __future__ import annotations

import random

import pytest

from mainstay.wire.errors import WireError
from mainstay.wire.http1 import (
    BytesReader,
    ChunkedReader,
    HeadParser,
    PackedFields,
    fields_of,
)

SIMPLE = b"GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n"


def parser() -> HeadParser:
    return HeadParser(head_size=4096, header_count=10, target_size=1024)


def refused(data: bytes) -> int:
    """The status with which `data` is refused."""
    with pytest.raises(WireError) as caught:
        parser().feed(b"", data)
    return caught.value.status


def test_a_head_is_read_with_what_follows() -> None:
    """Method, target, host, version, length and fields; the rest is handed back."""
    head, rest = parser().feed(b"", SIMPLE + b"more")
    assert head is not None
    method, target, authority, version, length, keep_alive, expects, upgrades, headers = head
    assert (method, target, authority, version) == ("GET", b"/a?b=c", "example.org", "1.1")
    assert (length, keep_alive, expects, upgrades) == (0, True, False, False)
    assert fields_of(headers) == [(b"host", b"example.org"), (b"accept", b"*/*")]
    assert rest == b"more"


@pytest.mark.parametrize("at", range(len(SIMPLE)))
def test_a_head_may_come_in_two_parts(at: int) -> None:
    """Wherever it is cut, the result is the same."""
    reader = parser()
    found, seen = reader.feed(b"", SIMPLE[:at])
    assert found is None
    found, rest = reader.feed(seen, SIMPLE[at:])
    assert found is not None
    assert found[:4] == ("GET", b"/a?b=c", "example.org", "1.1")
    assert rest == b""


def test_one_parser_serves_many_connections_in_turn() -> None:
    """Parts of two heads that alternate do not mix, and a bad one leaves nothing behind."""
    reader = parser()
    _, one = reader.feed(b"", SIMPLE[:10])
    with pytest.raises(WireError):
        reader.feed(b"", b"GET / HTTP/1.1\r\nHost: a b\r\nX: y\r\n\r\n")
    with pytest.raises(WireError):
        reader.feed(b"", b"GET / HTTP/1.1\r\nbad line\r\n\r\n")
    other, _ = reader.feed(b"", b"POST /other HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\n")
    head, _ = reader.feed(one, SIMPLE[10:])
    assert head is not None
    assert other is not None
    assert (head[1], other[1], other[4]) == (b"/a?b=c", b"/other", 3)


def test_empty_lines_before_a_request_are_skipped() -> None:
    """RFC 9112 §2.2."""
    head, _ = parser().feed(b"", b"\r\n\r\n" + SIMPLE)
    assert head is not None
    assert head[0] == "GET"


@pytest.mark.parametrize(
    ("target", "host", "authority", "path"),
    [
        (b"http://x.y:80/a?b", b"other", "x.y:80", b"/a?b"),
        (b"http://x.y", b"other", "x.y", b"/"),
        (b"HTTP://x.y?b/c", b"other", "x.y", b"/?b/c"),
        (b"/a//b", b"[::1]:8000", "[::1]:8000", b"/a//b"),
    ],
)
def test_the_address_in_the_target_wins(
    target: bytes, host: bytes, authority: str, path: bytes
) -> None:
    """RFC 9112 §3.2.2."""
    head, _ = parser().feed(b"", b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host))
    assert head is not None
    assert (head[2], head[1]) == (authority, path)


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, b"GET / HTTP/1.1\nHost: a\n\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
        (400, b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n: empty\r\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        (400, b"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"),
        (
            400,
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (400, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"),
        (414, b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 1024)),
        (414, b"GET /%b" % (b"x" * 5000)),
        (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 5000)),
        (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: %b" % (b"x" * 5000)),
        (431, b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"x: y\r\n" * 20)),
        (417, b"GET / HTTP/1.1\r\nHost: a\r\nExpect: the-spanish-inquisition\r\n\r\n"),
        (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        (400, b"\x16\x03\x01 this is TLS, and was never meant for this port"),
    ],
)
def test_what_two_implementations_may_read_differently_is_refused(status: int, data: bytes) -> None:
    """Each with the status that says why."""
    assert refused(data) == status


def test_packed_fields_are_the_same_fields() -> None:
    """In their order, with colons and nothing in values, by index and slice; without the objects."""
    found, _ = parser().feed(
        b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Time: 12:30:05\r\nX-Nothing:\r\nX-Time: 7\r\n\r\n"
    )
    assert found is not None
    fields = fields_of(found[-1])
    packed = PackedFields(fields)
    assert list(packed) == fields_of(packed)[:] == list(fields)
    assert (b"x-time", b"12:30:05") in packed
    assert (b"x-nothing", b"") in packed
    assert (len(packed), packed[-1], packed[1:]) == (4, fields[-1], fields[1:])
    empty = PackedFields([])
    assert (list(empty), len(empty)) == ([], 0)


def test_a_body_by_length_knows_where_it_ends() -> None:
    """The bytes after it belong to the next request."""
    body = BytesReader(5)
    assert (body.feed(b"abc"), body.done) == (b"abc", False)
    assert (body.feed(b"defgh"), body.done, body.rest) == (b"de", True, b"fgh")


CHUNKED = b"3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\nDigest: d\r\n\r\n"


def test_chunks_are_read_wherever_they_are_cut() -> None:
    """Body, trailers and rest are the same for every way to cut (200 random ones)."""
    rng = random.Random(1)
    for _ in range(200):
        body = ChunkedReader()
        data = CHUNKED + b"GET"
        found = b""
        rest = b""
        while data:
            size = rng.randint(1, 8)
            part, data = data[:size], data[size:]
            if body.done:
                rest += part
            else:
                found += body.feed(part)
                rest = body.rest
        assert (found, body.done, rest) == (b"abc0123456789", True, b"GET")
        assert list(body.trailers()) == [(b"digest", b"d")]


@pytest.mark.parametrize(
    "data",
    [
        b"3\nabc\r\n",
        b"3\r\nabcX",
        b"-3\r\n",
        b"0x3\r\n",
        b"3;\nx\r\n",
        b"\r\n3\r\n",
        b"ffffffffffffffffff\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\n\n",
        b"1;" + b"x" * 20_000,
        b"0\r\n" + b"x" * 20_000,
    ],
)
def test_bad_chunks_are_refused(data: bytes) -> None:
    """Sizes that are no hexadecimal number, bare LF, endless extensions and trailers."""
    body = ChunkedReader()
    with pytest.raises(WireError):
        body.feed(data)
