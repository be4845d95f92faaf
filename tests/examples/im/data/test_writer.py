from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Concatenate, ParamSpec, TypeVar

import pytest
from sqlalchemy import Connection, select

from examples.im import api
from examples.im.data import log, writer
from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.tables import Member, Message
from examples.im.data.writer import Writer
from mainstay.errors import (
    BrokenError,
    ClosedError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
)
from tests.examples.im.data.conftest import House

P = ParamSpec("P")
R = TypeVar("R")

pytestmark = pytest.mark.real_loop


class Gate(Database):
    """A database whose changes wait until it is opened, and fail while it is broken."""

    def __init__(self, settings: DatabaseSettings) -> None:
        super().__init__(settings)
        self.opened = asyncio.Event()
        self.opened.set()
        self.broken = False

    async def write(
        self, change: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        await self.opened.wait()
        if self.broken:
            raise BrokenError("the disk is on fire")
        return await super().write(change, *args, **kwargs)


async def turns() -> None:
    """Let everything go on as far as it can without waiting for the database."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def database(settings: DatabaseSettings) -> AsyncIterator[Gate]:
    gate = Gate(settings)
    try:
        await gate.create()
        yield gate
    finally:
        await gate.aclose()


@pytest.fixture
async def gate(database: Gate) -> Gate:
    return database


async def test_messages_of_a_room_are_numbered_from_one_without_gaps(house: House) -> None:
    """Of fifty messages left at once, each gets the next number and a higher place, in the order in
    which they were left."""
    room = await house.room("tea", "ada")
    posted = await asyncio.gather(*(house.say(room, "ada", f"{n}") for n in range(50)))
    assert [each.number for each in posted] == list(range(1, 51))
    assert [each.seq for each in posted] == sorted({each.seq for each in posted})


async def test_what_is_left_during_a_transaction_shares_the_next_one(
    house: House, gate: Gate
) -> None:
    """A hundred messages that arrive while one is being stored take one transaction more."""
    room = await house.room("tea", "ada")
    before = gate.commits
    gate.opened.clear()
    first = asyncio.create_task(house.say(room, "ada", "first"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(house.say(room, "ada", f"{n}")) for n in range(100)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(first, *others)
    assert gate.commits - before == 2
    assert repr(house.writer) == "<Writer 101 in 2 transactions>"


async def test_nobody_is_answered_before_the_commit(house: House, gate: Gate) -> None:
    """A message whose transaction has not ended is not acknowledged."""
    room = await house.room("tea", "ada")
    gate.opened.clear()
    saying = asyncio.create_task(house.say(room, "ada", "hello"))
    done, _ = await asyncio.wait([saying], timeout=0.05)
    assert not done
    gate.opened.set()
    assert (await saying).number == 1


async def test_a_message_that_is_said_again_is_stored_once(house: House, gate: Gate) -> None:
    """The same client id of the same user is answered as the first time: in the same transaction,
    in a later one, and after the user has left the room; of another user it is another message."""
    room = await house.room("tea", "ada", "bob")
    once, twice = await asyncio.gather(
        house.say(room, "ada", "hello", "client-a"), house.say(room, "ada", "hello", "client-a")
    )
    assert once == twice
    assert await house.say(room, "ada", "hello again", "client-a") == once
    await house.conversations.leave(room, house.users["ada"], house.now())
    assert await house.say(room, "ada", "hello", "client-a") == once
    assert (await house.say(room, "bob", "hello", "client-a")).number == 2
    stored = await gate.read(lambda db: db.scalars(select(Message.text)).all())
    assert stored == ["hello", "hello"]


async def test_who_is_no_member_can_neither_talk_nor_mark(house: House, gate: Gate) -> None:
    """A stranger is refused with PermissionDenied, a room that does not exist is NotFound, and both
    leave the others of the same transaction alone."""
    room = await house.room("tea", "ada")
    (bob,) = await house.add("bob")
    outcomes = await asyncio.gather(
        house.say(room, "bob", "let me in"),
        house.writer.mark(api.Mark(bob, room, 1, 1)),
        house.say(room + 99, "ada", "anybody?"),
        house.say(room, "ada", "hello"),
        return_exceptions=True,
    )
    assert [type(each) for each in outcomes] == [
        PermissionDenied,
        PermissionDenied,
        NotFound,
        api.Posted,
    ]
    assert isinstance(outcomes[3], api.Posted)
    assert outcomes[3].number == 1


async def test_marks_only_grow_and_end_at_the_last_message(house: House, gate: Gate) -> None:
    """A mark back or beyond what there is moves nothing too far; reading is delivery; and each move
    is told once."""
    room = await house.room("tea", "ada", "bob")
    ada, bob = house.users["ada"], house.users["bob"]
    for n in range(3):
        await house.say(room, "ada", f"{n}")
    place = await gate.read(log.place)
    for mark in [(2, 1), (1, 1), (0, 3), (99, 99)]:
        await house.writer.mark(api.Mark(bob, room, *mark))
    told = await gate.read(log.read, place, None, 100)
    assert [event.what for event in told.items] == [
        api.Receipt(room, bob, 2, 1),
        api.Receipt(room, bob, 3, 3),
    ]
    seen = (await house.conversations.of(ada)).items[0]
    assert (seen.others_delivered, seen.others_read) == (3, 3)


async def test_a_crowd_does_not_hear_who_has_read(house: House, gate: Gate) -> None:
    """In a conversation of more than twenty a mark is kept and not told."""
    room = await house.room("hall", *(f"user{n}" for n in range(21)))
    await house.say(room, "user0", "welcome")
    place = await gate.read(log.place)
    await house.writer.mark(api.Mark(house.users["user1"], room, 1, 1))
    assert (await gate.read(log.read, place, None, 100)).items == []
    seen = (await house.conversations.of(house.users["user1"])).items[0]
    assert (seen.read, seen.others_read) == (1, 0)


async def test_who_talks_has_read(house: House, gate: Gate) -> None:
    """The marks of who posts are at their message."""
    room = await house.room("tea", "ada", "bob")
    await house.say(room, "ada", "hello")
    await house.say(room, "bob", "hello yourself")
    marks = await gate.read(
        lambda db: db.execute(select(Member.user_id, Member.read).order_by(Member.user_id)).all()
    )
    assert [tuple(mark) for mark in marks] == [(house.users["ada"], 1), (house.users["bob"], 2)]


async def test_signals_take_their_places_among_the_messages(house: House, gate: Gate) -> None:
    """What is told between two messages is read between them, and comes back as it was."""
    room = await house.room("tea", "ada")
    place = await gate.read(log.place)
    typing = api.Typing(room, house.users["ada"], "Ada")
    await asyncio.gather(
        house.say(room, "ada", "one"), house.writer.tell(typing), house.say(room, "ada", "two")
    )
    events = (await gate.read(log.read, place, None, 100)).items
    assert [getattr(event.what, "text", event.what) for event in events] == ["one", typing, "two"]


async def test_an_entry_that_no_database_takes_fails_alone(house: House, gate: Gate) -> None:
    """Half a surrogate pair is no text to any database; who posted it is told, and what was left
    beside it is stored."""
    room = await house.room("tea", "ada")
    good, bad, better = await asyncio.gather(
        house.say(room, "ada", "good"),
        house.say(room, "ada", "bad \ud800"),
        house.say(room, "ada", "better"),
        return_exceptions=True,
    )
    assert isinstance(bad, Exception)
    assert isinstance(good, api.Posted)
    assert isinstance(better, api.Posted)
    assert (good.number, better.number) == (1, 2)


async def test_an_entry_that_no_database_takes_is_found_by_halves(house: House, gate: Gate) -> None:
    """Of a hundred messages with a bad one among them, the others are in their order, and it takes
    few transactions."""
    room = await house.room("tea", "ada")
    before = house.writer.transactions
    texts = [f"{n}" for n in range(100)]
    texts[37] = "bad \ud800"
    said = [house.say(room, "ada", each) for each in texts]
    outcomes = await asyncio.gather(*said, return_exceptions=True)
    numbers = [each.number for each in outcomes if isinstance(each, api.Posted)]
    assert numbers == list(range(1, 100))
    assert not isinstance(outcomes[37], api.Posted)
    assert house.writer.transactions - before <= 7


@pytest.mark.parametrize("number", [-1, 2**53, 2**70])
async def test_a_number_that_is_none_of_ours_waits_with_nobody(
    house: House, gate: Gate, number: int
) -> None:
    """A number below 0 or above 53 bits is refused to who says it, in whichever field, before it could
    spoil a transaction."""
    room = await house.room("tea", "ada")
    ada, before = house.users["ada"], gate.commits
    refused = [
        house.writer.post(api.Post(ada, number, "client-a", "hello")),
        house.writer.post(api.Post(number, room, "client-a", "hello")),
        house.writer.mark(api.Mark(ada, number, 1, 1)),
        house.writer.mark(api.Mark(number, room, 1, 1)),
        house.writer.mark(api.Mark(ada, room, number, 1)),
        house.writer.mark(api.Mark(ada, room, 1, number)),
    ]
    for each in refused:
        with pytest.raises(InvalidRequest):
            await each
    assert gate.commits == before


async def test_a_database_that_is_away_fails_those_who_waited_for_it_and_no_later_one(
    house: House, gate: Gate
) -> None:
    """Each caller hears of a broken database; when it is back, the writer goes on."""
    room = await house.room("tea", "ada")
    gate.broken = True
    lost = await asyncio.gather(
        *(house.say(room, "ada", f"{n}") for n in range(3)), return_exceptions=True
    )
    assert [type(each) for each in lost] == [BrokenError] * 3
    gate.broken = False
    assert (await house.say(room, "ada", "again")).number == 1


async def test_too_many_that_wait_are_refused(
    house: House, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When as many wait as may, the next one is told at once that it is too much."""
    monkeypatch.setattr(writer, "WAITING", 2)
    room = await house.room("tea", "ada")
    gate.opened.clear()
    tasks = []
    for n in range(3):  # the first one is under way, and waits no longer
        tasks.append(asyncio.create_task(house.say(room, "ada", f"{n}")))
        await turns()
    with pytest.raises(Overloaded):
        await house.say(room, "ada", "one too many")
    gate.opened.set()
    assert [each.number for each in await asyncio.gather(*tasks)] == [1, 2, 3]


async def test_closing_stores_what_was_left(house: House, gate: Gate) -> None:
    """A writer that closes answers those who wait, and takes nothing more."""
    room = await house.room("tea", "ada")
    closing = Writer(gate, house.now)
    post = api.Post(house.users["ada"], room, "client-z", "last words")
    waiting = asyncio.create_task(closing.post(post))
    await asyncio.sleep(0)
    await closing.aclose()
    assert (await waiting).number == 1
    with pytest.raises(ClosedError):
        await closing.post(post)


async def test_who_leaves_before_the_answer_stops_nobody(house: House, gate: Gate) -> None:
    """A caller that is cancelled while its message is stored harms no other of the transaction."""
    room = await house.room("tea", "ada")
    gate.opened.clear()
    leaving = asyncio.create_task(house.say(room, "ada", "bye"))
    staying = asyncio.create_task(house.say(room, "ada", "hello"))
    await turns()
    leaving.cancel()
    gate.opened.set()
    assert (await staying).number == 2
