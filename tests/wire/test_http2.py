"""The contract of HTTP/2 engines, on each of them, and on each with each."""

from typing import Any

import pytest

from mainstay.wire.http2 import (
    Broken,
    Data,
    ErrorCode,
    Event,
    Goaway,
    Http2Engine,
    Http2Settings,
    Pong,
    RequestHead,
    Reset,
    ResponseHead,
    Trailers,
    Writable,
)
from mainstay.wire.http2_frames import frame
from tests.wire.http2_world import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENGINES,
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    RST,
    SETTINGS,
    WINDOW,
    FramePeer,
    hello,
    reset,
    server,
    window,
)

pytestmark = pytest.mark.parametrize("kind", ENGINES)


def only(events: list[Event], kind: type[Any]) -> Any:
    """The one event of this kind."""
    [found] = [event for event in events if isinstance(event, kind)]
    return found


def opened(kind: str, fields: Any = GET, *, ended: bool = True, **settings: Any) -> Any:
    """A server engine and a peer with one request, and the events of that."""
    engine, peer = server(kind, **settings), FramePeer()
    return engine, peer, engine.receive(peer.head(1, fields, ended=ended))


def test_a_server_says_its_settings_first(kind: str) -> None:
    """SETTINGS with every limit, then the window of the connection."""
    engine: Http2Engine = ENGINES[kind](client=False, settings=Http2Settings(streams=7))
    engine.begin()
    (first, flags, stream, payload), (second, _, _, more) = FramePeer().read(engine.take())
    values = {
        payload[i + 1]: int.from_bytes(payload[i + 2 : i + 6], "big")
        for i in range(0, len(payload), 6)
    }
    assert (first, flags, stream) == (SETTINGS, 0, 0)
    assert values[3] == 7
    assert values[4] == 65_536
    assert values[5] == 16_384
    assert values[6] == 32 * 1024
    assert values[8] == 1
    assert second == WINDOW
    assert int.from_bytes(more, "big") == (1 << 20) - 65_535


def test_settings_are_acknowledged(kind: str) -> None:
    """Those of the peer, and each time."""
    engine: Http2Engine = ENGINES[kind](client=False, settings=Http2Settings())
    engine.begin()
    engine.take()
    engine.receive(hello((4, 100)))
    assert (SETTINGS, ACK, 0, b"") in FramePeer().read(engine.take())


def test_a_request_without_body(kind: str) -> None:
    """Its head says everything, and that it has ended."""
    _, _, events = opened(kind, (*GET, (b"accept", b"x"), (b"accept", b"y")))
    head = only(events, RequestHead)
    assert (head.stream, head.method, head.target, head.scheme) == (1, "GET", b"/", "http")
    assert (head.authority, head.protocol, head.length) == ("a", "", None)
    assert head.fields == [(b"accept", b"x"), (b"accept", b"y")]
    assert head.ended
    assert not head.oversize


def test_bytes_may_come_one_by_one(kind: str) -> None:
    """However the peer's bytes are cut, the events are the same."""
    engine: Http2Engine = ENGINES[kind](client=False, settings=Http2Settings())
    engine.begin()
    peer = FramePeer()
    sent = hello() + peer.head(1, POST, ended=False) + frame(DATA, END_STREAM, 1, b"body")
    events = [event for byte in sent for event in engine.receive(bytes([byte]))]
    assert only(events, RequestHead).method == "POST"
    assert (only(events, Data).data, only(events, Data).ended) == (b"body", True)


def test_a_response_has_head_and_body(kind: str) -> None:
    """HEADERS and DATA, the last with END_STREAM."""
    engine, peer, _ = opened(kind)
    engine.respond(1, 200, [(b"x-y", b"z")], False)
    assert engine.send(1, b"hello", 0, True) == 5
    head, data = peer.read(engine.take())
    assert head == (HEADERS, END_HEADERS, 1, [(b":status", b"200"), (b"x-y", b"z")])
    assert data == (DATA, END_STREAM, 1, b"hello")


