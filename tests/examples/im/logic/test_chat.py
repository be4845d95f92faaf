"""Facts about the logic: who may do what, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from examples.im import api
from examples.im.api import Ask, HistoryOf, Logic, Mark, Post, Since
from mainstay.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tests.examples.im.logic.conftest import joined

pytestmark = pytest.mark.real_loop


async def user(logic: Logic, name: str) -> int:
    """A new user."""
    return (await joined(logic, name)).account.id


async def lobby_of(logic: Logic, who: int) -> int:
    """The lobby's id."""
    return next(c.id for c in (await logic.conversations(Ask(who))).items if c.name == "lobby")


async def events(logic: Logic, after: int, count: int) -> list[api.Event]:
    """The next events after a place."""
    found: list[api.Event] = []
    async with asyncio.timeout(45):
        async for page in logic.feed(Since(after)):
            found += page.items
            if len(found) >= count:
                break
    return found


async def place(logic: Logic) -> int:
    """The place of now."""
    return (await logic.rooms(Ask())).seq


async def found(logic: Logic, ask: Ask, count: int) -> list[api.Found]:
    """What is found, once it is so much."""
    async with asyncio.timeout(45):
        while True:
            findings = (await logic.search(ask)).items
            if len(findings) >= count:
                return findings
            await asyncio.sleep(0)


# --- rooms ----------------------------------------------------------------------------------------


async def test_a_room_is_made_found_joined_and_left(logic: Logic) -> None:
    """Its name is its title in one form, and the directory finds it by the beginning."""
    ada, grace = await user(logic, "ada"), await user(logic, "grace")
    room = await logic.create(Ask(ada, text="Coffee Break"))
    assert (room.name, room.title, room.members) == ("coffee-break", "Coffee Break", 1)
    with pytest.raises(Conflict):
        await logic.create(Ask(grace, text="COFFEE break"))
    (found,) = (await logic.rooms(Ask(grace, text="Coffee B"))).items
    assert (found.id, found.member) == (room.id, False)
    for _ in range(2):
        assert (await logic.join(Ask(grace, room.id))).members == 2
    people = await logic.members(Ask(ada, room.id))
    assert [each.name for each in people.items] == ["ada", "grace"]
    for _ in range(2):
        await logic.leave(Ask(grace, room.id))
    assert [each.name for each in (await logic.members(Ask(ada, room.id))).items] == ["ada"]


async def test_a_direct_conversation_is_one_and_for_two(logic: Logic) -> None:
    """Whoever begins it; nobody else reads it, and it cannot be left."""
    ada, grace, eve = [await user(logic, name) for name in ("ada", "grace", "eve")]
    direct = await logic.direct(Ask(ada, text=" Grace "))
    assert (direct.kind, direct.name, direct.members) == ("direct", "grace", 2)
    again = await logic.direct(Ask(grace, text="ada"))
    assert (again.id, again.name) == (direct.id, "ada")
    wishes: list[Awaitable[object]] = [
        logic.history(HistoryOf(eve, direct.id)),
        logic.members(Ask(eve, direct.id)),
        logic.join(Ask(eve, direct.id)),
        logic.typing(Ask(eve, direct.id)),
        logic.search(Ask(eve, direct.id, "hello")),
        logic.post(Post(eve, direct.id, "12345678", "hello")),
        logic.mark(Mark(eve, direct.id, 1, 1)),
        logic.leave(Ask(ada, direct.id)),
    ]
    outcomes = await asyncio.gather(*wishes, return_exceptions=True)
    assert [type(each) for each in outcomes] == [PermissionDenied] * 8
    with pytest.raises(NotFound, match="there is nobody called bob"):
        await logic.direct(Ask(ada, text="bob"))
    with pytest.raises(InvalidRequest):
        await logic.direct(Ask(ada, text="ada"))


async def test_people_are_found_by_the_beginning_of_their_names(logic: Logic) -> None:
    """In any form of it."""
    for name in ("ada", "adele", "grace"):
        await joined(logic, name)
    found = await logic.people(Ask(text="AD"))
    assert [each.name for each in found.items] == ["ada", "adele"]
    assert len((await logic.people(Ask(text="a", limit=1))).items) == 1


# --- messages -------------------------------------------------------------------------------------


