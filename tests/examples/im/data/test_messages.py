from __future__ import annotations

import re

import pytest

from examples.im import api
from examples.im.data import log
from examples.im.data.bulk import Bulk, Old
from examples.im.data.log import PAGE_CHARACTERS, fitting
from examples.im.data.messages import AFTER, BEFORE, MISSED, NEWEST
from tests.examples.im.data.conftest import House, explain

pytestmark = pytest.mark.real_loop


async def texts(house: House, **of: int) -> tuple[list[str], bool]:
    """A page, as its texts, and whether there are more."""
    page = await house.messages.page(api.HistoryOf(**of))
    return [message.text for message in page.items], page.more


async def test_history_is_walked_in_both_directions(house: House) -> None:
    """Pages come in the order of numbers, whichever way they are asked for, and say whether there
    are more that way; the first and the last page meet without a gap."""
    room = await house.room("tea", "ada")
    for n in range(1, 8):
        await house.say(room, "ada", f"{n}")
    assert await texts(house, conversation=room, limit=3) == (["5", "6", "7"], True)
    assert await texts(house, conversation=room, before=5, limit=3) == (["2", "3", "4"], True)
    assert await texts(house, conversation=room, before=2, limit=3) == (["1"], False)
    assert await texts(house, conversation=room, after=1, limit=3) == (["2", "3", "4"], True)
    assert await texts(house, conversation=room, after=4, limit=3) == (["5", "6", "7"], False)
    assert await texts(house, conversation=room + 1, limit=3) == ([], False)


async def test_a_page_has_a_limit_whatever_is_asked_for(house: House) -> None:
    """A page has one message at least and `PAGE_LIMIT` at most."""
    room = await house.room("tea", "ada")
    for n in range(api.PAGE_LIMIT + 1):
        await house.say(room, "ada", f"{n}")
    page, more = await texts(house, conversation=room, limit=10_000)
    assert (len(page), more) == (api.PAGE_LIMIT, True)
    page, more = await texts(house, conversation=room, limit=-1)
    assert (page, more) == ([f"{api.PAGE_LIMIT}"], True)


async def test_a_page_is_found_in_the_index(house: House) -> None:
    """The plan of every kind of page looks up its conversation and number in the index; none reads
    the table from its beginning or sorts."""
    rooms = ["large", *(f"room{n}" for n in range(9))]
    lines = [Old(rooms[n % 10], "", "ada@old", "Ada", f"{n}", n) for n in range(10_000)]
    await Bulk(house.database).add(lines, house.now())
    indexes = {
        NEWEST: "message_by_number",
        BEFORE: "message_by_number",
        AFTER: "message_by_number",
        MISSED: "message_by_place|message_pkey",  # walked in order, where a tenth of all is here
    }
    for statement, index in indexes.items():
        plan = await explain(
            house.database, statement.params(conversation=1, before=900, after=500, limit=50)
        )
        assert re.search(index, plan)
        assert "SCAN message" not in plan
        assert "Seq Scan on message" not in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan


async def test_who_comes_back_is_told_what_was_said_in_their_conversations(house: House) -> None:
    """What was said after a place, in the order of places, of all conversations of a user and of no
    other; and whether there is more than the limit."""
    tea = await house.room("tea", "ada", "bob")
    coffee = await house.room("coffee", "ada", "bob")
    other = await house.room("other", "bob")
    seen = await house.say(tea, "bob", "seen")
    await house.say(tea, "bob", "one")
    await house.say(other, "bob", "not hers")
    await house.say(coffee, "bob", "two")
    await house.say(tea, "bob", "three")
    missed = await house.messages.missed(api.Since(seen.seq, house.users["ada"]))
    assert [each.text for each in missed.items] == ["one", "two", "three"]
    assert not missed.more
    missed = await house.messages.missed(api.Since(seen.seq, house.users["ada"], 2))
    assert ([each.text for each in missed.items], missed.more) == (["one", "two"], True)


async def test_long_texts_come_on_short_pages(house: House) -> None:
    """Neither the feed nor what was missed has more than a megabyte on a page, whoever asks for how
    many; nothing is left out, in whatever conversations it was said."""
    tea, cake = await house.room("tea", "ada"), await house.room("cake", "ada")
    begin = await house.database.read(log.place)
    long = "\U0001f600" * api.TEXT_LIMIT
    said = [
        (await house.say(tea if n < 80 or n % 2 else cake, "ada", long)).seq for n in range(160)
    ]
    told: list[int] = []
    place = begin
    while page := (await house.database.read(log.read, place, None, 500)).items:
        assert 1 <= len(page) <= PAGE_CHARACTERS / api.TEXT_LIMIT
        told += [event.seq for event in page]
        place = page[-1].seq
    assert told == said
    missed: list[int] = []
    more = True
    while more:
        since = api.Since(missed[-1] if missed else begin, house.users["ada"])
        found = await house.messages.missed(since)
        assert 1 <= len(found.items) <= PAGE_CHARACTERS / api.TEXT_LIMIT
        missed += [message.seq for message in found.items]
        more = found.more
    assert missed == said


async def test_a_text_longer_than_a_page_is_a_page(house: House) -> None:
    """One message comes at least, or nobody would ever get further."""
    longest = api.Message(text="x" * (PAGE_CHARACTERS + 1))
    assert fitting([longest, longest]) == api.Messages([longest], more=True)


async def test_a_list_of_conversations_has_the_beginnings_of_texts(house: House) -> None:
    """However long the last messages of all rooms are, the list is short."""
    room = await house.room("tea", "ada")
    await house.say(room, "ada", "y" * api.TEXT_LIMIT)
    (found,) = (await house.conversations.of(house.users["ada"])).items
    assert found.last is not None
    assert found.last.text == "y" * api.PREVIEW
