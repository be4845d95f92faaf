"""Floods are counted before anything is spent on them."""

from typing import Any

import pytest

from mainstay.wire.http2 import PREFACE, ErrorCode
from mainstay.wire.http2_frames import frame
from mainstay.wire.http2_guard import SMALL, FrameGuard, Violation
from tests.wire.http2_world import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    SETTINGS,
    hello,
    reset,
    window,
)

PRIORITY, UNKNOWN = 2, 0x77


def guard(**limits: Any) -> FrameGuard:
    """One that has been greeted, with ten of everything."""
    given = {"resets": 10, "control_frames": 10, "window": 5.0, "block": 1000}
    made = FrameGuard(server=True, **(given | limits))
    made.feed(hello(), 100.0)
    return made


def violation(made: FrameGuard, data: bytes, now: float = 100.0) -> ErrorCode:
    """The code for which this ends the connection."""
    with pytest.raises(Violation) as caught:
        made.feed(data, now)
    return caught.value.code


@pytest.mark.parametrize(
    "flood",
    [
        frame(PING, 0, 0, bytes(8)),
        frame(SETTINGS, 0, 0, b""),
        frame(SETTINGS, ACK, 0, b""),
        frame(PRIORITY, 0, 1, bytes(5)),
        frame(UNKNOWN, 0, 1, b"x" * 50),
        frame(DATA, 0, 1, b""),
        frame(GOAWAY, 0, 0, bytes(8)),
        reset(1),
        window(0, SMALL - 1),
    ],
    ids=lambda flood: str(flood[3]),
)
def test_a_flood_ends_the_connection(flood: bytes) -> None:
    """The eleventh is one too many, in one piece or in many."""
    made = guard()
    made.feed(flood * 9, 100.0)
    assert violation(made, flood * 2) == ErrorCode.ENHANCE_YOUR_CALM
    made = guard()
    for byte in flood * 9:
        made.feed(bytes([byte]), 100.0)
    assert violation(made, flood * 2) == ErrorCode.ENHANCE_YOUR_CALM


def test_time_makes_good() -> None:
    """Ten a window are fine for ever."""
    made = guard()
    for turn in range(100):
        made.feed(frame(PING, 0, 0, bytes(8)) * 10, 106.0 + 6 * turn)
        made.feed(reset(1) * 10, 106.0 + 6 * turn)


def test_what_serves_the_transfer_is_not_counted() -> None:
    """Requests, data, its end, and windows."""
    made = guard()
    request = frame(HEADERS, END_HEADERS, 1, bytes(20)) + frame(DATA, 0, 1, b"x")
    made.feed((request + frame(DATA, END_STREAM, 1, b"") + window(0, 1024)) * 1000, 100.0)


def test_resets_that_the_peer_provokes_count_as_its_own() -> None:
    """CVE-2025-8671."""
    made = guard()
    for _ in range(10):
        made.count_reset(100.0)
    with pytest.raises(Violation):
        made.count_reset(100.0)


@pytest.mark.parametrize(
    "answer", [window(0, 5), frame(PING, 0, 0, bytes(8))], ids=["window", "ping"]
)
def test_small_replies_may_be_answered(answer: bytes) -> None:
    """By updates of their stream and of the connection, and a ping, for each part written."""
    made = guard()
    for _ in range(100):
        made.wrote(5)
    made.feed(answer * 309, 100.0)
    assert violation(made, answer) == ErrorCode.ENHANCE_YOUR_CALM


def test_each_frame_of_a_large_reply_may_be_answered_by_a_ping() -> None:
    """That is how clients of gRPC learn how much is on its way."""
    made = guard()
    made.wrote(1_000 * 2**14)
    made.feed(frame(PING, 0, 0, bytes(8)) * 1_000, 100.0)
    assert violation(made, frame(PING, 0, 0, bytes(8)) * 14) == ErrorCode.ENHANCE_YOUR_CALM


def test_a_server_may_update_in_crumbs() -> None:
    """It is asked for what it does, and uploads may be small."""
    made = FrameGuard(server=False, resets=9, control_frames=9, window=1, block=99)
    made.feed(frame(SETTINGS, 0, 0, b"") + window(0, 1) * 1000, 100.0)


def test_refused_streams_count_once_the_peer_knows_the_bound() -> None:
    """What it sent with the acknowledgement was sent before; and it cannot wait for ever."""
    made = guard()
    for _ in range(50):
        made.count_refused(50, 100.0)
    made.feed(frame(SETTINGS, ACK, 0, b""), 106.0)
    for _ in range(50):
        made.count_refused(50, 106.0)
    made.feed(b"", 106.0)
    for _ in range(10):
        made.count_refused(50, 106.0)
    with pytest.raises(Violation, match="reset"):
        made.count_refused(50, 106.0)
    slow = guard()
    for _ in range(60):
        slow.count_refused(50, 100.0)
    with pytest.raises(Violation, match="reset"):
        slow.count_refused(50, 100.0)


def test_a_header_block_has_a_size() -> None:
    """In one frame or in many, also before they are whole, and each block anew."""
    assert violation(guard(), frame(HEADERS, END_HEADERS, 1, bytes(1001))) == 11
    assert violation(guard(), frame(HEADERS, END_HEADERS, 1, bytes(1001))[:9]) == 11
    made = guard()
    for _ in range(5):
        made.feed(frame(HEADERS, 0, 1, bytes(500)), 100.0)
        made.feed(frame(CONTINUATION, END_HEADERS, 1, bytes(500)), 100.0)
    made.feed(frame(HEADERS, 0, 1, bytes(500)), 100.0)
    assert violation(made, frame(CONTINUATION, 0, 1, bytes(501))) == 11


def test_empty_continuations_are_a_flood() -> None:
    """They grow nothing and never end."""
    made = guard()
    made.feed(frame(HEADERS, 0, 1, b""), 100.0)
    assert violation(made, frame(CONTINUATION, 0, 1, b"") * 10) == 11


def test_the_first_frame_is_settings() -> None:
    """And no acknowledgement (RFC 9113 §3.4)."""
    for first in (frame(PING, 0, 0, bytes(8)), frame(SETTINGS, ACK, 0, b"")):
        made = FrameGuard(server=True, resets=9, control_frames=9, window=1, block=99)
        assert violation(made, PREFACE + first) == ErrorCode.PROTOCOL_ERROR


def test_goaway_is_about_the_connection() -> None:
    """On a stream it is a violation (RFC 9113 §6.8)."""
    assert violation(guard(), frame(GOAWAY, 0, 1, bytes(8))) == ErrorCode.PROTOCOL_ERROR


def test_it_knows_when_a_head_is_not_whole() -> None:
    """From its first byte, or the connection's, to its last."""
    made = FrameGuard(server=True, resets=9, control_frames=9, window=1, block=999)
    head = frame(HEADERS, 0, 1, bytes(20))
    steps = [
        (b"", True),
        (PREFACE, True),
        (hello()[len(PREFACE) :], False),
        (head[:15], True),
        (head[15:20], True),
        (head[20:], True),  # CONTINUATION is to come
        (frame(CONTINUATION, END_HEADERS, 1, b"x"), False),
        (frame(DATA, 0, 1, bytes(99))[:50], False),
    ]
    for data, within in steps:
        made.feed(data, 0.0)
        assert made.in_head is within
