"""Facts about `mainstay.wire.websocket`, against `websockets` and against bytes made by hand."""

from __future__ import annotations

import itertools
import logging
import os
import struct
import zlib
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from mainstay.errors import ClosedError, UsageError
from mainstay.wire.websocket import SLICE, Closed, Pong, WebSocketWire, fit_reason
from mainstay.wire.websocket_handshake import agree_on_deflate, offer, read_agreement

MAX = 1 << 20


def frame(opcode: int, data: bytes, *, fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """A frame as a client sends it, whatever is wrong with it."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    masked = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes([masked | len(data)])
    elif len(data) < 65536:
        head += struct.pack("!BH", masked | 126, len(data))
    else:
        head += struct.pack("!BQ", masked | 127, len(data))
    if not mask:
        return head + data
    key = os.urandom(4)
    return head + key + bytes(byte ^ each for byte, each in zip(data, itertools.cycle(key)))


def events(wire: WebSocketWire) -> list[Any]:
    return list(iter(wire.next_event, None))


def heard(wire: WebSocketWire, *parts: bytes) -> list[Any]:
    for part in parts:
        wire.receive_data(part)
    return events(wire)


def server(**options: Any) -> WebSocketWire:
    return WebSocketWire(**{"max_size": MAX, **options})


def deflated() -> tuple[WebSocketWire, WebSocketWire]:
    """A server and a client that have agreed on compression."""
    value, extension = agree_on_deflate(offer(b"k" * 16))
    assert value is not None
    fields = [(b"sec-websocket-extensions", value)]
    _, other = read_agreement(fields, b"", compress=True)
    ours = WebSocketWire(max_size=MAX, extension=extension)
    return ours, WebSocketWire(client=True, max_size=MAX, extension=other)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536, 100_000])
@pytest.mark.parametrize("compress", [False, True])
def test_messages_of_every_length_arrive(size: int, compress: bool) -> None:
    """Text and bytes, both ways, whether they are compressed or not."""
    ours, theirs = deflated() if compress else (server(), server(client=True))
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        for message in ("ä" * size, os.urandom(size)):
            sender.send(message)
            assert heard(receiver, sender.data_to_send()) == [message]


def test_what_we_send_is_understood_by_others() -> None:
    """The frames are those of RFC 6455, to another implementation."""
    other = Protocol(CLIENT, max_size=MAX)
    ours = server()
    ours.send("hello")
    ours.send(b"x" * 70_000)
    ours.ping(b"?")
    ours.close(4000, "bye")
    other.receive_data(ours.data_to_send())
    found = other.events_received()
    assert [(each.opcode, bytes(each.data)) for each in found if isinstance(each, Frame)] == [
        (Opcode.TEXT, b"hello"),
        (Opcode.BINARY, b"x" * 70_000),
        (Opcode.PING, b"?"),
        (Opcode.CLOSE, struct.pack("!H", 4000) + b"bye"),
    ]


def test_a_message_may_come_in_parts() -> None:
    """Parts are joined, with control frames in between, and letters torn apart."""
    wire = server()
    letter = "€".encode()
    found = heard(
        wire,
        frame(1, b"a" + letter[:1], fin=False),
        frame(9, b"now"),
        frame(0, letter[1:2], fin=False),
        frame(10, b"late"),
        frame(0, letter[2:] + b"b"),
    )
    assert found == [Pong(b"late"), "a€b"]
    assert wire.data_to_send() == frame(10, b"now", mask=False)


def test_bytes_may_come_one_by_one() -> None:
    """Nothing depends on how the bytes are cut."""
    wire = server()
    data = frame(1, b"hello") + frame(2, b"x" * 300) + frame(8, b"")
    found = [event for byte in data for event in heard(wire, bytes([byte]))]
    assert found == ["hello", b"x" * 300, Closed(1005, "", clean=True)]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(9, b"", fin=False), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(1, b"x", rsv=4), 1002),
        (frame(1, b"x", rsv=2), 1002),
        (frame(1, b"x", rsv=1), 1002),
        (frame(3, b"x"), 1002),
        (frame(11, b"x"), 1002),
        (frame(1, b"x", mask=False), 1002),
        (frame(0, b"x"), 1002),
        (frame(1, b"x", fin=False) + frame(1, b"y"), 1002),
        (frame(8, b"\x03"), 1002),
        (frame(8, struct.pack("!H", 1005)), 1002),
        (frame(8, struct.pack("!H", 999)), 1002),
        (frame(8, struct.pack("!H", 1000) + b"\xff"), 1007),
        (frame(1, b"\xff"), 1007),
        (frame(1, b"\xed\xa0\x80"), 1007),
        (frame(1, b"\xe2\x82", fin=False) + frame(0, b""), 1007),
        (frame(2, b"x" * (MAX + 1))[:14], 1009),
        (frame(2, b"x" * MAX, fin=False) + frame(0, b"x")[:6], 1009),
        (b"\x82\xff" + b"\xff" * 8, 1009),
    ],
    ids=[
        "ping in parts",
        "long ping",
        "rsv1 without extension",
        "rsv2",
        "rsv3",
        "unknown opcode",
        "unknown control frame",
        "unmasked",
        "part of nothing",
        "message inside of a message",
        "half a close code",
        "close code nobody may send",
        "close code below 1000",
        "close reason that is no text",
        "text that is no utf-8",
        "half a surrogate pair",
        "torn letter at the end",
        "too long",
        "too long in parts",
        "absurdly long",
    ],
)
def test_a_violation_ends_the_connection(bad: bytes, code: int) -> None:
    """The peer is told which rule it broke, and nothing it sends afterwards counts."""
    wire = server()
    (closed,) = heard(wire, bad, frame(1, b"more"))
    assert (closed.code, closed.clean) == (code, False)
    sent = wire.data_to_send()
    assert sent[0] == 0x88
    assert struct.unpack("!H", sent[2:4]) == (code,)
    assert wire.ended
    assert heard(wire, frame(1, b"still more")) == []
    assert heard(wire, b"") == []


def test_messages_before_a_violation_arrive() -> None:
    """In order, and then the news."""
    found = heard(server(), frame(1, b"good") + frame(3, b"bad"))
    assert found[0] == "good"
    assert found[1].code == 1002


def test_a_message_may_be_as_long_as_allowed() -> None:
    """And not a byte longer; without a bound, any."""
    assert heard(server(max_size=10), frame(1, b"x" * 10)) == ["x" * 10]
    assert heard(server(max_size=10), frame(1, b"x" * 11))[0].code == 1009
    assert heard(server(max_size=None), frame(2, b"x" * (MAX * 2))) == [b"x" * (MAX * 2)]


def test_a_goodbye_is_answered_with_its_code() -> None:
    """The close frame comes back, and the connection has to be closed."""
    wire = server()
    goodbye = struct.pack("!H", 4001) + b"done"
    assert heard(wire, frame(8, goodbye)) == [Closed(4001, "done", clean=True)]
    assert wire.data_to_send() == frame(8, goodbye, mask=False)
    assert wire.ended
    assert wire.closing


def test_our_goodbye_waits_for_the_answer() -> None:
    """What the peer sent before it heard still arrives."""
    wire = server()
    wire.close(1000, "bye")
    at_once = wire.ended
    assert wire.data_to_send() == frame(8, struct.pack("!H", 1000) + b"bye", mask=False)
    answer = frame(8, struct.pack("!H", 1000))
    found = heard(wire, frame(1, b"on its way"), answer)
    assert found == ["on its way", Closed(1000, "", clean=True)]
    assert (at_once, wire.ended) == (False, True)
    assert wire.data_to_send() == b""


def test_bad_text_after_our_goodbye_is_a_violation_without_a_second_one() -> None:
    """A close frame is sent once."""
    wire = server()
    wire.close()
    wire.data_to_send()
    (closed,) = heard(wire, frame(1, b"\xff"))
    assert closed.code == 1007
    assert wire.data_to_send() == b""


def test_bad_text_before_a_goodbye_is_what_counts() -> None:
    """Though both are parsed at once."""
    (closed,) = heard(server(), frame(1, b"\xff") + frame(8, b""))
    assert (closed.code, closed.clean) == (1007, False)


@pytest.mark.parametrize(
    "before",
    [b"", frame(1, b"half")[:3], frame(1, b"x", fin=False)],
    ids=["nothing", "half a frame", "half a message"],
)
def test_an_end_without_a_goodbye_is_told_apart(before: bytes) -> None:
    """1006, which no peer can send."""
    parts = [before] if before else []
    assert heard(server(), *parts, b"") == [Closed(1006, "", clean=False)]


def test_nothing_is_sent_after_a_goodbye() -> None:
    """Messages are refused; another goodbye and a ping do nothing."""
    wire = server()
    wire.close()
    wire.data_to_send()
    with pytest.raises(ClosedError):
        wire.send("late")
    wire.close(4000)
    heard(wire, frame(8, b""))
    wire.ping()
    assert wire.data_to_send() == b""
    assert repr(wire) == "<WebSocketWire server closing>"


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_may_not_be_sent_are_refused(code: int) -> None:
    """RFC 6455 §7.4 reserves them."""
    with pytest.raises(UsageError, match=f"cannot be closed with {code}"):
        server().close(code)


def test_reasons_are_cut_to_fit() -> None:
    """At 123 bytes, between two letters."""
    assert fit_reason("x" * 200) == "x" * 123
    assert fit_reason("€" * 50) == "€" * 41
    wire = server()
    wire.close(4000, "€" * 50)
    assert len(wire.data_to_send()) == 2 + 2 + 123


def test_half_a_surrogate_pair_cannot_be_sent() -> None:
    """The program is told, and the peer is spared."""
    with pytest.raises(UsageError, match="surrogate"):
        server().send("\ud800")


def test_short_messages_are_not_compressed() -> None:
    """It would make them longer; a long one becomes shorter."""
    ours, _ = deflated()
    ours.send("x" * 100)
    assert len(ours.data_to_send()) == 102
    ours.send("x" * 10_000)
    assert len(ours.data_to_send()) < 100


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=-12)
    data = packer.compress(bytes(size)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(b"\0\0\xff\xff")


def test_a_bomb_is_stopped_at_the_bound() -> None:
    """A message that would decompress to more than is allowed ends the connection, in parts too."""
    for parts in ([frame(2, bomb(MAX + 1), rsv=4)],):
        ours, _ = deflated()
        assert heard(ours, *parts)[0].code == 1009
    ours, _ = deflated()
    first = frame(2, bomb(MAX), rsv=4, fin=False)
    assert heard(ours, first, frame(0, bomb(MAX)))[0].code == 1009


def test_compressed_rubbish_is_a_violation() -> None:
    """Bytes that are no deflate stream, and the bit on a part that may not have it."""
    ours, _ = deflated()
    assert heard(ours, frame(2, b"\xff" * 20, rsv=4))[0].code == 1002


def test_no_more_is_decompressed_than_is_asked_for() -> None:
    """Of a flood of small bombs, one slice at most is opened for the next event."""
    ours, _ = deflated()
    packed = frame(2, bomb(500_000), rsv=4)
    each = SLICE // len(packed) + 1
    ours.receive_data(packed * (each * 10))
    assert isinstance(ours.next_event(), bytes)
    assert len(ours._events) <= each
    assert len(events(ours)) == each * 10 - 1


def test_frames_that_bring_nothing_are_counted() -> None:
    """Pings, pongs and empty parts in the middle of a message; nothing that belongs to one."""
    wire = server()
    heard(wire, frame(9, b"x"), frame(10, b""))
    assert wire.idle == 2
    heard(wire, frame(1, b"", fin=False), frame(0, b"", fin=False), frame(0, b"a", fin=False))
    assert wire.idle == 3
    heard(wire, frame(0, b""), frame(1, b""), frame(2, b"b"))
    assert wire.idle == 3


def test_the_work_of_one_turn_can_be_bounded() -> None:
    """`frames_left` ends it after the slice in which they were used up, and setting it goes on."""
    wire = server()
    wire.receive_data(frame(9, b"") * 2000)
    wire.frames_left = 10
    assert wire.next_event() is None
    assert wire.unparsed
    assert 10 <= wire.idle <= SLICE // 6 + 1
    wire.frames_left = None
    assert wire.next_event() is None
    assert (wire.idle, wire.unparsed) == (2000, False)


def test_the_bytes_of_pongs_are_counted() -> None:
    """Whoever writes can see what the peer makes us send."""
    wire = server()
    heard(wire, frame(9, b"x" * 100) * 10)
    assert wire.pending == 1020
    assert len(wire.data_to_send()) == 1020
    assert wire.pending == 0


def test_what_people_say_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At no level."""
    caplog.set_level(logging.DEBUG)
    wire = server()
    wire.send("a secret")
    heard(wire, frame(1, b"another"), frame(3, b""), b"")
    assert caplog.records == []
