"""Facts about `examples.im.gateway.hub`: who hears of what."""

from __future__ import annotations

import asyncio

from examples.im import api
from examples.im.frames import Here, Joined, Left, Marked, Said, Writing
from tests.examples.im.gateway.house import at_home


async def test_presence_is_told_to_screens_that_show_it() -> None:
    """Who looks at a user hears how it is and how it changes; who does not, nothing."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        home.house.presences[7] = api.Presence(7, online=False, last_seen=5)
        await ada.send(type="look", users=[7])
        (now,) = await ada.hears_all()
        assert isinstance(now, Here)
        assert now.presences == [api.Presence(7, False, 5)]
        event = home.house.tell(api.Presence(7, online=True))
        home.house.tell(api.Presence(8, online=True))
        assert await ada.hears_all() == [Here(event.seq, [api.Presence(7, True)])]
        assert await bob.hears_all() == []
        await ada.send(type="look")
        await ada.hears_all(0.1)
        home.house.tell(api.Presence(7, online=False))
        assert await ada.hears_all() == []


async def test_writing_is_told_to_members_whose_screens_show_the_conversation() -> None:
    """The one who writes does not hear it, nor does a stranger who looks."""
    async with (
        at_home() as home,
        home.guest("ada") as ada,
        home.guest("bob") as bob,
        home.guest("eve") as eve,
    ):
        room = await home.house.create(api.Ask(ada.id, text="tea"))
        await home.house.join(api.Ask(bob.id, room.id))
        for guest in (ada, bob, eve):
            await guest.send(type="look", conversation=room.id)
            await guest.hears_all(0.1)
        await ada.send(type="writes", conversation=room.id)
        (writing,) = await bob.hears_all()
        assert isinstance(writing, Writing)
        assert writing.typing == api.Typing(room.id, ada.id, "ada")
        assert await ada.hears_all() == []
        assert await eve.hears_all() == []


async def test_others_hear_of_members_while_they_look() -> None:
    """Who joins and who leaves is told to screens that show the conversation."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        await ada.send(type="look", conversation=home.house.lobby)
        await ada.hears_all(0.1)
        carl = await home.sign_up("carl")
        await home.house.leave(api.Ask(carl.account.id, home.house.lobby))
        assert [type(each) for each in await ada.hears_all()] == [Joined, Left]
        assert await bob.hears_all() == []


async def test_receipts_are_told_to_members() -> None:
    """How far somebody is reaches all who are in the conversation, and nobody else."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        room = await home.house.create(api.Ask(ada.id, text="tea"))
        await ada.hears_all(0.1)
        receipt = api.Receipt(room.id, ada.id, 3, 2)
        event = home.house.tell(receipt)
        assert await ada.hears_all() == [Marked(event.seq, receipt)]
        assert await bob.hears_all() == []


async def test_nothing_is_kept_of_who_has_left() -> None:
    """The hub forgets users with their last session, and what their screens showed."""
    async with at_home() as home:
        async with home.guest("ada") as ada, home.guest(ada.session) as phone:
            await phone.send(type="look", conversation=home.house.lobby, users=[7])
            await phone.hears()
            await ada.send(type="look", conversation=home.house.lobby, users=[8])  # and is gone
        await asyncio.sleep(1)
        hub = home.hub
        assert list(hub.sessions()) == []
        assert (hub.attendees, hub._members, hub._lookers, hub._watchers) == ({}, {}, {}, {})


async def test_a_page_that_comes_twice_is_told_once() -> None:
    """A feed that begins again may repeat what it has told."""
    async with at_home() as home, home.guest("ada") as ada:
        message = api.Message(100, home.house.lobby, 1, 7, "carl", "client-id", "hello", 1)
        page = api.Events([api.Event(100, message)], 100)
        home.hub.dispatch(page)
        home.hub.dispatch(page)
        assert await ada.hears_all() == [Said(message)]
