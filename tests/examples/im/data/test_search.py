from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from examples.im import api
from examples.im.data.bulk import Bulk, Old
from examples.im.data.search import FINDING, WORDS, Index, Search, words
from mainstay.errors import Overloaded
from tests.examples.im.data.conftest import House, explain

pytestmark = pytest.mark.real_loop


async def found(house: House, text: str, name: str = "ada", room: int = 0) -> list[str]:
    """The texts that a user finds, after all is indexed."""
    index = Index(house.database, batch=2)
    while await index.advance():
        pass
    ask = api.Ask(house.users[name], room, text)
    return [each.message.text for each in (await Search(house.database).find(ask)).items]


async def test_the_index_wakes_nobody_who_follows_the_log(house: House) -> None:
    """What it writes is not in the log, and who is woken reads the log's end in vain."""
    room = await house.room("tea", "ada")
    await house.say(room, "ada", "the halyard is frayed")
    woken: list[int] = []
    house.database.on_commit(lambda: woken.append(house.database.commits))
    before = house.database.commits
    assert await found(house, "halyard") == ["the halyard is frayed"]
    assert house.database.commits > before
    assert woken == []


def test_words_are_letters_and_digits_without_case_and_accents() -> None:
    """What is between words is left out, and what looks alike is the same."""
    assert words("Crème brûlée, 42 × snake_case!") == ["creme", "brulee", "42", "snake", "case"]
    assert words("ﬁne STRASSE straße") == ["fine", "strasse", "strasse"]
    assert words("'\"*:-() ") == []
    assert [len(word) for word in words("x" * 4000)] == [60]


def test_scripts_without_spaces_are_words_by_the_letter() -> None:
    """A Chinese or Japanese text is found by any of its letters."""
    assert words("東京タワーへ go") == ["東", "京", "タ", "ワ", "ー", "へ", "go"]


async def test_all_words_have_to_be_there_the_last_one_in_its_beginning(house: House) -> None:
    """The newest message comes first; a word may be half typed only at the end."""
    room = await house.room("tea", "ada")
    for text in ("green tea", "Black TEA, please", "teapots are green", "coffee"):
        await house.say(room, "ada", text)
    assert await found(house, "tea") == ["teapots are green", "Black TEA, please", "green tea"]
    assert await found(house, "green tea") == ["teapots are green", "green tea"]
    assert await found(house, "tea green") == ["teapots are green", "green tea"][1:]
    assert await found(house, "gre tea") == []
    assert await found(house, "Téa, PLEASE") == ["Black TEA, please"]


async def test_messages_are_found_where_the_user_may_read_them(house: House) -> None:
    """In all rooms, joined or not, and in direct conversations of one's own, which are called by the
    other one's name; with a conversation given, only there.
    """
    tea = await house.room("tea", "ada")
    (bob, _) = await house.add("bob", "eve")
    direct = (await house.conversations.direct(house.users["ada"], bob, house.now())).id
    await house.say(tea, "ada", "hello room")
    await house.say(direct, "ada", "hello bob")
    assert await found(house, "hello", "ada") == ["hello bob", "hello room"]
    assert await found(house, "hello", "eve") == ["hello room"]
    assert await found(house, "hello", "bob", direct) == ["hello bob"]
    assert await found(house, "hello", "bob", tea) == ["hello room"]
    findings = await Search(house.database).find(api.Ask(bob, 0, "hello"))
    assert [each.title for each in findings.items] == ["Ada", "Tea"]


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "tea AND",
        "NEAR(tea, 2)",
        "tea*",
        "-tea",
        "words:tea",
        "in:1",
        "^tea",
        "tea' & 'x",
        "!tea | :*",
        "\\",
        "\x00tea",
        "a\ud800b",
        "(((",
        "𝒯𝑒𝒶 ☕",
        " ".join(f"w{n}" for n in range(1000)),
    ],
)
async def test_any_text_is_a_question(house: House, text: str) -> None:
    """What is a sign of a query language elsewhere is a sign like others, and no mistake; nor does it
    find more than its words do.
    """
    room = await house.room("tea", "ada")
    await house.say(room, "ada", "a cup of tea")
    wanted = words(text)[:WORDS]
    expected = bool(wanted) and all(word in ("a", "cup", "of", "tea") for word in wanted)
    assert await found(house, text) == (["a cup of tea"] if expected else [])


