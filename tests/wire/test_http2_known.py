"""A head that came before, byte for byte, is not decoded again, and means what it meant."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hpack import Encoder

from mainstay.wire.http2 import PREFACE, Data, Event, Http2Settings, RequestHead, Reset
from mainstay.wire.http2_frames import frame
from mainstay.wire.http2_guard import FrameGuard
from mainstay.wire.http2_httpunk import HttpunkEngine
from mainstay.wire.http2_known import LONGEST_BODY, KnownHead, KnownHeads, changes_nothing
from tests.wire.http2_world import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    POST,
    WINDOW,
    FramePeer,
    hello,
    reset,
)

PLAIN = (*POST, (b"te", b"trailers"), (b"x-much", b"of it"))
"""Said once, all of it is in the table."""


class Server:
    """An engine behind its guard, as a connection has them."""

    def __init__(self, **settings: Any) -> None:
        self.engine = HttpunkEngine(client=False, settings=Http2Settings(together=True, **settings))
        limits = {"resets": 99, "control_frames": 99, "window": 5.0, "block": 4096}
        self.guard = FrameGuard(server=True, known=self.engine.known, **limits)  # type: ignore[arg-type]
        self.engine.begin()
        self.peer = FramePeer()
        self.found = 0
        self.say(hello())
        self.peer.read(self.engine.take())

    def say(self, *data: bytes) -> list[Event]:
        """What this means."""
        joined = b"".join(data)
        found = self.guard.feed(joined, 0.0)
        self.found = 0 if found is None else len(found)
        if found is None:
            return self.engine.receive(joined)
        return self.engine.receive_known(joined, found)

    def ask(self, stream: int, body: bytes = b"hello", fields: Any = PLAIN) -> bytes:
        """A request in two frames."""
        head = self.peer.head(stream, fields, ended=False)
        return head + frame(DATA, END_STREAM, stream, body)

    def learned(self) -> "Server":
        """It has had two requests: one that filled the table, and one that was all from it."""
        self.say(self.ask(1))
        self.say(self.ask(3))
        self.answer(1, 3)
        return self

    def answer(self, *streams: int) -> None:
        """End these."""
        for stream in streams:
            self.engine.respond_whole(stream, 200, (), b"there", ((b"so", b"it is"),))
        self.peer.read(self.engine.take())


def plain(event: Any) -> tuple[Any, ...]:
    """What a request says, however it is told."""
    if type(event) is tuple:
        stream, head, body, *_ = event
    else:
        assert isinstance(event, RequestHead)
        stream, head, body = event.stream, event, event.body
    said = (head.method, head.target, head.scheme, head.authority, list(head.fields), head.length)
    return (stream, *said, body)


def test_a_head_that_comes_again_means_the_same() -> None:
    """The first fills the table, the second is looked at, all others are known."""
    server = Server()
    first = plain(*server.say(server.ask(1, b"one")))
    second = plain(*server.say(server.ask(3, b"two")))
    assert server.found == 0
    third = server.say(server.ask(5, b"three"), server.ask(7, b"four"))
    assert server.found == 2
    assert [type(each) for each in third] == [tuple, tuple]
    assert [first[1:-1]] * 3 == [second[1:-1], *(plain(each)[1:-1] for each in third)]
    told = [(each[0], each[-1]) for each in (first, second, *map(plain, third))]
    assert told == [(1, b"one"), (3, b"two"), (5, b"three"), (7, b"four")]


def test_a_known_request_is_answered_as_any_other() -> None:
    """Head, body and trailers, and then the stream is over."""
    server = Server().learned()
    server.say(server.ask(5))
    assert server.engine.respond_whole(5, 200, (), b"there", ((b"so", b"it is"),)) == 5
    frames = server.peer.read(server.engine.take())
    assert [(kind, flags, stream) for kind, flags, stream, _ in frames] == [
        (HEADERS, END_HEADERS, 5),
        (DATA, 0, 5),
        (HEADERS, END_HEADERS | END_STREAM, 5),
    ]
    assert [payload for *_, payload in frames][1:] == [b"there", [(b"so", b"it is")]]
    assert server.say(frame(DATA, END_STREAM, 5, b"more")) == [] or server.engine.take()


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_pieces_mean_the_same_wherever_they_are_cut(cut: int) -> None:
    """A request that did not come whole is decoded as ever, and those after it are found."""
    server = Server().learned()
    data = server.ask(5, b"one") + server.ask(7, b"two")
    events = [*server.say(data[:cut]), *server.say(data[cut:])]
    bodies: dict[int, bytes] = {}
    for event in events:
        if isinstance(event, Data):
            bodies[event.stream] += event.data
        else:
            stream, *said, body = plain(event)
            assert said == ["POST", b"/", "http", "a", list(PLAIN[4:]), None]
            bodies[stream] = body or b""
    assert bodies == {5: b"one", 7: b"two"}


def test_heads_may_come_before_all_bodies() -> None:
    """As a client sends them that begins many requests at once, whichever body is first."""
    server = Server().learned()
    heads = [server.peer.head(stream, PLAIN, ended=False) for stream in (5, 7, 9, 11)]
    bodies = [frame(DATA, END_STREAM, stream, b"%d" % stream) for stream in (9, 5, 7)]
    *known, other = server.say(*heads, *bodies, frame(DATA, 0, 11, b"more"))[:4]
    assert server.found == 3
    assert [(plain(each)[0], plain(each)[-1]) for each in known] == [
        (5, b"5"),
        (7, b"7"),
        (9, b"9"),
    ]
    assert isinstance(other, RequestHead)
    assert other.stream == 11


def test_other_frames_keep_their_place() -> None:
    """What comes between known requests means what it means without them."""
    server = Server().learned()
    first = server.ask(5, b"five")
    other = server.peer.head(7, (*POST, (b"x-other", b"1")), ended=False)
    events = server.say(first, reset(5), other, frame(DATA, 0, 7, b"seven"), reset(7))
    assert server.found == 1
    assert plain(events[0])[0] == 5
    assert events[1] == Reset(5, 8)
    assert isinstance(events[2], RequestHead)
    assert isinstance(events[3], Data)
    assert events[4:] == [Reset(7, 8)]


@pytest.mark.parametrize("place", ["before", "between"])
def test_a_change_of_the_table_makes_all_of_it_unknown(place: str) -> None:
    """The same bytes say something else from then on."""
    server = Server().learned()
    change = server.ask(5, fields=(*PLAIN, (b"x-new", b"entry")))
    again = server.ask(7)
    if place == "before":
        server.say(change)
        events = server.say(again)
    else:
        events = server.say(change, again)[1:]
    assert server.found == 0
    assert plain(*events)[-3:] == (list(PLAIN[4:]), None, b"hello")
    server.answer(5, 7)
    server.say(server.ask(9))
    assert server.found == 1


def test_the_bytes_of_a_known_head_can_come_to_mean_another() -> None:
    """An index counts from the newest entry."""
    server = Server().learned()
    old = server.peer.head(5, PLAIN, ended=False)[9:]
    server.say(server.ask(5, fields=(*POST, (b"x-1", b"a"), (b"x-2", b"b"))))
    body = frame(DATA, END_STREAM, 7, b"?")
    (event,) = server.say(frame(HEADERS, END_HEADERS, 7, old), body)
    assert server.found == 0
    assert plain(event)[4:6] == ("", [(b"x-much", b"of it"), (b"x-1", b"a"), (b"x-2", b"b")])


@pytest.mark.parametrize(
    ("flags", "tail"),
    [
        (END_HEADERS | PADDED, b""),
        (0, frame(CONTINUATION, END_HEADERS, 5, b"")),
    ],
    ids=["padded", "continued"],
)
def test_a_block_that_cannot_be_looked_at_makes_all_of_it_unknown(flags: int, tail: bytes) -> None:
    """It may have changed the table."""
    server = Server().learned()
    block = server.peer.head(5, PLAIN, ended=False)[9:]
    if flags & PADDED:
        block = b"\0" + block
    (event, *_) = server.say(frame(HEADERS, flags, 5, block), tail)
    assert isinstance(event, RequestHead)
    server.say(server.ask(7))
    assert server.found == 0


@pytest.mark.parametrize(
    "data",
    [
        frame(DATA, 0, 5, b"part"),
        frame(DATA, END_STREAM | PADDED, 5, b"\0part"),
        frame(DATA, END_STREAM, 5, b""),
        frame(DATA, END_STREAM, 5, bytes(LONGEST_BODY + 1)),
        frame(DATA, END_STREAM, 3, b"elsewhere"),
        frame(HEADERS, END_STREAM | END_HEADERS, 5, b""),
        b"",
    ],
    ids=["more to come", "padded", "empty", "long", "another's", "trailers", "none"],
)
def test_what_is_no_short_body_in_one_frame_is_taken_as_ever(data: bytes) -> None:
    """Only what is simple is taken apart."""
    server = Server().learned()
    (event, *_) = server.say(server.peer.head(5, PLAIN, ended=False), data)
    assert server.found == 0
    assert isinstance(event, RequestHead)


def test_a_body_has_its_declared_length() -> None:
    """One of another length is malformed, and left to the engine to say so."""
    server = Server()
    declared = (*PLAIN, (b"content-length", b"5"))
    server.say(server.ask(1, fields=declared))
    server.say(server.ask(3, fields=declared))
    assert plain(*server.say(server.ask(5, fields=declared)))[-2:] == (5, b"hello")
    assert server.found == 1
    (*_, event) = server.say(server.ask(7, b"longer than that", fields=declared))
    assert server.found == 0
    assert event == Reset(7, 1, ours=True)


def test_streams_beyond_the_bound_are_refused() -> None:
    """Known or not."""
    server = Server(streams=2).learned()
    events = server.say(server.ask(5), server.ask(7), server.ask(9))
    assert [plain(each)[0] for each in events[:2]] == [5, 7]
    assert events[2:] == [Reset(9, 7, ours=True)]


def test_a_stream_cannot_begin_again() -> None:
    """The second request on it is none, in the same bytes or in others."""
    server = Server().learned()
    first, *others = server.say(server.ask(5, b"first"), server.ask(5, b"second"))
    assert plain(first)[-1] == b"first"
    assert all(type(each) is not tuple for each in others)
    server = Server().learned()
    server.say(server.ask(5))
    server.answer(5)
    assert all(type(each) is not tuple for each in server.say(server.ask(5)))


def test_what_was_read_is_given_back() -> None:
    """The package knows nothing of these bodies, and the peer has a window for all streams."""
    server = Server(connection_window=65_535).learned()
    given = sent = 0
    for stream in range(5, 205, 2):
        server.say(server.ask(stream, bytes(1000)))
        sent += 1000
        server.engine.respond_whole(stream, 200, (), b"", ())
        for kind, _, number, payload in server.peer.read(server.engine.take()):
            if kind == WINDOW and number == 0:
                given += int.from_bytes(payload, "big")
        assert server.found == 1
        assert 0 <= sent - given <= 65_535 // 2
    assert sent == 100_000


def test_heads_that_are_never_the_same_are_not_looked_for_for_long() -> None:
    """Each costs a look, and the next one is as new."""
    server = Server()
    for number in range(70):
        stream = 2 * number + 1
        server.say(server.ask(stream, fields=(*PLAIN, (b"x-number", b"%d" % number))))
        server.answer(stream)
    for stream in (201, 203, 205):
        server.say(server.ask(stream))
        server.answer(stream)
        assert server.found == 0


@pytest.mark.parametrize("fields", [(), (b"authorization", b"secret")], ids=["plain", "never"])
def test_what_is_not_to_be_kept_is_not_kept(fields: tuple[bytes, ...]) -> None:
    """A field that is never indexed is somebody's secret (RFC 7541 §7.1.3)."""
    server = Server().learned()
    block = server.peer.head(5, PLAIN, ended=False)[9:]
    if fields:
        name, value = fields
        block += b"\x10" + bytes([len(name)]) + name + bytes([len(value)]) + value
    body = frame(DATA, END_STREAM, 5, b"x")
    server.say(frame(HEADERS, END_HEADERS, 5, block), body)
    assert server.found == (0 if fields else 1)
    server.answer(5)
    again = frame(HEADERS, END_HEADERS, 7, block) + frame(DATA, END_STREAM, 7, b"x")
    server.say(again)
    assert server.found == (0 if fields else 1)


