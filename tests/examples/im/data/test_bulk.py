from __future__ import annotations

import pytest

from examples.im import api
from examples.im.data import bulk, log
from examples.im.data.bulk import Added, Bulk, Old
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop


def old(text: str, room: str = "attic", author: str = "bob@old", at: int = 5, nth: int = 0) -> Old:
    """A message of long ago."""
    return Old(room, room.title(), author, "Bob", text, at, nth)


async def history(house: House, name: str) -> list[tuple[int, str, int]]:
    """Numbers, texts and times of a room."""
    ada = house.users["ada"]
    (room,) = (await house.conversations.rooms(name, ada, 1)).items
    page = await house.messages.page(api.HistoryOf(ada, room.id))
    return [(each.number, each.text, each.at) for each in page.items]


async def test_old_messages_keep_their_times_and_their_order(house: House) -> None:
    """They are numbered as given, in rooms and by authors that are made for them."""
    await house.add("ada")
    given = [old("one", at=30), old("two", at=10), old("up here", "roof", "cay@old")]
    assert await Bulk(house.database).add(given, house.now()) == Added(2, 2, 3)
    assert await history(house, "attic") == [(1, "one", 30), (2, "two", 10)]
    (room,) = (await house.conversations.rooms("attic", house.users["ada"], 1)).items
    assert (room.title, room.members, room.member) == ("Attic", 1, False)
    (author,) = await house.conversations.members(room.id, 10)
    assert (author.name, author.display, author.imported) == ("bob@old", "Bob", True)


async def test_what_was_added_is_not_added_again(house: House) -> None:
    """The same again is nothing, by the same adder or another; what is new between is added at the end;
    what is alike in all is told apart by its `nth`.
    """
    await house.add("ada")
    adder = Bulk(house.database)
    await adder.add([old("one"), old("two")], house.now())
    assert await adder.add([old("one"), old("two")], house.now()) == Added()
    again = [old("one"), old("one"), old("one", nth=1), old("new"), old("two")]
    assert await Bulk(house.database).add(again, house.now()) == Added(0, 0, 2)
    assert [text for _, text, _ in await history(house, "attic")] == ["one", "two", "one", "new"]


async def test_any_number_is_added_in_short_transactions(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten messages of which three go together take four transactions, and are counted as one."""
    monkeypatch.setattr(bulk, "TOGETHER", 3)
    await house.add("ada")
    before = house.database.commits
    added = await Bulk(house.database).add([old(f"{n}") for n in range(10)], house.now())
    assert added == Added(1, 1, 10)
    assert house.database.commits - before == 4
    assert [number for number, _, _ in await history(house, "attic")] == list(range(1, 11))


async def test_people_go_on_talking_in_a_room_of_old_text(house: House) -> None:
    """New messages follow the old ones, and old ones that come later follow those."""
    await house.add("ada")
    await Bulk(house.database).add([old("old")], house.now())
    (room,) = (await house.conversations.rooms("attic", house.users["ada"], 1)).items
    await house.conversations.join(room.id, house.users["ada"], house.now())
    assert (await house.say(room.id, "ada", "new")).number == 2
    await Bulk(house.database).add([old("older")], house.now())
    assert [text for _, text, _ in await history(house, "attic")] == ["old", "new", "older"]


async def test_old_text_is_no_news(house: House) -> None:
    """Who had read all has read it, and the others of a small room hear so; who had not, keeps their
    mark. The room's last message is what was said last, and who comes back is told nothing of it."""
    tea = await house.room("tea", "ada", "bob", "cay")
    ada, bob, cay = (house.users[name] for name in ("ada", "bob", "cay"))
    said = await house.say(tea, "ada", "new")
    await house.writer.mark(api.Mark(bob, tea, read=1))
    start = await house.database.read(log.place)
    await Bulk(house.database).add([old(f"{n}", "tea") for n in range(50)], house.now())
    events = await house.database.read(log.read, start, None, 100)
    assert [event.what for event in events.items] == [
        api.Receipt(tea, ada, 51, 51),
        api.Receipt(tea, bob, 51, 51),
    ]
    for user, read in ((ada, 51), (bob, 51), (cay, 0)):
        seen = await house.conversations.one(tea, user)
        assert (seen.read, seen.last and seen.last.text) == (read, "new")
        assert (await house.messages.missed(api.Since(said.seq, user))).items == []
    assert (await house.say(tea, "bob", "newer")).number == 52
    missed = await house.messages.missed(api.Since(said.seq, ada))
    assert [each.text for each in missed.items] == ["newer"]


async def test_nobody_is_given_words_that_they_have_not_said(house: House) -> None:
    """An author with the name of a user who signs in is another account, the same every time."""
    (ada,) = await house.add("ada")
    assert (await Bulk(house.database).add([old("1", author="ada")], house.now())).authors == 1
    assert (await Bulk(house.database).add([old("2", author="ada")], house.now())).authors == 0
    (room,) = (await house.conversations.rooms("attic", ada, 1)).items
    members = await house.conversations.members(room.id, 10)
    assert [(each.name, each.imported) for each in members] == [("ada@old", True)]


async def test_a_room_of_the_living_may_be_added_to(house: House) -> None:
    """A room that exists keeps its title and its members, and is one author larger."""
    tea = await house.room("tea", "ada")
    assert await Bulk(house.database).add([old("old", "tea")], house.now()) == Added(0, 1, 1)
    seen = await house.conversations.one(tea, house.users["ada"])
    assert (seen.members, seen.last and seen.last.text) == (2, "old")
