import pytest

from mainstay.wire.http1_client import (
    INTERIM_REPLIES,
    ReplyEnd,
    ReplyError,
    ReplyEvent,
    ReplyHead,
    ReplyReader,
    chunk,
    request_head,
)

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def reader(method: str = "GET", **limits: int) -> ReplyReader:
    made = ReplyReader(**{"head_size": 1024, "header_count": 20, **limits})
    made.expect(method)
    return made


def told(made: ReplyReader, data: bytes, *, size: int = 10_000) -> list[ReplyEvent]:
    """The events, pieces of the body joined."""
    events: list[ReplyEvent] = []
    for start in range(0, len(data), size):
        for event in made.receive(data[start : start + size]):
            if isinstance(event, bytes) and events and isinstance(events[-1], bytes):
                events[-1] += event
            else:
                events.append(event)
    return events


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_a_reply_may_come_in_any_pieces(size: int) -> None:
    """The same events, wherever the bytes are cut."""
    made = reader()
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello"
    assert told(made, data, size=size) == [
        ReplyHead(200, [(b"content-length", b"5"), (b"x-a", b"b")], "1.1"),
        b"hello",
        ReplyEnd(),
    ]
    assert made.reusable


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_chunks_and_trailers(size: int) -> None:
    """Chunks are joined, extensions skipped, trailers told at the end."""
    made = reader()
    events = told(made, CHUNKED + b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n", size=size)
    assert events[1:] == [b"abcde", ReplyEnd([(b"x-sum", b"1")])]
    assert made.reusable


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """It is whole only at a proper end, and the connection is not used again."""
    made = reader()
    assert told(made, b"HTTP/1.1 200 OK\r\n\r\nabc")[1:] == [b"abc"]
    assert made.receive_eof() == [ReplyEnd()]
    assert not made.reusable


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("CONNECT", 200)]
)
@pytest.mark.parametrize("framing", [b"content-length: 7", b"transfer-encoding: chunked"])
def test_replies_without_a_body(method: str, status: int, framing: bytes) -> None:
    """Whatever they say about its length (RFC 9112 §6.3)."""
    made = reader(method)
    events = told(made, b"HTTP/1.1 %d X\r\n%b\r\n\r\n" % (status, framing))
    assert isinstance(events[0], ReplyHead)
    assert events[1:] == [ReplyEnd()]


def test_interim_replies_are_passed_over() -> None:
    """100 and 103 are not told, and what follows is."""
    made = reader()
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n"
    assert told(made, data) == []
    assert told(made, b"HTTP/1.1 204 No\r\n\r\n") == [ReplyHead(204, [], "1.1"), ReplyEnd()]


def test_interim_replies_are_bounded() -> None:
    """A server cannot keep a client busy with them for ever."""
    made = reader()
    with pytest.raises(ReplyError, match="nobody asked"):
        told(made, b"HTTP/1.1 100 Continue\r\n\r\n" * (INTERIM_REPLIES + 1))


@pytest.mark.parametrize(
    ("version", "connection", "reusable"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"connection: foo, Close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"connection: Keep-Alive\r\n", True),
    ],
)
def test_when_a_connection_is_used_again(version: bytes, connection: bytes, reusable: bool) -> None:
    """RFC 9112 §9.3."""
    made = reader()
    told(made, b"HTTP/%b 200 OK\r\ncontent-length: 0\r\n%b\r\n" % (version, connection))
    assert made.reusable is reusable


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcX",
        CHUNKED + b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 204 No\r\n\r\nabc",
    ],
)
def test_what_follows_a_reply_spoils_the_connection_only(data: bytes) -> None:
    """The reply is whole; another request would get what is left as its reply."""
    made = reader()
    assert isinstance(told(made, data)[-1], ReplyEnd)
    assert not made.reusable


