"""Facts about `examples.im.gateway.feed`: what clients notice when the logic goes and comes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from examples.im import api
from examples.im.frames import Reconnect, Said
from examples.im.gateway.feed import FORGOTTEN
from mainstay.errors import EndOfStream
from tests.examples.im.gateway.house import House, at_home


async def test_a_feed_that_breaks_goes_on_where_it_was() -> None:
    """The clients stay, and hear what was said meanwhile, once."""
    async with at_home() as home, home.guest("ada") as ada:
        await ada.say(home.house.lobby, "before")
        await ada.hears_all()
        home.house.leave_the_room()
        await ada.hears_all(10)
        assert home.house.feeds == 0
        home.house.away = False
        await home.house.post(api.Post(ada.id, home.house.lobby, "client-id", "meanwhile"))
        told = await ada.hears_all(5)
        assert [each.message.text for each in told if isinstance(each, Said)] == ["meanwhile"]
        assert home.house.feeds == 1


class Mute(House):
    """The first feed says nothing after its first page, as one whose other end is gone."""

    async def feed(self, request: api.Since) -> AsyncIterator[api.Events]:
        first = "feed" not in self.calls
        async for page in super().feed(request):
            yield page
            if first:
                await asyncio.sleep(3600)


async def test_a_feed_that_says_nothing_is_given_up() -> None:
    """A page comes each second: after five without one another feed is begun."""
    async with at_home(Mute()) as home, home.guest("ada") as ada:
        await ada.say(home.house.lobby, "hello")
        told = await ada.hears_all(4)
        assert not any(isinstance(each, Said) for each in told)
        told = await ada.hears_all(3)
        assert [each.message.text for each in told if isinstance(each, Said)] == ["hello"]


async def test_a_long_silence_brings_clients_to_begin_anew() -> None:
    """Who has joined what may be forgotten by then: everybody is told to come back, at a time of
    their own."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        home.house.leave_the_room()
        afters = []
        for guest in (ada, bob):
            frame = await guest.hears()
            assert isinstance(frame, Reconnect)
            afters.append(frame.after)
            with pytest.raises(EndOfStream):
                await guest.hears()
            assert guest.socket.close_code == 1012
        assert afters[0] != afters[1]
        assert all(0 <= each <= 10 for each in afters)
        home.house.leave_the_room(False)
        async with home.guest(ada.session) as again:
            await again.say(home.house.lobby, "here again")
            assert len(await again.hears_all(3)) == 2
    assert FORGOTTEN < 60


class PutBack(House):
    """What has happened since can be undone, as by a backup."""

    async def feed(self, request: api.Since) -> AsyncIterator[api.Events]:
        async for page in super().feed(replace(request, after=min(request.after, self.seq))):
            yield page


async def test_a_database_that_was_put_back_brings_clients_to_begin_anew() -> None:
    """The log ends before the gateway's place in it: everybody is told to come back, a cursor from
    before means nothing, and what is said then is heard."""
    async with at_home(PutBack()) as home, home.guest("ada") as ada, home.guest("bob") as bob:
        before = list(home.house.log)
        for number in range(5):
            await ada.say(home.house.lobby, f"number {number}")
        cursor = max(each.message.seq for each in await ada.hears_all() if isinstance(each, Said))
        home.house.leave_the_room()
        await asyncio.sleep(0.5)
        home.house.log[:] = before
        home.house.leave_the_room(False)
        await ada.hears_to_the_end()
        assert ada.socket.close_code == 1012
        async with home.guest(ada.session, cursor=cursor) as again:
            assert not again.welcome.resumed
            assert again.welcome.cursor < cursor
            await again.say(home.house.lobby, "here again")
            told = await again.hears_all(3)
            assert [each.message.text for each in told if isinstance(each, Said)] == ["here again"]
        assert await bob.hears_to_the_end()


async def test_a_logic_that_is_away_is_one_line_and_its_return_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However often it was asked meanwhile, by whichever part of the gateway."""
    with caplog.at_level("INFO", "examples.im"):
        async with at_home() as home:
            home.house.leave_the_room()
            await asyncio.sleep(20)
            assert home.house.calls.count("feed") > 10
            home.house.leave_the_room(False)
            await asyncio.sleep(10)
    said = [(each.levelname, each.getMessage()) for each in caplog.records if "im." in each.name]
    assert [level for level, _ in said] == ["WARNING", "INFO"]
    assert said[0][1].startswith("the logic is away, and is asked until it answers: ")
    assert re.fullmatch(r"the logic answers again, after (19|20|21)\.\d s", said[1][1])
