"""Facts about `mainstay.process.channel`: real socket pairs and real descriptors."""

import asyncio
import gc
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mainstay.errors import UsageError
from mainstay.process.channel import MOST_DESCRIPTORS, PACKET, Channel, channel_pair, receive

pytestmark = pytest.mark.real_loop


class End:
    """One end, and what it has heard."""

    def __init__(self, sock: socket.socket) -> None:
        self.packets: list[bytes] = []
        self.descriptors: list[int] = []
        self.ended = 0
        self.news = asyncio.Event()
        self.channel = Channel(sock, self._received, self._ended)

    def _received(self, packet: bytes, descriptors: list[int]) -> None:
        self.packets.append(packet)
        self.descriptors += descriptors
        self.news.set()

    def _ended(self) -> None:
        self.ended += 1
        self.news.set()

    async def until(self, packets: int, ended: int = 0) -> None:
        """Wait until it has heard so much."""
        while len(self.packets) < packets or self.ended < ended:
            self.news.clear()
            await self.news.wait()

    def close(self) -> None:
        """Close it, and what came."""
        self.channel.close()
        for each in self.descriptors:
            os.close(each)


@contextmanager
def ends() -> Iterator[tuple[End, End]]:
    """Two that are connected."""
    one, two = map(End, channel_pair())
    try:
        yield one, two
    finally:
        one.close()
        two.close()


async def test_packets_stay_apart_and_in_order() -> None:
    """Whatever their size, and both ways."""
    with ends() as (one, two):
        sent = [b"x" * size for size in (1, 60_000, 2)]
        for each in sent:
            one.channel.send(each)
        two.channel.send(b"back")
        await two.until(3)
        await one.until(1)
        assert (two.packets, one.packets) == (sent, [b"back"])


async def test_descriptors_arrive_closed_on_exec() -> None:
    """They are the same open file, and what the receiver starts does not get them."""
    reading, writing = os.pipe()
    with ends() as (one, two):
        one.channel.send(b"take it", [writing])
        os.close(writing)
        await two.until(1)
        [got] = two.descriptors
        assert not os.get_inheritable(got)
        os.write(got, b"through")
        assert os.read(reading, 16) == b"through"
    os.close(reading)


async def test_what_finds_no_room_is_sent_later() -> None:
    """In order, with its descriptors, which the sender may close at once."""
    with ends() as (one, two):
        reading, writing = os.pipe()
        for number in range(100):
            one.channel.send(bytes([number]) * 30_000)
        one.channel.send(b"last", [writing])
        os.close(writing)
        await two.until(101)
        assert [each[0] for each in two.packets[:-1]] == list(range(100))
        assert two.packets[-1] == b"last"
        os.write(two.descriptors[0], b"!")
        assert os.read(reading, 1) == b"!"
        os.close(reading)


async def test_the_end_comes_after_all_packets() -> None:
    """Once; what is said afterwards is nobody's."""
    with ends() as (one, two):
        for number in range(10):
            one.channel.send(bytes([number]))
        one.channel.close()
        await two.until(10, ended=1)
        assert two.channel.closed
        two.channel.send(b"too late")
        two.channel.close()
        assert (two.ended, one.ended) == (1, 0)


async def test_the_last_words_of_an_end_that_read_no_more_are_heard() -> None:
    """The kernel speaks of a reset before what was said, and once."""
    one, other = channel_pair()
    two = End(other)
    two.channel.send(b"nobody reads this")
    one.send(b"first")
    one.send(b"last")
    one.close()
    await two.until(2, ended=1)
    assert two.packets == [b"first", b"last"]
    two.close()


async def test_what_is_tied_ends_with_the_process_only() -> None:
    """A channel that is closed after `tie` looks open to the other end."""
    gc.collect()  # or it may free a lower number
    with ends() as (one, two):
        held = os.dup(0)
        os.close(held)
        one.channel.tie()  # takes the lowest number that is free
        one.channel.close()
        two.channel.drain()
        assert two.ended == 0
        os.close(held)
        await two.until(0, ended=1)


async def test_too_much_is_refused() -> None:
    """Before anything is sent."""
    with ends() as (one, _):
        with pytest.raises(UsageError, match="too long"):
            one.channel.send(b"x" * (PACKET + 1))
        with pytest.raises(UsageError, match="too many"):
            one.channel.send(b"x", [0] * (MOST_DESCRIPTORS + 1))


async def test_descriptors_that_there_is_no_room_for_are_none() -> None:
    """The limit of open files: the packet arrives, and says by their absence that they are lost."""
    gc.collect()  # or it may free more than one number
    one, two = channel_pair()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with one, two:
        socket.send_fds(one, [b"two of them"], [0, 0])
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))  # there is room for one
        try:
            assert receive(two) == (b"two of them", [])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(os.dup(0))