def test_bytes_without_a_request_are_an_error() -> None:
    """Nothing is expected, so nothing can be said about it."""
    made = reader()
    told(made, b"HTTP/1.1 204 No\r\n\r\n")
    with pytest.raises(ReplyError, match="nobody asked"):
        made.receive(b"HTTP/1.1 408 Timeout\r\n\r\n")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"220 smtp.example.org\r\n", id="another protocol"),
        pytest.param(b"HTTP/2.0 200 OK\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/1.2 200 OK\r\n\r\n", id="a version that is none"),
        pytest.param(b"ICY 200 OK\r\n\r\n", id="a relative of HTTP"),
        pytest.param(b"HTTP/1.1 20x OK\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 099 OK\r\n\r\n", id="a status out of range"),
        pytest.param(b"HTTP/1.1 600 OK\r\n\r\n", id="a status too high"),
        pytest.param(b"HTTP/1.1 101 X\r\nupgrade: a\r\nconnection: upgrade\r\n\r\n", id="101"),
        pytest.param(b"HTTP/1.1 200 OK\ncontent-length: 0\n\n", id="bare LF"),
        pytest.param(b"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n", id="bare CR"),
        pytest.param(b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", id="folded field"),
        pytest.param(b"HTTP/1.1 200 OK\r\na : b\r\n\r\n", id="blank before colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\na: \x00\r\n\r\n", id="NUL"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            id="both lengths",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", id="two lengths"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n", id="a signed length"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n", id="a list of lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", id="another coding"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n", id="chunked twice"
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", id="chunks in 1.0"),
        pytest.param(CHUNKED + b"xyz\r\n", id="no size"),
        pytest.param(CHUNKED + b"-1\r\n", id="a negative size"),
        pytest.param(CHUNKED + b"FFFFFFFFFFFFFFFFFF\r\n", id="a size too large"),
        pytest.param(CHUNKED + b"3\r\nabcde\r\n", id="a chunk that is longer"),
        pytest.param(CHUNKED + b"3\nabc\n", id="chunks with bare LF"),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_malformed_replies_are_refused(data: bytes, size: int) -> None:
    """What two readers may understand differently, one must not try to."""
    made = reader()
    with pytest.raises(ReplyError):
        told(made, data, size=size)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 2000,
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 2000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 21 + b"\r\n",
        CHUNKED + b"0\r\n" + b"a: b\r\n" * 21 + b"\r\n",
        CHUNKED + b"0\r\na: " + b"b" * 2000 + b"\r\n\r\n",
    ],
)
def test_heads_and_trailers_are_bounded(data: bytes) -> None:
    """In bytes and in fields, whole or not."""
    with pytest.raises(ReplyError, match=r"longer than 1024|more fields"):
        told(reader(), data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
        CHUNKED + b"3\r\nabc\r\n",
    ],
)
def test_an_early_end_is_an_error(data: bytes) -> None:
    """A reply that is cut off is never taken for a whole one."""
    made = reader()
    told(made, data)
    with pytest.raises(ReplyError, match="before the reply was whole"):
        made.receive_eof()


def test_the_end_of_an_idle_connection_is_none() -> None:
    """Between two replies a server may leave."""
    made = reader()
    told(made, b"HTTP/1.1 204 No\r\n\r\n")
    assert made.receive_eof() == []


def test_it_tells_whether_a_byte_came() -> None:
    """Whether a request may be repeated hangs on it."""
    made = reader()
    seen = [made.started]
    made.receive(b"H")
    seen.append(made.started)
    made.expect("GET")
    assert [*seen, made.started] == [False, True, False]


def test_a_request_head() -> None:
    """Request line, fields as given, and the empty line."""
    head = request_head("GET", "/a?b", [(b"host", b"h"), (b"x", b"\xff")])
    assert head == b"GET /a?b HTTP/1.1\r\nhost: h\r\nx: \xff\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "field"),
    [
        ("GET /", "/", (b"a", b"b")),
        ("GÉT", "/", (b"a", b"b")),
        ("GET", "/ HTTP/1.1\r\nx: y", (b"a", b"b")),
        ("GET", "", (b"a", b"b")),
        ("GET", "/ä", (b"a", b"b")),
        ("GET", "/", (b"a:", b"b")),
        ("GET", "/", (b"", b"b")),
        ("GET", "/", (b"a", b"b\r\nc: d")),
        ("GET", "/", (b"a", b"b\0")),
    ],
)
def test_nothing_can_be_smuggled_into_a_request(
    method: str, target: str, field: tuple[bytes, bytes]
) -> None:
    """What would end its line is refused before anything is sent."""
    with pytest.raises(ValueError, match=r"is no|cannot be|line break"):
        request_head(method, target, [field])


def test_a_chunk() -> None:
    """Its size in hexadecimal, then the data."""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