async def test_a_message_is_stored_once_and_read_by_everybody_in_the_room(logic: Logic) -> None:
    """Said again with the same client id it has the same place; its text is cleaned."""
    ada, grace = await user(logic, "ada"), await user(logic, "grace")
    lobby = await lobby_of(logic, ada)
    first = await logic.post(Post(ada, lobby, "client-1", "hello\x07\r\nworld"))
    assert await logic.post(Post(ada, lobby, "client-1", "hello\x07\r\nworld")) == first
    second = await logic.post(Post(grace, lobby, "client-1", "hi"))
    assert (first.number, second.number) == (1, 2)
    page = await logic.history(HistoryOf(grace, lobby))
    assert [(m.number, m.sender_name, m.text) for m in page.items] == [
        (1, "ada", "hello\nworld"),
        (2, "grace", "hi"),
    ]


async def test_what_cannot_be_said_is_refused_with_its_reason(logic: Logic) -> None:
    """And the rest of what is stored with it is not kept out."""
    ada, grace = await user(logic, "ada"), await user(logic, "grace")
    lobby = await lobby_of(logic, ada)
    room = (await logic.create(Ask(grace, text="club"))).id
    refused: list[tuple[Post, type[Exception], str]] = [
        (Post(ada, lobby, "12345678", " "), InvalidRequest, "EMPTY"),
        (Post(ada, lobby, "12345678", "x" * 4001), InvalidRequest, "TOO_LONG"),
        (Post(ada, lobby, "1234", "hello"), InvalidRequest, "BAD_CLIENT_ID"),
        (Post(ada, room, "12345678", "hello"), PermissionDenied, "NOT_A_MEMBER"),
        (Post(ada, 99, "12345678", "hello"), NotFound, "NOT_FOUND"),
    ]
    outcomes = await asyncio.gather(
        *(logic.post(post) for post, _, _ in refused),
        logic.post(Post(ada, lobby, "87654321", "hello")),
        return_exceptions=True,
    )
    assert isinstance(outcomes[-1], api.Posted)
    for (_, kind, reason), outcome in zip(refused, outcomes[:-1], strict=True):
        assert isinstance(outcome, kind)
        assert getattr(outcome, "reason", "") == reason


async def test_of_many_each_has_its_own_outcome(logic: Logic) -> None:
    """What cannot be kept is refused alone, wherever it is found out, and the order holds."""
    ada = await user(logic, "ada")
    lobby = await lobby_of(logic, ada)
    wanted: list[Post | Mark] = [
        Post(ada, lobby, "client-1", "one"),
        Post(ada, lobby, "client-2", "\x00"),
        Post(ada, 404, "client-3", "where?"),
        Post(ada, -1, "client-4", "where?"),
        Mark(ada, lobby, 1, 1),
        Post(ada, lobby, "client-5", "t\x07wo"),
        Post(ada, lobby, "client-1", "one"),
    ]
    outcomes = await logic.batch(api.Batch([api.BatchItem(each) for each in wanted]))
    assert [each.refusal and each.refusal.reason for each in outcomes.items] == [
        *(None, "EMPTY", "NOT_FOUND", "OUT_OF_RANGE", None, None, None)
    ]
    assert [each.posted and each.posted.number for each in outcomes.items] == [
        *(1, None, None, None, None, 2, 1)
    ]
    page = await logic.history(HistoryOf(ada, lobby))
    assert [each.text for each in page.items] == ["one", "two"]


async def test_history_comes_in_pages_in_both_directions(logic: Logic) -> None:
    """In the order of numbers, saying whether there is more."""
    ada = await user(logic, "ada")
    lobby = await lobby_of(logic, ada)
    await asyncio.gather(*(logic.post(Post(ada, lobby, f"client-{i}", f"{i}")) for i in range(9)))

    async def numbers(**where: int) -> tuple[list[int], bool]:
        page = await logic.history(HistoryOf(ada, lobby, limit=4, **where))
        return [each.number for each in page.items], page.more

    assert await numbers() == ([6, 7, 8, 9], True)
    assert await numbers(before=6) == ([2, 3, 4, 5], True)
    assert await numbers(before=2) == ([1], False)
    assert await numbers(after=6) == ([7, 8, 9], False)


async def test_who_comes_back_gets_what_was_said_meanwhile(logic: Logic) -> None:
    """In all their conversations, and in no others."""
    ada, grace = await user(logic, "ada"), await user(logic, "grace")
    lobby = await lobby_of(logic, ada)
    at = (await logic.post(Post(ada, lobby, "client-1", "before"))).seq
    direct = (await logic.direct(Ask(grace, text="ada"))).id
    club = (await logic.create(Ask(grace, text="club"))).id
    await logic.post(Post(grace, direct, "client-1", "psst"))
    await logic.post(Post(grace, club, "client-2", "club only"))
    await logic.post(Post(grace, lobby, "client-3", "all"))
    missed = await logic.missed(Since(at, ada))
    assert [each.text for each in missed.items] == ["psst", "all"]


