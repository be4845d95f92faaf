"""What httpunk does not have, or does its own way, and this engine makes good."""

import pytest
from hpack import Encoder

from mainstay.wire.http2 import (
    Broken,
    Data,
    ErrorCode,
    Event,
    Http2Engine,
    Http2Settings,
    RequestHead,
    Reset,
    ResponseHead,
)
from mainstay.wire.http2_frames import frame
from mainstay.wire.http2_httpunk import HttpunkEngine
from mainstay.wire.http2_httpunk_client import HttpunkClient
from tests.wire.http2_world import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENGINES,
    GET,
    HEADERS,
    POST,
    SETTINGS,
    FramePeer,
    hello,
    server,
    window,
)

LIMIT = 4096


def blocks(payload: bytes, most: int) -> bytes:
    """A header block in as many frames as it needs."""
    parts = [payload[at : at + most] for at in range(0, len(payload), most)]
    last = len(parts) - 1
    return b"".join(
        frame(
            CONTINUATION if number else HEADERS,
            (END_HEADERS if number == last else 0) | (0 if number else END_STREAM),
            1,
            part,
        )
        for number, part in enumerate(parts)
    )


def fed(payload: bytes) -> list[Event]:
    """What a server whose peer has acknowledged nothing makes of a header block."""
    engine = HttpunkEngine(client=False, settings=Http2Settings(head_size=LIMIT))
    engine.begin()
    engine.receive(hello())
    return engine.receive(blocks(payload, 16_000))


def test_no_head_is_cut_off_in_silence() -> None:
    """Whatever one field above the limit costs on the wire, the head is told as too long.

    The longest that the guard lets through is twice the limit, encoded.
    """
    for size in range(500, 2 * LIMIT * 8 // 5 + 1000, 100):
        value = b"a" * size  # five bits each in Huffman's code
        for extra in (
            [(b"x", value)],
            [(b"x", value), (b"y", b"z")],
            [(b"a", b"b"), (b"x", value)],
        ):
            payload = Encoder().encode([*GET, *extra], huffman=True)
            if len(payload) > 2 * LIMIT:
                continue
            [event] = fed(payload)
            assert isinstance(event, RequestHead)
            whole = 32 * len(extra) + sum(len(name) + len(text) for name, text in extra) <= LIMIT
            assert event.oversize is not whole
            if whole:
                assert event.fields == extra


def test_a_bomb_of_references_is_bounded() -> None:
    """One long entry of the table, named a thousand times, costs the connection."""
    encoder = Encoder()
    payload = encoder.encode([*GET, (b"x", b"a" * 4000)])
    payload += bytes([0x80 | 62]) * 8000  # entry 62 is the newest of the table
    [event] = fed(payload)
    assert isinstance(event, Broken)
    assert event.code == ErrorCode.ENHANCE_YOUR_CALM


def test_limits_hold_before_the_peer_acknowledges_them() -> None:
    """A peer that never does gains nothing; one that does so twice is wrong."""
    [event] = fed(Encoder().encode([*GET, *((b"x%d" % n, b"y" * 50) for n in range(90))]))
    assert isinstance(event, RequestHead)
    assert event.oversize
    engine = server("httpunk")
    acknowledgement = frame(4, 1, 0, b"")
    assert engine.receive(acknowledgement) == []
    assert isinstance(engine.receive(acknowledgement)[-1], Broken)


def test_frames_of_one_byte_are_told_together() -> None:
    """So that small frames cost no more memory than large ones."""
    engine, peer = server("httpunk"), FramePeer()
    engine.receive(peer.head(1, POST, ended=False) + peer.head(3, POST, ended=False))
    tiny = frame(DATA, 0, 1, b"x") * 1000 + frame(DATA, 0, 3, b"y") * 10
    first, second = engine.receive(tiny + frame(DATA, END_STREAM, 3, b"z"))
    assert (first.data, first.ended) == (b"x" * 1000, False)  # type: ignore[union-attr]
    assert (second.data, second.ended) == (b"y" * 10 + b"z", True)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize(
    "head",
    [
        [(b"content-type", b"application/grpc")],
        [(b":status", b"200"), (b":method", b"GET")],
        [(b":status", b"200"), (b":path", b"/")],
    ],
)
def test_a_reply_head_has_a_status_and_no_more(kind: str, head: list[tuple[bytes, bytes]]) -> None:
    """Without it, or with pseudo-fields of a request, the reply is malformed (RFC 9113 §8.3.2):
    its stream is reset, and its neighbours go on."""
    engine: Http2Engine = ENGINES[kind](client=True, settings=Http2Settings())
    engine.begin()
    peer = FramePeer()
    engine.receive(frame(SETTINGS, 0, 0, b""))
    first, second = (engine.request("GET", "http", "a", "/", [], True) for _ in range(2))
    assert (first, second) == (1, 3)
    engine.take()
    assert engine.receive(peer.head(1, head, ended=False)) == [
        Reset(1, ErrorCode.PROTOCOL_ERROR, ours=True)
    ]
    assert engine.receive(peer.head(3, [(b":status", b"200")])) == [ResponseHead(3, 200, [], True)]


def test_a_code_of_the_package_is_told_in_words() -> None:
    """A window that overflows is an error of which the package says no more than its number."""
    engine = HttpunkClient(settings=Http2Settings())
    engine.begin()
    engine.receive(frame(SETTINGS, 0, 0, b""))
    (broken,) = engine.receive(window(0, 2**31 - 1))
    assert broken == Broken(
        ErrorCode.FLOW_CONTROL_ERROR, "the protocol was broken: FLOW_CONTROL_ERROR"
    )


def test_what_cannot_be_sent_is_told_in_words() -> None:
    """Not as the tuple of a code and words that the package raises."""
    engine = HttpunkClient(settings=Http2Settings())
    engine.begin()
    with pytest.raises(ValueError, match=r"^malformed headers$"):
        engine.request("GET", "http", "a", "/", [(b"te", b"anything")], True)


def test_a_body_that_comes_with_its_head_is_told_with_it() -> None:
    """If it is asked for, and one frame has all of it in the same bytes."""
    engine = HttpunkEngine(client=False, settings=Http2Settings(together=True))
    engine.begin()
    peer = FramePeer()
    whole = peer.head(1, POST, ended=False) + frame(DATA, END_STREAM, 1, b"body")
    [_, head] = engine.receive(hello() + whole)
    assert isinstance(head, RequestHead)
    assert (head.body, head.ended) == (b"body", False)
    begun = peer.head(3, POST, ended=False) + frame(DATA, 0, 3, b"bo")
    [head, data] = engine.receive(begun)
    assert isinstance(head, RequestHead)
    assert head.body is None
    [rest] = engine.receive(frame(DATA, END_STREAM, 3, b"dy"))
    assert [(each.data, each.ended) for each in (data, rest) if isinstance(each, Data)] == [
        (b"bo", False),
        (b"dy", True),
    ]
