"""What the connections of a server share."""

import asyncio

from mainstay.net.exchange import Exchange
from tests.net.memory_port import make_port


class Fake:
    """A connection that notes what it is told."""

    busy = False

    def __init__(self) -> None:
        self.told: list[str] = []

    def drain(self) -> None:
        self.told.append("drain")

    def abort(self) -> None:
        self.told.append("abort")


def ignore(exchange: Exchange) -> None:
    """Answers nobody."""


async def test_the_date_is_made_once_a_second() -> None:
    """It changes when the second does, though it was first asked for in its midst."""
    port = make_port(ignore)
    first = port.date()
    assert first == b"Sun, 06 Nov 1994 08:49:37 GMT"
    await asyncio.sleep(0.7)
    assert port.date() is first
    assert port.now == 0.7
    await asyncio.sleep(0.1)
    assert port.date() == b"Sun, 06 Nov 1994 08:49:38 GMT"


async def test_every_connection_is_told_of_the_drain_and_of_the_end() -> None:
    """Those that leave meanwhile too."""
    port = make_port(ignore)
    connections = [Fake(), Fake()]
    port.connections.update(connections)
    seen = [port.draining]
    port.drain()
    seen.append(port.draining)
    assert seen == [False, True]
    port.abort()
    assert [each.told for each in connections] == [["drain", "abort"]] * 2


async def test_it_is_waited_for_until_the_last_has_left() -> None:
    """By several at once; one that gives up takes nobody along."""
    port = make_port(ignore)
    await port.wait_empty()
    one, other = Fake(), Fake()
    port.connections.update([one, other])
    waiting = [asyncio.create_task(port.wait_empty()) for _ in range(2)]
    await asyncio.sleep(1)
    port.closed(one)
    waiting[0].cancel()
    await asyncio.sleep(1)
    assert waiting[0].cancelled()
    assert not waiting[1].done()
    port.closed(other)
    port.closed(other)
    await waiting[1]