def test_a_response_may_have_trailers_only_after_its_body(kind: str) -> None:
    """They end the stream."""
    engine, peer, _ = opened(kind)
    engine.respond(1, 200, [], False)
    engine.send(1, b"hello", 0, False)
    engine.send_trailers(1, [(b"grpc-status", b"0")])
    *_, last = peer.read(engine.take())
    assert last == (HEADERS, END_HEADERS | END_STREAM, 1, [(b"grpc-status", b"0")])


def test_interim_responses_come_before_the_response(kind: str) -> None:
    """As many as there are, with fields of any length that fits."""
    engine, peer, _ = opened(kind)
    engine.inform(1, 100, [])
    engine.inform(1, 103, [(b"link", b"<" + b"x" * 300 + b">")])
    engine.respond(1, 204, [], True)
    heads = [payload for _, _, _, payload in peer.read(engine.take())]
    assert heads[0] == [(b":status", b"100")]
    assert heads[1] == [(b":status", b"103"), (b"link", b"<" + b"x" * 300 + b">")]
    assert heads[2] == [(b":status", b"204")]


@pytest.mark.parametrize(
    "field",
    [(b"connection", b"close"), (b"te", b"gzip"), (b"x", b"a\r\nb: c"), (b"x y", b"z")],
)
def test_fields_that_must_not_be_sent_are_refused(kind: str, field: tuple[bytes, bytes]) -> None:
    """With ValueError, and the stream can still be answered."""
    engine, peer, _ = opened(kind)
    with pytest.raises(ValueError, match=r"\S"):
        engine.respond(1, 200, [field], False)
    with pytest.raises(ValueError, match=r"\S"):
        engine.inform(1, 103, [field])
    engine.respond(1, 204, [], True)
    assert len(peer.read(engine.take())) == 1


def test_a_body_waits_for_the_window_of_its_stream(kind: str) -> None:
    """What fits goes; the rest after WINDOW_UPDATE, which is told."""
    engine: Http2Engine = ENGINES[kind](client=False, settings=Http2Settings())
    engine.begin()
    peer = FramePeer()
    engine.receive(hello((4, 3)) + peer.head(1, GET))
    engine.respond(1, 200, [], False)
    assert engine.window(1) == 3
    assert engine.window(0) == 65_535
    assert engine.send(1, b"hello", 0, True) == 3
    assert engine.window(1) == 0
    assert engine.window(0) == 65_532
    engine.take()
    assert engine.send(1, b"hello", 3, True) == 0
    assert only(engine.receive(window(1, 10)), Writable).stream == 1
    assert engine.send(1, b"hello", 3, True) == 2


def test_a_window_may_grow_by_settings(kind: str) -> None:
    """A new initial window holds for streams that are open (RFC 9113 §6.9.2)."""
    engine: Http2Engine = ENGINES[kind](client=False, settings=Http2Settings())
    engine.begin()
    peer = FramePeer()
    engine.receive(hello((4, 0)) + peer.head(1, GET))
    engine.respond(1, 200, [], False)
    assert engine.send(1, b"hello", 0, True) == 0
    events = engine.receive(frame(SETTINGS, 0, 0, b"\x00\x04\x00\x00\x00\x04"))
    assert any(isinstance(event, Writable) for event in events)
    assert engine.send(1, b"hello", 0, True) == 4


def test_a_body_waits_for_the_window_of_the_connection(kind: str) -> None:
    """65,535 bytes to begin with, for all streams together, and all of it goes."""
    engine: Http2Engine = ENGINES[kind](client=False, settings=Http2Settings())
    engine.begin()
    peer = FramePeer()
    engine.receive(hello((4, 1_000_000)) + peer.head(1, GET) + peer.head(3, GET))
    for stream in (1, 3):
        engine.respond(stream, 200, [], False)
    body = bytes(60_000)
    sent = {1: 0, 3: 0}
    for _ in range(20):
        for stream in (1, 3):
            sent[stream] += engine.send(stream, body, sent[stream], True)
        engine.take()
    assert sum(sent.values()) == 65_535
    engine.receive(window(0, 1_000_000))
    for _ in range(20):
        for stream in (1, 3):
            if sent[stream] < len(body):
                sent[stream] += engine.send(stream, body, sent[stream], True)
        engine.take()
    assert sent == {1: 60_000, 3: 60_000}


