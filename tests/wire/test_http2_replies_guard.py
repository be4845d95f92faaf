"""Replies that are known are told as those that are decoded, however their bytes are cut."""

import random
from typing import Any

import pytest

from mainstay.wire.http2 import Data, Event, Fields, Http2Settings, Reset, ResponseHead, Trailers
from mainstay.wire.http2_frames import frame
from mainstay.wire.http2_httpunk import _kept
from mainstay.wire.http2_httpunk_client import HttpunkClient
from mainstay.wire.http2_replies_guard import LONGEST_BODY, ReplyGuard
from tests.wire.http2_world import DATA, PADDED, SETTINGS, WINDOW, FramePeer

HEAD: Fields = ((b":status", b"200"), (b"content-type", b"application/grpc"))
OK: Fields = ((b"grpc-status", b"0"), (b"grpc-message", b""))
NO: Fields = ((b"grpc-status", b"5"), (b"grpc-message", b"none"))
WINDOWS = Http2Settings(together=True, connection_window=65_536)


class Server(FramePeer):
    """Answers a client that looks for replies it knows."""

    def __init__(self, *, frames: int = 1000) -> None:
        super().__init__()
        self.client = HttpunkClient(settings=WINDOWS)
        self.guard = ReplyGuard(
            resets=frames,
            control_frames=frames,
            window=10.0,
            block=65_536,
            known=self.client.replies,
        )
        self.cut = 0
        self.client.begin()
        self.take(frame(SETTINGS, 0, 0, b""))

    def ask(self) -> int:
        begun = self.client.request_whole("POST", "http", "a", "/", (), b"?", True)
        assert begun is not None
        self.read(self.client.take())
        return begun[0]

    def reply(
        self, stream: int, body: bytes = b"!", head: Fields = HEAD, end: Fields = OK
    ) -> bytes:
        data = frame(DATA, 0, stream, body)
        return self.head(stream, head, ended=False) + data + self.head(stream, end)

    def take(self, data: bytes) -> list[Any]:
        told = self.guard.look(data, 0.0)
        self.cut += len(self.guard.found)
        return self.client.receive(told, self.guard.found)

    def usual(self, count: int = 20) -> None:
        """So many replies that are alike."""
        for _ in range(count):
            self.take(self.reply(self.ask()))


def said(events: list[Any]) -> dict[int, list[Any]]:
    """Head, body and trailers by stream, whichever way they were told."""
    found: dict[int, list[Any]] = {}
    for event in events:
        if isinstance(event, tuple):
            stream, head, body, end = event
            found[stream] = [head, body, end]
        elif isinstance(event, ResponseHead):
            assert event.status == 200
            found[event.stream] = [event.fields, b"", None]
        elif isinstance(event, Data):
            found[event.stream][1] += event.data
        elif isinstance(event, Trailers):
            found[event.stream][2] = event.fields
    return found


def test_after_some_replies_that_are_alike_the_next_are_known() -> None:
    """And told at once."""
    server = Server()
    server.usual()
    stream = server.ask()
    assert server.take(server.reply(stream, b"hello")) == [(stream, [*HEAD[1:]], b"hello", [*OK])]


@pytest.mark.parametrize("seed", range(12))
def test_however_the_bytes_are_cut_the_same_is_told(seed: int) -> None:
    """Known or not, in one piece or in many, with other frames and other replies between them."""
    chance = random.Random(seed)
    server = Server()
    server.usual()
    expected: dict[int, list[Any]] = {}
    data = b""
    for _ in range(60):
        stream = server.ask()
        body = chance.randbytes(chance.choice((1, 20, 300, LONGEST_BODY, LONGEST_BODY + 1)))
        end = NO if chance.random() < 0.05 else OK
        expected[stream] = [[*HEAD[1:]], body, [*end]]
        data += server.reply(stream, body, end=end)
        if chance.random() < 0.2:
            data += frame(WINDOW, 0, 0, b"\0\0\0\1")
        if len(data) > 8192:
            assert_told(server, data, expected, chance)
            data, expected = b"", {}
    assert_told(server, data, expected, chance)
    assert server.cut > 20


def assert_told(
    server: Server, data: bytes, expected: dict[int, list[Any]], chance: random.Random
) -> None:
    """Feed it in pieces, and give back what was read."""
    events: list[Any] = []
    while data:
        size = chance.choice((1, 7, 30, 500, len(data)))
        events += server.take(data[:size])
        for event in events:
            if isinstance(event, Data):
                server.client.credit(event.stream, len(event.data))
        data = data[size:]
    assert said(events) == expected


def test_windows_are_given_back_for_what_was_cut_out() -> None:
    """So that the server may go on for ever."""
    server = Server()
    server.usual()
    given = 0
    for _ in range(100):
        server.take(server.reply(server.ask(), bytes(1000)))
        given += updates(server)
    assert 100 * 1000 - WINDOWS.connection_window // 4 - 2000 <= given <= 100 * 1000 + 20


def test_windows_are_given_back_for_replies_that_nobody_waits_for_any_more() -> None:
    """A reply may be on its way when its call is cancelled."""
    server = Server()
    server.usual()
    given = 0
    for _ in range(100):
        stream = server.ask()
        server.client.reset(stream, 8)
        told = server.take(server.reply(stream, bytes(1000)))
        assert not [each for each in told if isinstance(each, tuple)]
        given += updates(server)
    assert server.cut > 100
    assert 100 * 1000 - WINDOWS.connection_window // 4 - 2000 <= given <= 100 * 1000 + 20


