"""Connections that are told to leave for their age."""

import asyncio

from mainstay.net.exchange import Exchange
from tests.net.http2_world import Wire
from tests.net.memory_port import make_port
from tests.net.test_port import Fake, ignore
from tests.wire.http2_world import GET, GOAWAY


async def test_a_connection_is_told_to_leave_when_it_is_old() -> None:
    """Within a tenth of its age, so that not all leave at once; one that has left is not told."""
    port = make_port(ignore, connection_age=10)
    port._random = iter((0.0, 1.0, 0.5)).__next__
    young, old, gone = Fake(), Fake(), Fake()
    for each in (young, old, gone):
        port.joined(each)
    port.closed(gone)
    await asyncio.sleep(8.9)
    assert (young.told, old.told) == ([], [])
    await asyncio.sleep(0.2)
    assert (young.told, old.told) == (["drain"], [])
    await asyncio.sleep(2.0)
    assert (young.told, old.told, gone.told) == (["drain"], ["drain"], [])


async def test_one_that_stays_is_cut_off_after_the_grace() -> None:
    """Unless there is no bound for it."""
    port = make_port(ignore, connection_age=10, age_grace=5)
    stays, leaves = Fake(), Fake()
    port.joined(stays)
    port.joined(leaves)
    await asyncio.sleep(11)
    port.closed(leaves)
    await asyncio.sleep(5)
    assert (stays.told, leaves.told) == (["drain", "abort"], ["drain"])


async def test_a_call_under_way_on_an_old_connection_is_answered() -> None:
    """GOAWAY goes out twice, the reply in between, and then the connection is closed."""
    late: list[Exchange] = []
    wire = Wire(late.append, connection_age=10, ping_interval=None)
    wire.say(wire.peer.head(1, GET))
    wire.heard()
    await asyncio.sleep(12.5)
    assert [kind for kind, *_ in wire.heard()] == [GOAWAY, 6, GOAWAY]
    assert not wire.transport.closed
    late[0].respond(200, None, (), b"done")
    frames = await wire.settled()
    assert wire.body(frames) == b"done"
    assert wire.transport.closed
