import asyncio
from collections.abc import AsyncIterator

import pytest

from mainstay.errors import BrokenError, UsageError
from mainstay.net.client_limits import ClientLimits
from mainstay.net.outgoing import Shared
from mainstay.net.uploading import Upload
from tests.unseen import listen


class World:
    def __init__(self, length: int | None = None) -> None:
        self.shared = Shared(ClientLimits(write_timeout=5.0))
        self.upload = Upload(self.shared, "the server", length)
        self.sent: list[bytes] = []
        self.failed: list[Exception] = []

    def start(self, *parts: bytes) -> None:
        async def body() -> AsyncIterator[bytes]:
            for each in parts:
                yield each

        end = self.sent.append
        self.upload.start(body(), self.sent.append, lambda: end(b"END"), self.failed.append)


async def test_parts_then_the_end() -> None:
    """Empty parts are left out."""
    world = World(length=2)
    world.start(b"a", b"", b"b")
    await asyncio.sleep(1)
    assert (world.sent, world.upload.sent, world.failed) == ([b"a", b"b", b"END"], True, [])
    assert not world.shared.tasks


async def test_a_pause_holds_the_next_part() -> None:
    """Until there is room."""
    world = World()
    world.upload.pause()
    world.start(b"a", b"b")
    await asyncio.sleep(1)
    assert world.sent == [b"a"]
    world.upload.resume()
    await asyncio.sleep(1)
    assert world.sent == [b"a", b"b", b"END"]


async def test_a_long_pause_is_a_failure() -> None:
    """The server takes nothing for `write_timeout`."""
    world = World()
    world.upload.pause()
    world.start(b"a", b"b")
    await asyncio.sleep(6)
    assert [type(each) for each in world.failed] == [BrokenError]
    assert not world.upload.sent


@pytest.mark.parametrize("length", [0, 1, 3])
async def test_another_length_is_a_failure(length: int) -> None:
    """Neither more nor fewer bytes than promised."""
    world = World(length)
    world.start(b"ab")
    await asyncio.sleep(1)
    assert [type(each) for each in world.failed] == [UsageError]
    assert b"END" not in world.sent


async def test_stopping_ends_the_task() -> None:
    """Nobody is told: who stops it knows."""
    world = World()
    world.upload.pause()
    world.start(b"a", b"b")
    await asyncio.sleep(1)
    world.upload.stop()
    await asyncio.sleep(1)
    assert (world.failed, world.upload.sent, len(world.shared.tasks)) == ([], False, 0)


async def test_one_that_is_stopped_in_the_moment_of_its_failure_is_quiet() -> None:
    """Nobody waits any more for what has failed."""
    complaints = listen()
    world = World()
    world.upload.pause()
    world.start(b"a", b"b")
    await asyncio.sleep(0)  # it waits for room from now on
    loop = asyncio.get_running_loop()
    loop.call_at(loop.time() + 5.0, world.upload.stop)
    await asyncio.sleep(6)
    assert world.failed == []
    del world
    assert complaints() == []
