import asyncio

import pytest

from mainstay.errors import BrokenError
from mainstay.net.client_limits import ClientLimits
from mainstay.net.outgoing import Incoming, Outgoing, Shared


def incoming(read_timeout: float = 30.0) -> tuple[Incoming, list[object]]:
    seen: list[object] = []
    shared = Shared(ClientLimits(read_timeout=read_timeout))
    return Incoming(shared, "the server", seen.append, lambda: seen.append("left")), seen


async def test_reading_makes_room() -> None:
    """The connection is told how much was taken, and nothing at the end."""
    reply, seen = incoming()
    reply.inbox.add(b"ab")
    reply.inbox.add(b"c")
    reply.inbox.end()
    assert await reply.receive() == b"abc"
    assert await reply.receive() == b""
    assert seen == [3]


async def test_leaving_is_told_before_the_end_only() -> None:
    """After the end there is nothing to give up."""
    reply, seen = incoming()
    reply.close()
    assert seen == ["left"]
    reply.inbox.end()
    reply.close()
    assert seen == ["left"]


async def test_silence_gives_up() -> None:
    """Every part has `read_timeout` of its own."""
    reply, seen = incoming(read_timeout=10.0)
    loop = asyncio.get_running_loop()
    loop.call_later(9, reply.inbox.add, b"a")
    loop.call_later(18, reply.inbox.add, b"b")
    assert await reply.receive() == b"a"
    assert await reply.receive() == b"b"
    with pytest.raises(BrokenError, match="the server sent nothing"):
        await reply.receive()
    assert seen == [1, 1, "left"]
    assert loop.time() == pytest.approx(28, abs=0.1)


async def test_texts() -> None:
    """Where it goes, and nothing of what is in it."""
    outgoing = Outgoing("GET", "http", "h", "/?token=x", [(b"authorization", b"x")], b"ab")
    assert repr(outgoing) == "<Outgoing GET h>"
    assert outgoing.length == 2
    reply, _ = incoming()
    assert repr(reply) == "<Incoming 0 of the server>"