def test_a_whole_reply_after_a_head_ends_the_call() -> None:
    """It is malformed, and whoever waits is told."""
    server = Server()
    server.usual()
    stream = server.ask()
    cut = server.cut
    server.take(server.head(stream, (*HEAD, (b"x-first", b"1")), ended=False))
    server.usual()
    events = server.take(server.reply(stream))
    assert server.cut > cut
    assert [(each.stream, each.ours) for each in events if isinstance(each, Reset)] == [
        (stream, True)
    ]


def test_a_busy_start_is_no_obstacle() -> None:
    """Many heads before the first end, which changes the table: replies are known soon all the same."""
    server = Server()
    streams = [server.ask() for _ in range(14)]
    for stream in streams:
        server.take(server.head(stream, HEAD, ended=False) + frame(DATA, 0, stream, b"!"))
    for stream in streams:
        server.take(server.head(stream, OK))
    server.usual(20)
    assert server.cut > 5
    stream = server.ask()
    told = server.take(server.reply(stream))
    assert said(told) == {stream: [[*HEAD[1:]], b"!", [*OK]]}


def test_of_two_heads_in_the_same_bytes_neither_is_learned() -> None:
    """The engine tells of one, and it is not known of which."""
    server = Server()
    other = ((b":status", b"404"), *HEAD[1:])
    for head in (HEAD, other):
        server.take(server.reply(server.ask(), head=head))
    streams = [server.ask() for _ in range(12)]
    for stream in streams:
        server.take(server.head(stream, HEAD, ended=False))
    stream = server.ask()
    server.take(b"".join(server.head(stream, head, ended=False) for head in (HEAD, other)))
    for stream in streams:
        server.take(frame(DATA, 0, stream, b"!") + server.head(stream, OK))
    events = server.take(server.reply(server.ask(), head=other))
    assert [each.status for each in events if isinstance(each, ResponseHead)] == [404]


def test_fields_of_a_request_are_kept_no_longer_than_its_connection() -> None:
    """They may be somebody's credentials."""
    server = Server()
    secret = ((b"authorization", b"a-secret"),)
    assert server.client.request_whole("POST", "http", "a", "/", secret, b"?", True) is not None
    assert server.client.request("POST", "http", "a", "/", (*secret,), True) is not None
    assert secret not in _kept


def updates(server: Server) -> int:
    out = server.client.take()
    return sum(
        int.from_bytes(payload, "big")
        for kind, _, stream, payload in server.read(out)
        if kind == WINDOW and not stream
    )


def test_a_block_that_changes_the_table_is_the_end_of_what_is_known() -> None:
    """What was an index of one field may be one of another now."""
    server = Server()
    server.usual()
    server.take(server.reply(server.ask(), end=(*OK, (b"x-new", b"1"))))
    cut = server.cut
    for _ in range(3):
        stream = server.ask()
        assert said(server.take(server.reply(stream))) == {stream: [[*HEAD[1:]], b"!", [*OK]]}
    assert server.cut == cut


def test_heads_that_declare_a_length_are_never_known() -> None:
    """The engine compares it with the body."""
    server = Server()
    head = (*HEAD, (b"content-length", b"1"))
    for _ in range(30):
        server.take(server.reply(server.ask(), head=head))
    assert server.cut == 0
    stream = server.ask()
    events = server.take(server.reply(stream, b"two", head=head))
    assert any(isinstance(each, Reset) and each.ours for each in events)


@pytest.mark.parametrize("what", ["twice", "unknown"])
def test_a_known_reply_on_a_stream_that_waits_for_none_is_not_told(what: str) -> None:
    """It resets the stream, as any other."""
    server = Server()
    server.usual()
    stream = server.ask()
    told: list[Event] = []
    if what == "twice":
        told = server.take(server.reply(stream))
    told = server.take(server.reply(stream if what == "twice" else stream + 100))
    assert not [each for each in told if isinstance(each, tuple)]
    assert told


def test_two_replies_on_a_stream_in_the_same_bytes_are_one() -> None:
    """The second has no stream any more."""
    server = Server()
    server.usual()
    stream = server.ask()
    events = server.take(server.reply(stream, b"1") + server.reply(stream, b"2"))
    assert [each[2] for each in events if isinstance(each, tuple)] == [b"1"]


def test_padded_bodies_are_decoded() -> None:
    """Their length says another thing."""
    server = Server()
    server.usual()
    stream = server.ask()
    data = server.head(stream, HEAD, ended=False)
    data += frame(DATA, PADDED, stream, b"\x02!\0\0") + server.head(stream, OK)
    assert said(server.take(data)) == {stream: [[*HEAD[1:]], b"!", [*OK]]}


def test_a_server_whose_replies_differ_is_soon_not_looked_at_any_more() -> None:
    """Each time it begins to be known something new comes."""
    server = Server()
    for number in range(40):
        server.usual(12)
        server.take(server.reply(server.ask(), end=(*OK, (b"x-new", b"%d" % number))))
    cut = server.cut
    server.usual(20)
    assert server.cut == cut