def test_a_client_and_an_engine_without_it_know_no_heads() -> None:
    """They have nobody who would look for them."""
    assert HttpunkEngine(client=False, settings=Http2Settings()).known is None
    assert HttpunkEngine(client=True, settings=Http2Settings(together=True)).known is None


@pytest.mark.parametrize(
    ("block", "is_plain"),
    [
        (b"", True),
        (b"\x82\x86\xbe", True),
        (b"\xff\x80\x01", True),
        (b"\x04\x01/", True),
        (b"\x0f\x0d\x0212", True),
        (b"\x00\x01x\x02ab", True),
        (b"\x82\x40\x01x\x01y", False),
        (b"\x44\x01/", False),
        (b"\x20", False),
        (b"\x3f\xe1\x1f\x82", False),
        (b"\x10\x01x\x01y", False),
        (b"\xff", False),
        (b"\x04", False),
        (b"\x04\x05/", False),
        (b"\x00\x05x", False),
        (b"\x0f\x80", False),
    ],
)
def test_what_leaves_the_table_as_it_is(block: bytes, is_plain: bool) -> None:
    """Indexed fields and literals without indexing, whole (RFC 7541 §6)."""
    assert changes_nothing(block) is is_plain


def test_an_encoder_is_understood() -> None:
    """That of the package that the other engine has: what it adds, and what it has added."""
    encoder = Encoder()
    fields = [(b"x-a", b"1" * 200), (b"x-b", b"\xff" * 150), (b":path", b"/")]
    assert not changes_nothing(encoder.encode(fields))
    assert changes_nothing(encoder.encode(fields))
    assert not changes_nothing(encoder.encode([(b"x-c", b"")]))


