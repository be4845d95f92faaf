"""Facts about `examples.im.gateway.feed`: what clients notice when the logic goes and comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

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
