import asyncio
import socket
from typing import Any

import pytest

from mainstay.net import eyeballs
from mainstay.net.eyeballs import DELAY, connect, take_turns
from tests.net.closed_port import closed_port

V4, V6 = socket.AF_INET, socket.AF_INET6


def test_families_take_turns() -> None:
    """The resolver's first family begins (RFC 8305 §4)."""
    targets: list[Any] = [(V6, "a"), (V6, "b"), (V6, "c"), (V4, "d"), (V4, "e")]
    assert [address for _, address in take_turns(targets)] == ["a", "d", "b", "e", "c"]


class World:
    """Addresses that answer, refuse or are silent, instead of the network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, float | None]) -> None:
        self.tried: list[tuple[str, float]] = []
        self.made: list[socket.socket] = []
        self.answers = answers
        loop = asyncio.get_running_loop()

        async def resolve(*_: Any, **__: Any) -> list[Any]:
            return [(V6 if ":" in each else V4, 0, 0, "", each) for each in answers]

        async def reach(family: Any, address: str) -> socket.socket:
            self.tried.append((address, loop.time()))
            delay = self.answers[address]
            if delay is None:
                raise ConnectionRefusedError(address)
            await asyncio.sleep(delay)
            self.made.append(socket.socket())
            return self.made[-1]

        monkeypatch.setattr(loop, "getaddrinfo", resolve)
        monkeypatch.setattr(eyeballs, "_connect", reach)


async def test_a_silent_address_does_not_hold_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next is tried after a quarter of a second, and the silent one is given up."""
    world = World(monkeypatch, {"::1": 3600.0, "1.1.1.1": 0.1, "2.2.2.2": 0.1})
    made = await connect("a", 80)
    assert [each for each, _ in world.tried] == ["::1", "1.1.1.1"]
    assert world.tried[1][1] == pytest.approx(DELAY)
    assert asyncio.get_running_loop().time() == pytest.approx(DELAY + 0.1)
    made.close()


async def test_a_refusal_starts_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for an address that said no."""
    world = World(monkeypatch, {"::1": None, "1.1.1.1": 0.0})
    (await connect("a", 80)).close()
    assert world.tried == [("::1", 0.0), ("1.1.1.1", 0.0)]


async def test_the_last_refusal_is_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """When none answers."""
    World(monkeypatch, {"::1": None, "1.1.1.1": None})
    with pytest.raises(ConnectionRefusedError, match=r"1\.1\.1\.1"):
        await connect("a", 80)


async def test_a_second_winner_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that answer at the same moment leave one socket."""
    world = World(monkeypatch, {"::1": DELAY, "1.1.1.1": 0.0})
    made = await connect("a", 80)
    await asyncio.sleep(1)
    assert [each.fileno() for each in world.made if each is not made] == [-1] * (
        len(world.made) - 1
    )
    made.close()


async def test_cancelling_gives_up_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """No attempt is left behind."""
    World(monkeypatch, {"::1": 3600.0, "1.1.1.1": 3600.0})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connect("a", 80), 10)
    assert len(asyncio.all_tasks()) == 1


async def test_a_real_address() -> None:
    """A connected socket that does not block, without Nagle's delay."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with await connect("127.0.0.1", port) as made:
            assert made.gettimeout() == 0
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    with closed_port() as port, pytest.raises(ConnectionRefusedError):
        await connect("127.0.0.1", port)