@pytest.mark.parametrize("seed", range(25))
def test_an_engine_that_knows_heads_tells_the_same_as_one_that_does_not(seed: int) -> None:
    """Whatever the order of heads, whatever is added to the table, wherever it is cut."""
    random = Random(seed)
    knowing = Server()
    heads = [PLAIN, (*PLAIN, (b"x-2", b"2")), (*POST, (b"x-3", b"3" * 40)), PLAIN[:5]]
    rare = [(*PLAIN, (b"x-rare", b"%d" % number)) for number in range(8)]
    data = b""
    tails: list[bytes] = []
    for number in range(150):
        fields = random.choice(rare if random.random() < 0.05 else heads)
        stream = 2 * number + 1
        body = random.randbytes(random.choice((1, 10, 5000)))
        parts = [body[:1], body[1:]] if random.random() < 0.2 and len(body) > 1 else [body]
        data += knowing.peer.head(stream, fields, ended=False)
        tails.append(
            b"".join(
                frame(DATA, END_STREAM if part is parts[-1] else 0, stream, part) for part in parts
            )
        )
        if random.random() < 0.5:  # the bodies of several, after all of their heads
            random.shuffle(tails)
            data += b"".join(tails)
            tails.clear()
    data += b"".join(tails)
    usual = HttpunkEngine(client=False, settings=Http2Settings(streams=999, together=True))
    knowing.engine = HttpunkEngine(client=False, settings=Http2Settings(streams=999, together=True))
    knowing.guard = FrameGuard(
        server=True, resets=9, control_frames=9, window=1.0, block=999, known=knowing.engine.known
    )
    found = 0
    told: list[list[Event]] = [[], []]
    for engine in (usual, knowing.engine):
        engine.begin()
    for piece in (hello(), *pieces(data, random)):
        told[0] += usual.receive(piece)
        told[1] += knowing.say(piece)
        found += knowing.found
        for engine in (usual, knowing.engine):
            engine.take()
    assert requests(told[0]) == requests(told[1])
    assert found