async def test_nobody_can_say_the_word_that_stands_for_a_conversation(house: House) -> None:
    """A message that names a conversation as the index does is not found there."""
    tea, coffee = await house.room("tea", "ada"), await house.room("coffee", "ada")
    await house.say(tea, "ada", f"in:{coffee} hello")
    assert await found(house, "hello", room=coffee) == []
    assert await found(house, "hello", room=tea) == [f"in:{coffee} hello"]


async def test_each_message_is_indexed_once_whoever_does_it(house: House) -> None:
    """Two that index at the same time find each message once, and go on with what is new."""
    room = await house.room("tea", "ada")
    for n in range(6):
        await house.say(room, "ada", f"tea {n}")
    one, two = Index(house.database, batch=4), Index(house.database, batch=4)
    while sum(await asyncio.gather(one.advance(), two.advance())):
        pass
    await house.say(room, "ada", "tea 6")
    assert await found(house, "tea") == [f"tea {n}" for n in reversed(range(7))]
    assert await one.advance() == 0


async def test_an_index_that_runs_follows_the_writes(house: House) -> None:
    """What is said is found a moment later."""
    room = await house.room("tea", "ada")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Index(house.database).run(pause=0.01))
        await house.say(room, "ada", "hello")
        ask, findings = api.Ask(house.users["ada"], 0, "hello"), api.Findings()
        while not findings.items:
            findings = await Search(house.database).find(ask)
        running.cancel()


@pytest.mark.faults
@pytest.mark.real_loop(timeout=280)
async def test_a_hundred_thousand_messages_are_searched_in_milliseconds(house: House) -> None:
    """Of 100,000 messages the newest with a word that is rare, or in all of them, or in one room, are
    found within 100 ms, on a machine that has other things to do; the index leads to them.
    """
    await house.add("ada")
    old = [
        Old(f"room{n % 50}", "", "bob@old", "Bob", f"common text w{n % 1000} number{n}", n)
        for n in range(100_000)
    ]
    await Bulk(house.database).add(old, house.now())
    index = Index(house.database)
    while await index.advance():
        pass
    search = Search(house.database)
    times: dict[str, float] = {}
    for text, count in [("common", 50), ("w7", 50), ("number77777", 1), ("w7 number7007", 1)]:
        findings = api.Findings()
        for _ in range(20):  # the quickest counts: the others waited for somebody else's work
            started = time.perf_counter()
            findings = await search.find(api.Ask(house.users["ada"], 0, text))
            taken = time.perf_counter() - started
            times[text] = min(times.get(text, taken), taken)
        assert len(findings.items) == count
        seqs = [each.message.seq for each in findings.items]
        assert seqs == sorted(seqs, reverse=True)
    assert max(times.values()) < 0.1, times
    dialect = await house.database.read(lambda db: db.dialect.name)
    if dialect == "sqlite":
        plan = await explain(
            house.database, FINDING[dialect].params(question='"w7"', user=1, limit=50)
        )
        assert "SCAN message_words VIRTUAL TABLE" in plan
        assert "SEARCH message USING INTEGER PRIMARY KEY" in plan
        assert "TEMP B-TREE" not in plan


async def test_few_search_at_once_and_few_wait(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six searches two are under way and three wait, however many readers the database has; the
    sixth is refused, and when there is room again the next one is answered."""
    await house.room("tea", "ada")
    search = Search(house.database, at_once=2, waiting=3)
    read, under_way, go_on = house.database.read, 0, asyncio.Event()

    async def slow(*what: Any) -> Any:
        nonlocal under_way
        under_way += 1
        await go_on.wait()
        return await read(*what)

    monkeypatch.setattr(house.database, "read", slow)
    ask = api.Ask(house.users["ada"], 0, "hello")
    searches = [asyncio.create_task(search.find(ask)) for _ in range(5)]
    await asyncio.sleep(0)
    assert under_way == 2
    with pytest.raises(Overloaded):
        await search.find(ask)
    go_on.set()
    assert await asyncio.gather(*searches) == [api.Findings()] * 5
    assert await search.find(ask) == api.Findings()