async def test_messages_are_found_by_their_words_where_the_user_may_read(logic: Logic) -> None:
    """Soon after they were said."""
    ada, grace = await user(logic, "ada"), await user(logic, "grace")
    lobby = await lobby_of(logic, ada)
    direct = (await logic.direct(Ask(grace, text="ada"))).id
    eve = await user(logic, "eve")
    await logic.post(Post(ada, lobby, "client-1", "Analytical engines are slow"))
    await logic.post(Post(grace, direct, "client-2", "engines? slow?"))
    findings = await found(logic, Ask(ada, text="ENGINE"), 2)
    assert [each.message.text[:7] for each in findings] == ["engines", "Analyti"]
    assert len((await logic.search(Ask(ada, direct, "engine"))).items) == 1
    (hers,) = (await logic.search(Ask(eve, text="slow"))).items
    assert (hers.title, hers.message.sender_name) == ("Lobby", "ada")
    assert (await logic.search(Ask(ada, text='"; drop -*('))).items == []


# --- what others hear -----------------------------------------------------------------------------


async def test_the_feed_tells_all_in_order(logic: Logic) -> None:
    """Messages, marks, typing and memberships, each with a place after that before."""
    ada, grace = await user(logic, "ada"), await user(logic, "grace")
    at = await place(logic)
    direct = (await logic.direct(Ask(ada, text="grace"))).id
    posted = await logic.post(Post(ada, direct, "client-1", "hello"))
    await logic.mark(Mark(grace, direct, read=1))
    await logic.typing(Ask(grace, direct))
    told = await events(logic, at, 5)
    assert [each.what for each in told] == [
        api.Membership(direct, ada, "ada", joined=True),
        api.Membership(direct, grace, "grace", joined=True),
        api.Message(posted.seq, direct, 1, ada, "ada", "client-1", "hello", posted.at),
        api.Receipt(direct, grace, delivered=1, read=1),
        api.Typing(direct, grace, "grace"),
    ]
    seqs = [each.seq for each in told]
    assert seqs == sorted(set(seqs))
    assert seqs[0] > at


async def test_one_conversation_is_for_those_who_may_read_it(logic: Logic) -> None:
    """It is the same as in the list of all; a direct one of others is refused."""
    ada, bob, eve = [await user(logic, name) for name in ("ada", "bob", "eve")]
    made = await logic.direct(api.Ask(ada, text="bob"))
    found = await logic.conversation(api.Ask(bob, made.id))
    assert found in (await logic.conversations(api.Ask(bob))).items
    with pytest.raises(PermissionDenied):
        await logic.conversation(api.Ask(eve, made.id))


async def test_a_user_is_there_while_a_gateway_says_so(logic: Logic) -> None:
    """At one of two is enough; a gateway that says nothing more is not believed for long."""
    ada = await user(logic, "ada")
    at = await place(logic)
    unknown = await logic.attend(api.Attendance("one", arrived=[ada]))
    assert (unknown.known, unknown.seconds) == (False, 3.0)
    await logic.attend(api.Attendance("two", arrived=[ada], whole=True))
    await logic.attend(api.Attendance("one", arrived=[ada], whole=True))
    await logic.attend(api.Attendance("one", whole=True))
    assert (await logic.present(api.Users([ada]))).items == [api.Presence(ada, online=True)]
    came, went = await events(logic, at, 2)  # the sweep finds that "two" is silent
    assert came.what == api.Presence(ada, online=True)
    assert isinstance(went.what, api.Presence)
    assert (went.what.online, went.what.last_seen > 0) == (False, True)
    (presence,) = (await logic.present(api.Users([ada, 99]))).items
    assert presence == went.what


async def test_the_feed_from_now_begins_with_its_place(logic: Logic) -> None:
    """So that who follows knows where to go on, before anything happens."""
    await user(logic, "ada")
    page = await anext(aiter(logic.feed(Since(-1))))
    assert page.items == []
    # The process of the logic may be a moment behind its own commits, never ahead of them.
    assert 0 < page.seq <= await place(logic)


async def test_who_is_no_member_of_a_room_is_not_heard_there(logic: Logic) -> None:
    """Everybody may read a room; that somebody writes is told by members alone."""
    ada, eve = await user(logic, "ada"), await user(logic, "eve")
    room = (await logic.create(Ask(ada, text="Tea"))).id
    assert (await logic.history(HistoryOf(eve, room))).items == []
    with pytest.raises(PermissionDenied, match="join"):
        await logic.typing(Ask(eve, room))
    await logic.join(Ask(eve, room))
    await logic.typing(Ask(eve, room))