def pieces(data: bytes, random: Random) -> Iterator[bytes]:
    """`data` as it may arrive."""
    at = 0
    while at < len(data):
        size = random.choice((100, 1000, 10_000))
        yield data[at : at + size]
        at += size


def requests(events: list[Event]) -> dict[int, tuple[Any, ...]]:
    """What was asked on each stream, with its body."""
    asked: dict[int, tuple[Any, ...]] = {}
    for event in events:
        if isinstance(event, Data):
            asked[event.stream] = (*asked[event.stream][:-1], asked[event.stream][-1] + event.data)
        elif isinstance(event, tuple | RequestHead):
            stream, *said, body = plain(event)
            assert stream not in asked
            asked[stream] = (*said, body or b"")
    return asked


def test_known_heads_are_few() -> None:
    """A peer that has a new one for each request does not fill the memory."""
    known = KnownHeads()
    for number in range(1, 131, 2):
        block = b"\x00\x01x\x03%03d" % number
        assert known.begin(0, block_is_open=False)
        assert known.find(frame(HEADERS, END_HEADERS, number, block), 0) == 0
        known.learn(number, KnownHead("POST", b"/", "http", "a", [], None))
        assert 0 < len(known.heads) <= 32
    assert not known.begin(0, block_is_open=False)
    assert (known.heads, known.candidates) == ({}, {})


def test_requests_that_are_not_learned_leave_nothing() -> None:
    """Those with another method, as many as may come between others that are known."""
    server = Server().learned()
    other = ((b":method", b"GET"), *PLAIN[1:])
    for number in range(11, 211, 4):
        server.say(server.peer.head(number, other))
        server.answer(number)
        server.say(server.ask(number + 2))
        server.answer(number + 2)
        assert server.engine.known is not None
        assert len(server.engine.known.candidates) <= 1


def test_a_block_is_not_learned_as_another_on_its_stream() -> None:
    """Of two heads on one stream in one read the engine tells the first alone."""
    server = Server()
    paths = [(PLAIN[0], PLAIN[1], (b":path", path), *PLAIN[3:]) for path in (b"/first", b"/second")]
    for stream, fields in zip((1, 3), paths, strict=True):  # all is in the table from then on
        server.say(server.ask(stream, fields=fields))
        server.answer(stream)
    server.say(*(server.peer.head(5, fields, ended=False) for fields in paths))
    told = server.say(server.ask(7, fields=paths[1]))
    assert [plain(each)[2] for each in told if isinstance(each, tuple | RequestHead)] == [
        b"/second"
    ]


def test_the_preface_has_no_heads() -> None:
    """Nothing is found before a peer has said its settings."""
    guard = FrameGuard(
        server=True, resets=1, control_frames=1, window=1.0, block=99, known=KnownHeads()
    )
    assert guard.feed(PREFACE, 0.0) is None
