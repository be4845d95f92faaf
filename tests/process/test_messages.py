"""Facts about `mainstay.process.messages`."""

import pytest

from mainstay.errors import InvalidRequest
from mainstay.process.messages import (
    Abort,
    Commit,
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
)

CHILD: list[FromChild] = [
    Hello([1], "n", 7, "hello", {"probation": 3.0, "hang_timeout": None}),
    Listen(1, "tcp://127.0.0.1:0", 1024, True, 0o660),
    Progress("starting"),
    Prepared(["tcp://127.0.0.1:8000"]),
    Serving(),
    Failed("why", 78),
    Heartbeat(1, 2, 3, 4, True),
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


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"[]", b'{"type":"surprise"}', b'{"type":"hello","pid":"seven"}']
)
def test_what_is_no_message_is_an_error_of_the_peer(data: bytes) -> None:
    """Bytes, another shape, an unknown type, a wrong one in it."""
    with pytest.raises(InvalidRequest):
        decode_from_child(data)
    with pytest.raises(InvalidRequest):
        decode_from_parent(data)
