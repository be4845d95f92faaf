"""Facts about how the gateway parts with clients, and about those that come back at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from examples.im import api
from examples.im.frames import Acknowledged, Pong, Refused, Said, ServerFrame
from tests.examples.im.gateway.house import Guest, Home, House, at_home


async def closing(guest: Guest) -> int | None:
    """Listen until the gateway says goodbye; its code."""
    await guest.hears_to_the_end()
    return guest.socket.close_code


def texts(frames: list[ServerFrame]) -> list[str]:
    return [each.message.text for each in frames if isinstance(each, Said)]


async def test_who_signs_out_before_hello_is_parted_with() -> None:
    """A socket that has only pinged is ended with its session, as all others are."""
    async with at_home() as home, home.guest("ada", hello=False) as ada:
        await ada.send(type="ping")
        assert await ada.hears() == Pong()
        await home.house.sign_out(api.Token(ada.session.token))
        assert await closing(ada) == 4001
        assert asyncio.get_running_loop().time() < 5


class Pensive(House):
    """Knows who somebody is, and says so a second later."""

    async def who(self, request: api.Token) -> api.Session:
        session = await super().who(request)
        await asyncio.sleep(1)
        return session


async def test_who_signs_out_while_a_socket_opens_is_parted_with() -> None:
    """That the session has ended is heard before whose it was: it is not forgotten."""
    async with at_home(Pensive()) as home, home.guest("ada", hello=False) as ada:
        await asyncio.sleep(0.5)
        await home.house.sign_out(api.Token(ada.session.token))
        assert await closing(ada) == 4001
        assert asyncio.get_running_loop().time() < 5


async def fill(home: Home, ada: Guest) -> None:
    """Say more than the buffers on the way to a client take that does not read."""
    for number in range(200):
        await ada.say(home.house.lobby, f"{number:03}{'x' * 3997}", f"client-{number}")
        while not isinstance(await ada.hears(), Said):
            pass


FAST: dict[str, Any] = {"messages_per_second": 1e6, "burst": 10**6}


async def test_who_signs_out_hears_nothing_more_however_slowly_they_read() -> None:
    """What waits for a client that does not read is dropped when its session ends."""
    async with (
        at_home(outbox=1000, **FAST) as home,
        home.guest("ada") as ada,
        home.guest("bob") as bob,
    ):
        await fill(home, ada)
        await home.house.sign_out(api.Token(bob.session.token))
        await ada.say(home.house.lobby, "bob is gone", "client-last")
        await ada.hears_all()
        heard = texts(await bob.hears_to_the_end())
        assert len(heard) < 200
        assert "bob is gone" not in heard
        assert bob.socket.close_code == 4001


async def test_who_does_not_read_holds_no_drain() -> None:
    """A few seconds after its beginning nobody is here, whoever still has to hear something."""
    async with (
        at_home(outbox=1000, **FAST) as home,
        home.guest("ada") as ada,
        home.guest("bob"),
    ):
        await fill(home, ada)
        draining = asyncio.create_task(home.drained(ada))
        await asyncio.sleep(7)
        assert home.hub.attendees == {}
        await draining


async def test_a_ping_is_no_hello() -> None:
    """Who says anything but hello is sent away after ten seconds, and is not answered faster than a
    user may ask."""
    async with at_home() as home, home.guest("ada", hello=False) as ada:

        async def ping() -> None:
            while True:
                await ada.send(type="ping")

        pinging = asyncio.create_task(ping())
        heard = await ada.hears_to_the_end()
        pinging.cancel()
        assert ada.socket.close_code == 1008
        assert asyncio.get_running_loop().time() == pytest.approx(10, abs=0.5)
        assert 500 <= len(heard) <= 700  # 100 at once, and 50 a second


async def test_coming_back_makes_nobody_faster() -> None:
    """The limit is that of a user, and not of a connection."""
    async with at_home(burst=3, messages_per_second=0.1) as home:
        ada = await home.sign_up("ada")
        async with home.guest(ada) as first:
            for number in range(3):
                await first.say(home.house.lobby, f"number {number}")
            told = await first.hears_all()
            assert sum(isinstance(each, Acknowledged) for each in told) == 3
        async with home.guest(ada) as again:
            await again.say(home.house.lobby, "number 3")
            (refusal,) = await again.hears_all()
            assert isinstance(refusal, Refused)
            assert refusal.code == "rate_limited"
