"""What the client's engine remembers of replies changes nothing of what it tells."""

from mainstay.wire.http2 import (
    Data,
    ErrorCode,
    Event,
    Fields,
    Http2Settings,
    Reset,
    ResponseHead,
    Trailers,
)
from mainstay.wire.http2_frames import frame
from mainstay.wire.http2_httpunk_client import HttpunkClient
from tests.wire.http2_world import DATA, END_STREAM, HEADERS, SETTINGS, FramePeer

HEAD: Fields = ((b":status", b"200"), (b"content-type", b"application/grpc"))
OK: Fields = ((b"grpc-status", b"0"),)
LIMIT = 2048


class Server(FramePeer):
    """A server that answers a client's requests."""

    def __init__(self) -> None:
        super().__init__()
        self.client = HttpunkClient(settings=Http2Settings(head_size=LIMIT, header_count=20))
        self.client.begin()
        self.client.receive(frame(SETTINGS, 0, 0, b""))

    def ask(self) -> int:
        begun = self.client.request_whole("POST", "http", "a", "/", (), b"?", True)
        assert begun is not None
        self.read(self.client.take())
        return begun[0]

    def told(self, stream: int, head: Fields, trailers: Fields) -> list[Event]:
        """What the client makes of a reply."""
        begun = self.head(stream, head, ended=False)
        data = frame(DATA, 0, stream, b"!")
        return self.client.receive(begun + data + self.head(stream, trailers))


def test_the_same_reply_is_told_the_same_every_time() -> None:
    """Whether its fields were seen before or not."""
    server = Server()
    for _ in range(3):
        stream = server.ask()
        head, data, trailers = server.told(stream, HEAD, OK)
        assert head == ResponseHead(stream, 200, [HEAD[1]], ended=False)
        assert isinstance(data, Data)
        assert (data.stream, data.data, data.ended) == (stream, b"!", False)
        assert trailers == Trailers(stream, [*OK])


def test_who_takes_an_event_may_change_its_fields() -> None:
    """They are not those that are remembered."""
    server = Server()
    for _ in range(3):
        head, _, trailers = server.told(server.ask(), HEAD, OK)
        assert isinstance(head, ResponseHead)
        assert isinstance(trailers, Trailers)
        assert (head.fields, trailers.fields) == ([HEAD[1]], [*OK])
        head.fields.clear()
        trailers.fields.append((b"more", b"1"))


def test_a_head_that_is_too_long_is_said_so_every_time() -> None:
    """And is forgotten: a head without fields is none of those."""
    server = Server()
    long = (*HEAD, (b"long", b"x" * LIMIT))
    many = (*HEAD, *((b"k%d" % each, b"v") for each in range(30)))
    for head in (long, long, many, many):
        stream = server.ask()
        found = server.client.receive(server.head(stream, head, ended=True))
        assert found == [ResponseHead(stream, 200, [], ended=True, oversize=True)]
    stream = server.ask()
    found = server.client.receive(server.head(stream, HEAD[:1], ended=True))
    assert found == [ResponseHead(stream, 200, [], ended=True)]


def test_trailers_that_are_too_long_are_refused_every_time() -> None:
    """The stream is reset."""
    server = Server()
    for _ in range(2):
        stream = server.ask()
        events = server.told(stream, HEAD, (*OK, (b"long", b"x" * LIMIT)))
        assert events[-1] == Reset(stream, ErrorCode.PROTOCOL_ERROR, ours=True)
    stream = server.ask()
    assert server.told(stream, HEAD, OK)[-1] == Trailers(stream, [*OK])


def test_a_status_in_trailers_is_refused() -> None:
    """Whatever their other fields are."""
    server = Server()
    server.told(server.ask(), HEAD, OK)
    stream = server.ask()
    events = server.told(stream, HEAD, ((b":status", b"200"), *OK))
    assert events[-1] == Reset(stream, ErrorCode.PROTOCOL_ERROR, ours=True)


def test_pieces_of_one_body_are_one_event() -> None:
    """When nothing is between them; those of two streams are two."""
    server = Server()
    one, two = server.ask(), server.ask()
    server.client.receive(server.head(one, HEAD, ended=False) + server.head(two, HEAD, ended=False))
    pieces = [(one, b"a", 0), (one, b"b", 0), (two, b"c", 0), (two, b"d", END_STREAM)]
    data = b"".join(frame(DATA, flags, stream, part) for stream, part, flags in pieces)
    first, second = server.client.receive(data)
    assert isinstance(first, Data)
    assert isinstance(second, Data)
    assert (first.stream, first.data, first.ended) == (one, b"ab", False)
    assert (second.stream, second.data, second.ended) == (two, b"cd", True)


def test_nothing_is_taken_twice() -> None:
    """What was written is gone, and what waits is taken in order."""
    server = Server()
    server.ask()
    assert server.client.take() == b""
    server.client.ping(b"12345678")
    out = server.client.take()
    assert [kind for kind, *_ in server.read(out)] == [6]
    assert server.client.take() == b""
    begun = server.client.request_whole("POST", "http", "a", "/", (), b"?", True)
    assert begun is not None
    server.client.ping(b"12345678")
    begun = server.client.request_whole("POST", "http", "a", "/", (), b"?", True)
    kinds = [kind for kind, *_ in server.read(server.client.take())]
    assert kinds == [HEADERS, DATA, 6, HEADERS, DATA]
