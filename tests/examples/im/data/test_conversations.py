from __future__ import annotations

import asyncio

import pytest

from examples.im import api
from examples.im.data import log
from mainstay.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop


async def told(house: House, after: int) -> list[object]:
    """What was told after a place."""
    events = await house.database.read(log.read, after, None, 100)
    return [event.what for event in events.items]


async def test_a_room_has_its_founder_in_it_and_a_name_of_its_own(house: House) -> None:
    """Who makes a room is its member and everybody is told; a second room of the name is refused."""
    (ada,) = await house.add("ada")
    place = await house.database.read(log.place)
    room = await house.conversations.create("tea", "Tea time", ada, house.now())
    assert (room.name, room.title, room.members, room.member) == ("tea", "Tea time", 1, True)
    assert await told(house, place) == [api.Membership(room.id, ada, "Ada", joined=True)]
    with pytest.raises(Conflict):
        await house.conversations.create("tea", "Tea", ada, house.now())


async def test_joining_again_changes_and_tells_nothing(house: House) -> None:
    """A member who joins is one member still, and the room hears of it once."""
    room = await house.room("tea", "ada", "bob")
    place = await house.database.read(log.place)
    again = await house.conversations.join(room, house.users["bob"], house.now())
    assert (again.members, again.member) == (2, True)
    assert await told(house, place) == []


async def test_many_who_join_at_once_are_all_counted(house: House) -> None:
    """Twenty who join at the same time make twenty members more, each of them told."""
    room = await house.room("tea", "ada")
    ids = await house.add(*(f"user{n}" for n in range(20)))
    place = await house.database.read(log.place)
    await asyncio.gather(*(house.conversations.join(room, one, house.now()) for one in ids))
    assert (await house.conversations.one(room, ids[0])).members == 21
    joined = await told(house, place)
    assert sorted(each.user for each in joined if isinstance(each, api.Membership)) == ids


async def test_old_messages_count_as_read_for_who_joins(house: House) -> None:
    """A new member begins at the end of the room, with nothing unread."""
    room = await house.room("tea", "ada")
    await house.say(room, "ada", "hello")
    (bob,) = await house.add("bob")
    seen = await house.conversations.join(room, bob, house.now())
    assert (seen.delivered, seen.read) == (1, 1)
    assert seen.last is not None
    assert (seen.last.number, seen.last.text, seen.last.sender_name) == (1, "hello", "Ada")


async def test_leaving_ends_a_membership_once(house: House) -> None:
    """Who leaves is told to the room, and leaving again is nothing; a room that is not there is
    NotFound."""
    room = await house.room("tea", "ada", "bob")
    bob = house.users["bob"]
    place = await house.database.read(log.place)
    await house.conversations.leave(room, bob, house.now())
    await house.conversations.leave(room, bob, house.now())
    assert await told(house, place) == [api.Membership(room, bob, "Bob", joined=False)]
    seen = await house.conversations.one(room, bob)
    assert (seen.members, seen.member) == (1, False)
    with pytest.raises(NotFound):
        await house.conversations.leave(room + 1, bob, house.now())


async def test_two_users_have_one_direct_conversation(house: House) -> None:
    """Both get the same one, whoever asks and however often, at the same time too; each sees the
    other as its name, and both are told that they are in it."""
    ada, bob = await house.add("ada", "bob")
    place = await house.database.read(log.place)
    seen = await asyncio.gather(
        house.conversations.direct(ada, bob, house.now()),
        house.conversations.direct(bob, ada, house.now()),
        house.conversations.direct(ada, bob, house.now()),
    )
    assert len({each.id for each in seen}) == 1
    assert [(each.name, each.title) for each in seen[:2]] == [("bob", "Bob"), ("ada", "Ada")]
    assert seen[0].peer == api.Account(bob, "bob", "Bob")
    joined = await told(house, place)
    assert sorted(each.user for each in joined if isinstance(each, api.Membership)) == [ada, bob]


async def test_a_direct_conversation_is_for_its_two(house: House) -> None:
    """A third one can neither look nor join nor read; nobody can leave; nobody has one with
    themselves or with nobody."""
    ada, bob, eve = await house.add("ada", "bob", "eve")
    direct = (await house.conversations.direct(ada, bob, house.now())).id
    await house.conversations.require_readable(direct, ada)
    with pytest.raises(PermissionDenied):
        await house.conversations.one(direct, eve)
    with pytest.raises(PermissionDenied):
        await house.conversations.join(direct, eve, house.now())
    with pytest.raises(PermissionDenied):
        await house.conversations.require_readable(direct, eve)
    with pytest.raises(PermissionDenied):
        await house.conversations.leave(direct, ada, house.now())
    with pytest.raises(InvalidRequest):
        await house.conversations.direct(ada, ada, house.now())
    with pytest.raises(NotFound):
        await house.conversations.direct(ada, eve + 1, house.now())


async def test_a_room_may_be_read_by_all_and_one_that_is_not_there_by_nobody(house: House) -> None:
    """A user may read a room of which they are no member."""
    room = await house.room("tea", "ada")
    (bob,) = await house.add("bob")
    await house.conversations.require_readable(room, bob)
    with pytest.raises(NotFound):
        await house.conversations.require_readable(room + 1, bob)


async def test_conversations_come_with_the_newest_message_first(house: House) -> None:
    """A user's own conversations alone, each with its last message, and the place up to which all
    of it is true."""
    tea = await house.room("tea", "ada")
    coffee = await house.room("coffee", "ada", "bob")
    await house.room("secret", "bob")
    await house.say(coffee, "bob", "old")
    posted = await house.say(tea, "ada", "new")
    found = await house.conversations.of(house.users["ada"])
    assert [each.id for each in found.items] == [tea, coffee]
    assert [each.last.text for each in found.items if each.last] == ["new", "old"]
    assert found.seq == posted.seq


async def test_the_directory_finds_rooms_by_the_beginning_of_their_names(house: House) -> None:
    """Those with most members first; what is special to a pattern is a letter as any other."""
    ada, _ = await house.add("ada", "bob")
    await house.room("tea", "ada")
    both = await house.room("tealeaf", "ada", "bob")
    await house.room("t%a", "bob")
    names = [each.name for each in (await house.conversations.rooms("tea", ada, 10)).items]
    assert names == ["tealeaf", "tea"]
    percent = (await house.conversations.rooms("t%", ada, 10)).items
    assert [(each.name, each.member) for each in percent] == [("t%a", False)]
    assert [each.id for each in (await house.conversations.rooms("", ada, 1)).items] == [both]


async def test_the_lobby_is_made_once(house: House) -> None:
    """All who ask for a room at the same time get the same one."""
    rooms = await asyncio.gather(
        *(house.conversations.room("lobby", "Lobby", house.now()) for _ in range(5))
    )
    assert len(set(rooms)) == 1


async def test_members_come_by_name(house: House) -> None:
    """Up to the limit."""
    room = await house.room("tea", "cay", "ada", "bob")
    assert [each.name for each in await house.conversations.members(room, 2)] == ["ada", "bob"]


async def test_joining_as_nobody_is_not_found(house: House) -> None:
    """A user who does not exist becomes no member."""
    room = await house.room("tea", "ada")
    with pytest.raises(NotFound):
        await house.conversations.join(room, 999, house.now())
    assert (await house.conversations.one(room, house.users["ada"])).members == 1
