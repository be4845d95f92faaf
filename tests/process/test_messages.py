"""Facts about `mainstay.process.messages`."""

import pytest

from mainstay.errors import InvalidRequest
from mainstay.interfaces.controlled import Outcome
from mainstay.process.channel import PACKET
from mainstay.process.messages import (
    LONG,
    Abort,
    Commit,
    Confirmed,
    Failed,
    FromChild,
    FromParent,
    Heartbeat,
    Hello,
    Listen,
    Listener,
    Pause,
    Prepared,
    Progress,
    Reopen,
    Resume,
    Serving,
    Stop,
    Stopping,
    Welcome,
    decode_from_child,
    decode_from_parent,
    encode,
    shorten,
)

CHILD: list[FromChild] = [
    Hello([1], "n", 7, "hello", {"probation": 3.0, "hang_timeout": None}),
    Listen(1, "tcp://127.0.0.1:0", 1024, True, 0o660),
    Progress("starting"),
    Prepared(["tcp://127.0.0.1:8000"]),
    Serving(),
    Failed("why", 78),
    Heartbeat(1, 2, 3, 4, True),
    Heartbeat(1, 2, 3, 4, True, "worker 'w' fails: no"),
    Stopping(3, "SIGTERM", True),
]
PARENT: list[FromParent] = [
    Welcome(1, "worker", 2, 3, 0.5, 6.0),
    Listener(1, True, "", "unix:/run/x", (3, 4)),
    Commit(),
    Abort("why"),
    Pause(),
    Resume(),
    Stop("why", 3.0, False),
    Reopen(),
]


@pytest.mark.parametrize("message", CHILD, ids=lambda each: type(each).__name__)
def test_what_a_child_says_arrives(message: FromChild) -> None:
    """Whole, and the parent's ears take none of it for its own words."""
    assert decode_from_child(encode(message)) == message
    with pytest.raises(InvalidRequest, match="the parent says what cannot be understood"):
        decode_from_parent(encode(message))


@pytest.mark.parametrize("message", PARENT, ids=lambda each: type(each).__name__)
def test_what_a_parent_says_arrives(message: FromParent) -> None:
    """Whole, and the child's ears take none of it for its own words."""
    assert decode_from_parent(encode(message)) == message
    with pytest.raises(InvalidRequest, match="a child says what cannot be understood"):
        decode_from_child(encode(message))


def test_members_of_a_later_release_are_ignored() -> None:
    """And those that an older one does not send have a default."""
    data = b'{"type":"hello","versions":[1,2],"nonce":"n","pid":7,"colour":"green"}'
    assert decode_from_child(data) == Hello([1, 2], "n", 7)


def test_releases_that_know_nothing_of_trouble_are_understood() -> None:
    """And understand: what is unknown to them they leave out."""
    data = b'{"type":"heartbeat","in_flight":1,"connections":2,"requests":3,"memory":4}'
    assert decode_from_child(data) == Heartbeat(1, 2, 3, 4)


@pytest.mark.parametrize("filling", ["x", "\x1b", "é", "\U0001f600"])
def test_a_long_text_is_told_without_its_middle(filling: str) -> None:
    """However many bytes its characters take: a packet has room for the whole message."""
    for message in (Failed("begin " + filling * 100_000 + " end"), Progress(filling * 100_000)):
        packet = encode(message)
        assert len(packet) <= PACKET
        told = decode_from_child(packet)
        if isinstance(told, Failed):
            assert told.reason.startswith("begin ")
            assert told.reason.endswith(" end")
            assert " characters) … " in told.reason
            assert told.code == 1


def test_the_reasons_of_many_restarts_fit_into_one_packet() -> None:
    """All of them are told, each in part."""
    outcomes = [Outcome(1.0, "restart", False, 2.0, f"{n} " + "\x1b" * 50_000) for n in range(20)]
    packet = encode(Confirmed(outcomes))
    assert len(packet) <= PACKET
    told = decode_from_parent(packet)
    assert isinstance(told, Confirmed)
    assert [each.reason.partition(" ")[0] for each in told.outcomes] == [*map(str, range(20))]


def test_what_is_not_long_is_told_whole() -> None:
    """And of what is long, its beginning and its end, and how much is left out."""
    assert shorten("x" * LONG, LONG) == "x" * LONG
    assert shorten("a" * 6 + "-" * 10 + "z" * 2, 8) == "aaaaaa … (10 characters) … zz"


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"[]", b'{"type":"surprise"}', b'{"type":"hello","pid":"seven"}']
)
def test_what_is_no_message_is_an_error_of_the_peer(data: bytes) -> None:
    """Bytes, another shape, an unknown type, a wrong one in it."""
    with pytest.raises(InvalidRequest):
        decode_from_child(data)
    with pytest.raises(InvalidRequest):
        decode_from_parent(data)