def test_what_is_read_is_credited(kind: str) -> None:
    """The peer gets windows back for what was read, of the stream and of the connection."""
    engine, peer, _ = opened(kind, POST, ended=False)
    engine.take()
    size = 0
    for _ in range(4):
        size += len(only(engine.receive(frame(DATA, 0, 1, bytes(16_000))), Data).data)
    assert peer.read(engine.take()) == []
    engine.credit(1, size)
    updates = {
        stream: int.from_bytes(p, "big")
        for k, _, stream, p in peer.read(engine.take())
        if k == WINDOW
    }
    assert updates.get(1, 0) >= 32_000


def test_more_than_the_window_is_a_violation(kind: str) -> None:
    """FLOW_CONTROL_ERROR, of the stream or of the connection (RFC 9113 §6.9.1)."""
    engine, _, _ = opened(kind, POST, ended=False)
    events = engine.receive(frame(DATA, 0, 1, bytes(16_384)) * 5)
    [bad] = [event for event in events if isinstance(event, Reset | Broken)]
    assert bad.code == ErrorCode.FLOW_CONTROL_ERROR


def test_padding_costs_the_peer_nothing(kind: str) -> None:
    """It is told nowhere, and credited at once."""
    engine, peer, _ = opened(kind, POST, ended=False)
    engine.take()
    size = 0
    for _ in range(300):
        event = only(engine.receive(frame(DATA, PADDED, 1, bytes([250]) + b"x" + bytes(250))), Data)
        assert event.data == b"x"
        engine.credit(1, 1)
        size += sum(
            int.from_bytes(payload, "big")
            for number, _, stream, payload in peer.read(engine.take())
            if number == WINDOW and stream == 1
        )
    assert size > 300 * 252 - 65_536 // 2 - 300


def test_trailers_end_a_body(kind: str) -> None:
    """The body before them is whole."""
    engine, peer, _ = opened(kind, POST, ended=False)
    events = engine.receive(frame(DATA, 0, 1, b"x") + peer.head(1, [(b"x-sum", b"1")]))
    assert only(events, Data).data == b"x"
    assert only(events, Trailers).fields == [(b"x-sum", b"1")]


@pytest.mark.parametrize(
    "fields",
    [
        GET[1:],
        (GET[0], *GET[2:]),
        (*GET[:2], GET[3]),
        (*GET[:2], (b":path", b""), GET[3]),
        (*GET[:2], (b":path", b"x"), GET[3]),
        (*GET[:2], (b":path", b"/a b"), GET[3]),
        (*GET[:2], (b":path", b"/a#b"), GET[3]),
        (*GET[:2], (b":path", b"/"), (b":authority", b"a"), (b"host", b"b")),
        (*GET[:2], (b":path", b"/"), (b":authority", b"u@a")),
        (*GET, (b"host", b"a"), (b"host", b"a")),
        (*GET, GET[0]),
        (*GET, (b"x", b"y"), (b":path", b"/")),
        (*GET, (b":foo", b"x")),
        (*GET, (b":status", b"200")),
        (*GET, (b"X-Upper", b"y")),
        (*GET, (b"x", b"a\x00b")),
        (*GET, (b"x", b"a\nb")),
        (*GET, (b"connection", b"close")),
        (*GET, (b"keep-alive", b"1")),
        (*GET, (b"proxy-connection", b"1")),
        (*GET, (b"transfer-encoding", b"chunked")),
        (*GET, (b"upgrade", b"websocket")),
        (*GET, (b"te", b"gzip")),
        (*GET, (b"content-length", b"5")),
        (*GET, (b"content-length", b"five")),
        (*GET, (b"content-length", b"0"), (b"content-length", b"0")),
        ((b":method", b"CONNECT"), GET[1], GET[3]),
        ((b":method", b"CONNECT"),),
    ],
    ids=lambda fields: " ".join(name.decode() for name, _ in fields),
)
def test_malformed_requests_are_not_told(kind: str, fields: Any) -> None:
    """The stream, or the connection, ends with PROTOCOL_ERROR (RFC 9113 §8.1.1)."""
    engine, peer, events = opened(kind, fields)
    assert not [event for event in events if isinstance(event, RequestHead)]
    [bad] = [event for event in events if isinstance(event, Reset | Broken)]
    assert bad.code == ErrorCode.PROTOCOL_ERROR
    sent = peer.read(engine.take())
    assert [number for number, *_ in sent if number in (RST, GOAWAY)]


def test_the_authority_may_be_the_host_field(kind: str) -> None:
    """Alone, or when it says the same (RFC 9113 §8.3.1)."""
    _, _, events = opened(kind, (*GET[:3], (b"host", b"h")))
    assert only(events, RequestHead).authority == "h"
    _, _, events = opened(kind, (*GET, (b"host", b"A")))
    assert only(events, RequestHead).authority == "a"


def test_cookies_are_one_field(kind: str) -> None:
    """However the peer has cut them (RFC 9113 §8.2.3)."""
    _, _, events = opened(kind, (*GET, (b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")))
    assert only(events, RequestHead).fields == [(b"cookie", b"a=1; b=2"), (b"x", b"y")]


def test_a_body_has_its_declared_length(kind: str) -> None:
    """Less or more is a malformed request (RFC 9113 §8.1.1)."""
    for body in (b"four", b"longer"):
        engine, _, _ = opened(kind, (*POST, (b"content-length", b"5")), ended=False)
        events = engine.receive(frame(DATA, END_STREAM, 1, body))
        [bad] = [event for event in events if isinstance(event, Reset | Broken)]
        assert bad.code == ErrorCode.PROTOCOL_ERROR


def test_a_websocket_is_asked_for_by_extended_connect(kind: str) -> None:
    """RFC 8441."""
    fields = (
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        *GET[1:],
        (b"sec-websocket-version", b"13"),
    )
    engine, peer, events = opened(kind, fields, ended=False)
    head = only(events, RequestHead)
    assert (head.method, head.protocol, head.target) == ("CONNECT", "websocket", b"/")
    engine.respond(1, 200, [], False)
    engine.send(1, b"frame", 0, False)
    assert peer.read(engine.take())[-1] == (DATA, 0, 1, b"frame")


def test_a_proxy_is_asked_for_by_plain_connect(kind: str) -> None:
    """Its target is the authority, and it is no WebSocket."""
    _, _, events = opened(kind, ((b":method", b"CONNECT"), (b":authority", b"x:1")), ended=False)
    head = only(events, RequestHead)
    assert (head.target, head.protocol) == (b"x:1", "")


def test_a_head_that_is_too_long_is_told_so(kind: str) -> None:
    """By size or by count, without its fields; the stream can be answered."""
    for extra in ([(b"x", b"y" * 1200)], [(b"x", b"y")] * 30):
        engine, peer, events = opened(kind, (*GET, *extra), head_size=1024, header_count=20)
        head = only(events, RequestHead)
        assert head.oversize
        assert head.fields == []
        engine.respond(1, 431, [], True)
        assert peer.read(engine.take())[-1][3] == [(b":status", b"431")]


def test_a_reset_of_the_peer_is_told(kind: str) -> None:
    """With its code; what is sent to the stream afterwards is dropped."""
    engine, peer, _ = opened(kind)
    engine.take()
    event = only(engine.receive(reset(1)), Reset)
    assert (event.stream, event.code, event.ours) == (1, ErrorCode.CANCEL, False)
    engine.respond(1, 200, [], False)
    assert engine.send(1, b"x", 0, True) == 1
    engine.send_trailers(1, [])
    engine.credit(1, 1)
    engine.reset(1, 8)
    assert peer.read(engine.take()) == []


def test_our_reset_ends_the_stream(kind: str) -> None:
    """Late data of the peer is swallowed, and its window given back."""
    engine, peer, _ = opened(kind, POST, ended=False)
    engine.take()
    engine.reset(1, ErrorCode.CANCEL)
    assert peer.read(engine.take()) == [(RST, 0, 1, (8).to_bytes(4, "big"))]
    events = engine.receive(frame(DATA, 0, 1, bytes(16_000)))
    assert not [event for event in events if isinstance(event, Data | Broken)]


def test_an_answer_before_the_end_of_the_request_ends_both(kind: str) -> None:
    """RST_STREAM with NO_ERROR tells the peer to send no more (RFC 9113 §8.1)."""
    engine, peer, _ = opened(kind, POST, ended=False)
    engine.take()
    engine.respond(1, 413, [], True)
    assert [number for number, *_ in peer.read(engine.take())] == [HEADERS, RST]
    events = engine.receive(peer.head(3, GET))
    assert only(events, RequestHead).stream == 3


def test_unread_bodies_leave_the_connection_its_window(kind: str) -> None:
    """However many requests are answered without being read."""
    engine, peer = server(kind), FramePeer()
    for number in range(40):
        stream = 2 * number + 1
        data = peer.head(stream, POST, ended=False) + frame(DATA, 0, stream, bytes(16_384)) * 3
        events = engine.receive(data)
        assert not [event for event in events if isinstance(event, Reset | Broken)]
        engine.respond(stream, 204, [], True)
        engine.take()


def test_pings_are_answered(kind: str) -> None:
    """With their payload."""
    engine, peer = server(kind), FramePeer()
    engine.receive(frame(PING, 0, 0, b"12345678"))
    assert peer.read(engine.take()) == [(PING, ACK, 0, b"12345678")]


def test_the_answer_to_our_ping_is_told(kind: str) -> None:
    """It is a sign of life."""
    engine, peer = server(kind), FramePeer()
    engine.ping(b"mainstay")
    assert peer.read(engine.take()) == [(PING, 0, 0, b"mainstay")]
    events = engine.receive(frame(PING, ACK, 0, b"mainstay"))
    assert only(events, Pong).payload == b"mainstay"


def test_a_drain_takes_what_is_on_its_way(kind: str) -> None:
    """GOAWAY twice; between the two new streams are taken, after them they are not."""
    engine, peer, _ = opened(kind)
    engine.take()
    engine.drain()
    goaway, ping = peer.read(engine.take())
    assert goaway == (GOAWAY, 0, 0, (2**31 - 1).to_bytes(4, "big") + bytes(4))
    assert not engine.drained
    assert only(engine.receive(peer.head(3, GET)), RequestHead).stream == 3
    engine.receive(frame(PING, ACK, 0, ping[3]))
    assert engine.drained
    assert peer.read(engine.take()) == [(GOAWAY, 0, 0, (3).to_bytes(4, "big") + bytes(4))]
    assert engine.receive(peer.head(5, GET)) == []
    engine.respond(1, 204, [], True)
    assert peer.read(engine.take())[0][:3] == (HEADERS, END_HEADERS | END_STREAM, 1)


def test_a_drain_need_not_wait_for_the_peer(kind: str) -> None:
    """The last stream can be said at any time, once."""
    engine, peer, _ = opened(kind)
    engine.drain()
    engine.take()
    engine.drain_now()
    engine.drain_now()
    assert peer.read(engine.take()) == [(GOAWAY, 0, 0, (1).to_bytes(4, "big") + bytes(4))]
    assert engine.drained


def test_a_peer_that_leaves_is_still_answered(kind: str) -> None:
    """Its GOAWAY is told, and its streams go on."""
    engine, peer, _ = opened(kind)
    engine.take()
    event = only(engine.receive(frame(GOAWAY, 0, 0, bytes(8))), Goaway)
    assert (event.last, event.code) == (0, 0)
    engine.respond(1, 204, [], True)
    assert peer.read(engine.take())[0][0] == HEADERS


@pytest.mark.parametrize(
    "bad",
    [
        frame(DATA, 0, 0, b"x"),
        frame(DATA, 0, 5, b"x"),
        frame(RST, 0, 9, bytes(4)),
        frame(SETTINGS, 0, 1, b""),
        frame(SETTINGS, 0, 0, b"x"),
        frame(SETTINGS, ACK, 0, b"123456"),
        frame(SETTINGS, 0, 0, b"\x00\x02\x00\x00\x00\x02"),
        frame(SETTINGS, 0, 0, b"\x00\x05\x00\x00\x00\x01"),
        frame(PING, 0, 0, b"short"),
        frame(PING, 0, 1, b"12345678"),
        frame(WINDOW, 0, 0, bytes(4)),
        frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"),
        frame(CONTINUATION, END_HEADERS, 1, b""),
        frame(HEADERS, END_HEADERS, 2, b"\x82"),
        frame(HEADERS, END_HEADERS, 3, b"\xff\xff\xff\xff\xff\xff"),
        b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    ],
    ids=lambda bad: f"{bad[3]}-{bad.hex()[:30]}",
)
def test_violations_end_the_connection(kind: str, bad: bytes) -> None:
    """`Broken` is the last event, and GOAWAY with its code is there to be written."""
    engine, peer = server(kind), FramePeer()
    engine.receive(peer.head(1, GET, ended=False))
    broken = engine.receive(bad)[-1]
    assert isinstance(broken, Broken)
    last = peer.read(engine.take())[-1]
    assert last[0] == GOAWAY
    assert int.from_bytes(last[3][4:8], "big") == broken.code != 0


def test_another_protocol_is_no_http2(kind: str) -> None:
    """A wrong preface breaks the connection."""
    engine: Http2Engine = ENGINES[kind](client=False, settings=Http2Settings())
    engine.begin()
    assert isinstance(engine.receive(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")[-1], Broken)


def test_a_lost_cause_is_said(kind: str) -> None:
    """`fail` writes GOAWAY with the code."""
    engine, peer, _ = opened(kind)
    engine.take()
    engine.fail(ErrorCode.ENHANCE_YOUR_CALM)
    assert peer.read(engine.take()) == [(GOAWAY, 0, 0, b"\x00\x00\x00\x01\x00\x00\x00\x0b")]


class TestPairs:
    """A client of one engine and a server of one, in all combinations."""

    pytestmark = pytest.mark.parametrize("other", ENGINES)

    def pair(self, kind: str, other: str) -> tuple[Http2Engine, Http2Engine]:
        """A client and a server that have greeted."""
        client: Http2Engine = ENGINES[kind](client=True, settings=Http2Settings())
        serving: Http2Engine = ENGINES[other](client=False, settings=Http2Settings(streams=3))
        client.begin()
        serving.begin()
        for _ in range(3):
            assert not [e for e in serving.receive(client.take()) if isinstance(e, Broken)]
            assert not [e for e in client.receive(serving.take()) if isinstance(e, Broken)]
        return client, serving

    def test_a_request_gets_its_response(self, kind: str, other: str) -> None:
        """Heads, bodies and trailers in both directions."""
        client, serving = self.pair(kind, other)
        stream = client.request("POST", "https", "a.b", "/x?y", [(b"k", b"v")], False)
        assert stream == 1
        client.send(stream, b"ask", 0, False)
        client.send_trailers(stream, [(b"t", b"1")])
        head, data, trailers = serving.receive(client.take())
        assert isinstance(head, RequestHead)
        assert (head.scheme, head.authority, head.target) == ("https", "a.b", b"/x?y")
        assert head.fields == [(b"k", b"v")]
        assert isinstance(data, Data)
        assert data.data == b"ask"
        assert isinstance(trailers, Trailers)
        serving.inform(stream, 103, [(b"link", b"x")])
        serving.respond(stream, 200, [(b"k", b"w")], False)
        serving.send(stream, b"answer", 0, False)
        serving.send_trailers(stream, [(b"grpc-status", b"0")])
        answer, data, trailers = client.receive(serving.take())
        assert answer == ResponseHead(1, 200, [(b"k", b"w")], False)
        assert isinstance(data, Data)
        assert data.data == b"answer"
        assert trailers == Trailers(1, [(b"grpc-status", b"0")])

    def test_a_request_goes_with_its_body(self, kind: str, other: str) -> None:
        """In one call, whole or begun; what a window holds back is said."""
        client, serving = self.pair(kind, other)
        fields = ((b"k", b"v"),)
        assert client.request_whole("POST", "http", "a", "/", fields, b"ask", True) == (1, 3)
        assert client.request_whole("POST", "http", "a", "/", fields, b"", False) == (3, 0)
        long = bytes(70_000)
        begun = client.request_whole("POST", "http", "a", "/", fields, long, True)
        assert begun is not None
        number, sent = begun
        assert (number, 0 < sent < len(long)) == (5, True)
        assert client.request_whole("POST", "http", "a", "/", fields, b"", True) is None
        events = serving.receive(client.take())
        assert [e.stream for e in events if isinstance(e, RequestHead)] == [1, 3, 5]
        parts = [e for e in events if isinstance(e, Data)]
        assert [e.stream for e in parts if e.ended] == [1]
        assert sum(len(e.data) for e in parts if e.stream == 1) == 3
        assert sum(len(e.data) for e in parts if e.stream == 5) == sent

    def test_a_request_that_cannot_be_sent_takes_no_place(self, kind: str, other: str) -> None:
        """ValueError, and nothing of it has gone."""
        client, _serving = self.pair(kind, other)
        with pytest.raises(ValueError, match=r"."):
            client.request_whole("POST", "http", "a", "/", ((b"connection", b"x"),), b"ask", True)
        assert client.request_whole("POST", "http", "a", "/", (), b"ask", True) == (1, 3)

    def test_a_long_body_goes_through_by_credit(self, kind: str, other: str) -> None:
        """A million bytes each way, in windows of 64 KiB."""
        client, serving = self.pair(kind, other)
        body = bytes(range(256)) * 4000
        stream = client.request("POST", "http", "a", "/", [], False)
        assert stream is not None
        sent = back = 0
        got, returned = bytearray(), bytearray()
        serving.receive(client.take())
        serving.respond(stream, 200, [], False)
        for _ in range(2000):
            sent += client.send(stream, body, sent, sent < len(body)) if sent < len(body) else 0
            for event in serving.receive(client.take()):
                if isinstance(event, Data):
                    got += event.data
                    serving.credit(stream, len(event.data))
            # The response ends after the request: a server's end is the end of both.
            last = len(got) == len(body)
            if back < len(body) - 1 or (last and back < len(body)):
                end = len(body) if last else len(body) - 1
                back += serving.send(stream, body[:end], back, last)
            for event in client.receive(serving.take()):
                if isinstance(event, Data):
                    returned += event.data
                    client.credit(stream, len(event.data))
        assert bytes(got) == body
        assert bytes(returned) == body

    def test_a_client_keeps_to_the_number_of_streams(self, kind: str, other: str) -> None:
        """One more is None, until one has ended."""
        client, serving = self.pair(kind, other)
        numbers = [client.request("GET", "http", "a", "/", [], True) for _ in range(4)]
        assert numbers == [1, 3, 5, None]
        serving.receive(client.take())
        serving.respond(1, 204, [], True)
        client.receive(serving.take())
        assert client.request("GET", "http", "a", "/", [], True) == 7

    def test_goaway_gives_back_what_was_not_seen(self, kind: str, other: str) -> None:
        """A stream above the last one is told as refused, so that it can be asked elsewhere."""
        client, serving = self.pair(kind, other)
        client.request("GET", "http", "a", "/", [], True)
        serving.receive(client.take())
        serving.drain_now()
        client.request("GET", "http", "a", "/", [], True)
        events = client.receive(serving.take())
        assert Reset(3, ErrorCode.REFUSED_STREAM) in events
        assert serving.receive(client.take()) == [] or serving.drained
        serving.respond(1, 204, [], True)
        assert ResponseHead(1, 204, [], True) in client.receive(serving.take())

    def test_a_reset_reaches_the_other_side(self, kind: str, other: str) -> None:
        """In both directions."""
        client, serving = self.pair(kind, other)
        client.request("POST", "http", "a", "/", [], False)
        client.request("POST", "http", "a", "/", [], False)
        serving.receive(client.take())
        client.reset(1, ErrorCode.CANCEL)
        serving.reset(3, ErrorCode.INTERNAL_ERROR)
        assert Reset(1, ErrorCode.CANCEL) in serving.receive(client.take())
        assert Reset(3, ErrorCode.INTERNAL_ERROR) in client.receive(serving.take())
