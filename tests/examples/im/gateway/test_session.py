"""Facts about `examples.im.gateway.session`: what a client is told, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from examples.im import api
from examples.im.frames import (
    Acknowledged,
    Joined,
    Left,
    Marked,
    Pong,
    Reconnect,
    Refused,
    Said,
    ServerFrame,
)
from mainstay.errors import Overloaded
from tests.examples.im.gateway.house import Guest, Home, House, at_home


def texts(frames: list[ServerFrame]) -> list[str]:
    return [each.message.text for each in frames if isinstance(each, Said)]


async def closing(guest: Guest) -> int | None:
    """Listen until the gateway says goodbye; its code."""
    await guest.hears_to_the_end()
    return guest.socket.close_code


async def say_behind_the_back(home: Home, session: api.Session, *texts: str) -> None:
    """Say something by another way than this gateway."""
    for text in texts:
        post = api.Post(session.account.id, home.house.lobby, f"behind-{text}", text)
        await home.house.post(post)


# --- messages -----------------------------------------------------------------------------------


async def test_a_message_reaches_everybody_and_is_acknowledged() -> None:
    """The sender hears that it is stored, and every member, the sender too, what was said."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        await ada.say(home.house.lobby, "hello")
        said = next(each for each in await bob.hears_all() if isinstance(each, Said))
        assert (said.message.text, said.message.sender) == ("hello", ada.id)
        told = await ada.hears_all()
        assert [type(each) for each in told].count(Acknowledged) == 1
        assert said in told


async def test_messages_keep_their_order() -> None:
    """What two say in turns arrives at both in the order of its numbers."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        for number in range(10):
            await ada.say(home.house.lobby, f"{number:02}-ada")
            await bob.say(home.house.lobby, f"{number:02}-bob")
        for guest in (ada, bob):
            said = [each.message for each in await guest.hears_all() if isinstance(each, Said)]
            assert [each.number for each in said] == list(range(1, 21))


async def test_a_message_that_is_said_again_is_stored_once() -> None:
    """It is acknowledged again, with the same number, and nobody hears it twice."""
    async with at_home() as home, home.guest("ada") as ada:
        for _ in range(2):
            await ada.say(home.house.lobby, "hello", "same-client-id")
        told = await ada.hears_all()
        acks = [each for each in told if isinstance(each, Acknowledged)]
        assert acks[0] == acks[1]
        assert texts(told) == ["hello"]


async def test_nothing_is_acknowledged_before_it_is_stored() -> None:
    """While the logic is away a message waits, and is offered again until it is stored."""
    async with at_home() as home, home.guest("ada") as ada:
        home.house.leave_the_room()
        await ada.say(home.house.lobby, "hello")
        assert await ada.hears_all(3) == []
        home.house.leave_the_room(False)
        told = await ada.hears_all(3)
        assert isinstance(told[0], Acknowledged)
        assert texts(told) == ["hello"]


async def test_patience_ends() -> None:
    """A message that could not be stored for ten seconds is refused, to be said again later: the
    client is sent away, and comes back."""
    async with at_home() as home, home.guest("ada") as ada:
        home.house.leave_the_room()
        await ada.say(home.house.lobby, "hello", "the-client-id")
        (refusal,) = await ada.hears_to_the_end()
        assert ada.socket.close_code == 1013
        assert isinstance(refusal, Refused)
        assert (refusal.code, refusal.client_id) == ("unavailable", "the-client-id")
        assert refusal.retry_after > 0


async def test_nothing_overtakes_what_could_not_be_stored() -> None:
    """Messages behind it that were on their way are not stored, although the logic is back by then:
    the client is sent away with 1013, comes back and says all of them again."""
    async with at_home() as home, home.guest("ada") as ada:
        home.house.leave_the_room()
        for text in ("first", "second", "third"):
            await ada.say(home.house.lobby, text)
        refusal = await ada.hears()
        assert isinstance(refusal, Refused)
        assert refusal.client_id == "client-first"
        home.house.leave_the_room(False)
        await ada.say(home.house.lobby, "fourth")
        assert await closing(ada) == 1013
        assert home.house.log[-1].what == api.Membership(home.house.lobby, ada.id, "ada", True)
        async with home.guest(ada.session) as again:
            for text in ("first", "second", "third", "fourth"):
                await again.say(home.house.lobby, text)
            assert texts(await again.hears_all()) == ["first", "second", "third", "fourth"]


async def test_what_a_screen_shows_is_not_lost_with_the_patience() -> None:
    """A client that cannot be told who is there is sent away as well, and asks again."""
    async with at_home() as home, home.guest("ada") as ada:
        home.house.leave_the_room()
        await ada.send(type="look", conversation=home.house.lobby, users=[ada.id])
        refusal = await ada.hears()
        assert isinstance(refusal, Refused)
        assert refusal.code == "unavailable"
        assert await closing(ada) == 1013


class Crowded(House):
    """Has no room for the first message."""

    async def post(self, request: api.Post) -> api.Posted:
        self._called("post")
        if self.calls.count("post") == 1:
            raise Overloaded("too much waits to be stored; try again")
        return await super().post(request)


async def test_a_logic_with_too_much_to_do_gets_no_more_by_clients_that_come_back() -> None:
    """Who was refused for that stays, and says it again in a while."""
    async with at_home(Crowded()) as home, home.guest("ada") as ada:
        await ada.say(home.house.lobby, "hello")
        refusal = (await ada.hears_all())[0]
        assert isinstance(refusal, Refused)
        assert (refusal.code, refusal.retry_after) == ("rate_limited", 2)
        await ada.say(home.house.lobby, "hello")
        assert texts(await ada.hears_all()) == ["hello"]


async def test_a_ping_does_not_wait_behind_a_message() -> None:
    """A client that asks whether we are there hears it while a message waits for the logic."""
    async with at_home() as home, home.guest("ada") as ada:
        home.house.leave_the_room()
        await ada.say(home.house.lobby, "hello")
        await ada.send(type="ping")
        assert await ada.hears_all(1) == [Pong()]


async def test_who_says_something_and_leaves_has_said_it() -> None:
    """The goodbye right behind a message does not take it back."""
    async with at_home() as home:
        async with home.guest("ada") as ada:
            await ada.say(home.house.lobby, "and goodbye")
        assert [
            each.what.text for each in home.house.log if isinstance(each.what, api.Message)
        ] == ["and goodbye"]


# --- coming back --------------------------------------------------------------------------------


async def test_what_was_missed_is_told_first() -> None:
    """Who comes back with a cursor gets the messages after it, in order, then what happens."""
    async with at_home() as home, home.guest("bob") as bob:
        ada = await home.sign_up("ada")
        async with home.guest(ada) as first:
            await bob.say(home.house.lobby, "seen")
            frames = await first.hears_all()
            cursor = max(each.message.seq for each in frames if isinstance(each, Said))
        await say_behind_the_back(home, bob.session, "missed 1", "missed 2")
        async with home.guest(ada, cursor=cursor) as again:
            assert again.welcome.resumed
            await bob.say(home.house.lobby, "live")
            assert texts(await again.hears_all()) == ["missed 1", "missed 2", "live"]


async def test_after_too_much_a_client_begins_anew() -> None:
    """More than 500 missed messages are not told: the client loads what it shows."""
    async with at_home() as home:
        ada = await home.sign_up("ada")
        cursor = home.house.seq
        await say_behind_the_back(home, ada, *(f"number {each}" for each in range(501)))
        async with home.guest(ada, cursor=cursor) as again:
            assert not again.welcome.resumed
            assert again.welcome.cursor == home.house.seq
            assert await again.hears_all() == []


async def test_a_cursor_of_another_house_means_nothing() -> None:
    """A place that has not come yet is no place: the client begins anew, and misses nothing."""
    async with at_home() as home, home.guest("ada", cursor=10**9) as ada:
        assert not ada.welcome.resumed
        await ada.say(home.house.lobby, "hello")
        assert texts(await ada.hears_all()) == ["hello"]


class SlowHouse(House):
    """Answers about conversations and missed messages after a second, in which things happen."""

    async def conversations(self, request: api.Ask) -> api.Conversations:
        found = await super().conversations(request)
        await asyncio.sleep(1)
        return found

    async def missed(self, request: api.Since) -> api.Messages:
        found = await super().missed(request)
        await asyncio.sleep(1)
        return found


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("resumes", [False, True])
async def test_there_is_no_gap_between_what_was_missed_and_what_happens(
    moment: float, resumes: bool
) -> None:
    """Whenever it is said while a client comes, a message is told once: in the conversations of
    the welcome for who is new, else as a message."""
    async with at_home(SlowHouse()) as home:
        ada, bob = await home.sign_up("ada"), await home.sign_up("bob")
        await say_behind_the_back(home, bob, "before")
        cursor = home.house.seq
        saying = asyncio.create_task(asyncio.sleep(moment))
        saying.add_done_callback(
            lambda _: asyncio.create_task(say_behind_the_back(home, bob, "meanwhile"))
        )
        async with home.guest(ada, cursor=cursor if resumes else 0) as guest:
            told = texts(await guest.hears_all(4))
            last = guest.welcome.conversations[0].last
            assert last is not None
            if resumes:
                assert guest.welcome.resumed
                assert told == ["meanwhile"]
            else:
                assert told == [] if last.text == "meanwhile" else ["meanwhile"]


async def test_a_room_that_is_joined_while_a_client_comes_is_heard() -> None:
    """The change is made to the conversations that were asked for before it."""
    async with at_home(SlowHouse()) as home:
        ada, bob = await home.sign_up("ada"), await home.sign_up("bob")
        room = await home.house.create(api.Ask(bob.account.id, text="tea"))

        async def join_soon() -> None:
            await asyncio.sleep(0.5)
            await home.house.join(api.Ask(ada.account.id, room.id))

        joining = asyncio.create_task(join_soon())
        async with home.guest(ada) as guest:
            await joining
            await home.house.post(api.Post(bob.account.id, room.id, "client-id", "tea?"))
            told = await guest.hears_all(4)
            joined = next(each for each in told if isinstance(each, Joined))
            assert joined.conversation is not None
            assert joined.conversation.name == "tea"
            assert texts(told) == ["tea?"]


class LateFeed(House):
    """Its feed tells of everything a second after it has happened."""

    async def feed(self, request: api.Since) -> AsyncIterator[api.Events]:
        async for page in super().feed(request):
            if page.items:
                await asyncio.sleep(1)
            yield page


@pytest.mark.parametrize("resumes", [False, True])
async def test_what_the_feed_brings_late_is_told_once(resumes: bool) -> None:
    """What a client was told as missed, or in the conversations of its welcome, is not told again:
    neither messages, nor that it has joined a room, which it has left by now."""
    async with at_home(LateFeed()) as home:
        ada, bob = await home.sign_up("ada"), await home.sign_up("bob")
        await asyncio.sleep(3)
        cursor = home.house.seq
        room = await home.house.create(api.Ask(bob.account.id, text="tea"))
        await home.house.join(api.Ask(ada.account.id, room.id))
        await home.house.leave(api.Ask(ada.account.id, room.id))
        await say_behind_the_back(home, bob, "hello")
        async with home.guest(ada, cursor=cursor if resumes else 0) as guest:
            told = await guest.hears_all(4)
            assert [type(each) for each in told] == ([Said] if resumes else [])
            (attendee,) = home.hub.attendees.values()
            assert attendee.conversations == {home.house.lobby}


# --- several clients, several rooms -------------------------------------------------------------


async def test_all_clients_of_a_user_hear_the_same() -> None:
    """What one of them says, and how far it has read, reaches the others."""
    async with at_home() as home, home.guest("ada") as desk, home.guest(desk.session) as phone:
        await desk.say(home.house.lobby, "from the desk")
        assert texts(await phone.hears_all()) == ["from the desk"]
        await desk.send(type="seen", conversation=home.house.lobby, delivered=1, read=1)
        marked = (await phone.hears_all())[0]
        assert isinstance(marked, Marked)
        assert marked.receipt == api.Receipt(home.house.lobby, desk.id, 1, 1)


async def test_one_client_too_many_is_turned_away() -> None:
    """The eleventh gets 4009, and the others stay."""
    async with at_home(clients=1) as home, home.guest("ada") as ada:
        async with home.guest(ada.session, hello=False) as other:
            await other.send(type="hello")
            assert await closing(other) == 4009
        await ada.say(home.house.lobby, "still here")
        assert texts(await ada.hears_all()) == ["still here"]


async def test_who_comes_again_and_again_is_slowed_down() -> None:
    """Twenty times at once, since each asks a lot of the logic; then 1013, until time has passed. Others
    come as they please."""
    async with at_home() as home:
        ada = await home.sign_up("ada")
        for _ in range(20):
            async with home.guest(ada):
                pass
        asked = home.house.calls.count("conversations")
        async with home.guest(ada, hello=False) as turned_away:
            assert await closing(turned_away) == 1013
        assert home.house.calls.count("conversations") == asked
        async with home.guest("bob"):
            await asyncio.sleep(0.2)
        async with home.guest(ada) as again:
            assert again.welcome.account == ada.account


async def test_a_user_hears_a_room_from_joining_to_leaving() -> None:
    """Joining and leaving are events like others, and the user is told the conversation."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        room = await home.house.create(api.Ask(ada.id, text="tea"))
        await ada.say(room.id, "nobody hears this")
        assert texts(await bob.hears_all()) == []
        await home.house.join(api.Ask(bob.id, room.id))
        await ada.say(room.id, "but this")
        joined, said = await bob.hears_all()
        assert isinstance(joined, Joined)
        assert isinstance(said, Said)
        assert joined.conversation is not None
        assert joined.conversation.id == room.id
        await home.house.leave(api.Ask(bob.id, room.id))
        await ada.say(room.id, "and this no more")
        (left,) = await bob.hears_all()
        assert isinstance(left, Left)


async def test_who_joins_is_told_of_that_conversation_alone() -> None:
    """However many conversations a user has, joining one more asks for one more."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        room = await home.house.create(api.Ask(ada.id, text="tea"))
        await ada.hears_all()
        home.house.calls.clear()
        await home.house.join(api.Ask(bob.id, room.id))
        (joined,) = await bob.hears_all()
        assert isinstance(joined, Joined)
        assert "conversations" not in home.house.calls
        assert home.house.calls.count("conversation") == 1


async def test_the_limit_of_a_message_is_told() -> None:
    """A page that is told how long a message may be does not offend against it."""
    async with at_home(text=2000) as home, home.guest("ada") as ada:
        assert ada.welcome.text == 2000


# --- clients that do what they should not -------------------------------------------------------


async def test_a_client_that_says_nothing_is_sent_away() -> None:
    """The first frame has ten seconds to come."""
    async with at_home() as home, home.guest("ada", hello=False) as ada:
        assert await closing(ada) == 1008
        assert asyncio.get_running_loop().time() == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("no JSON", "invalid"),
        ('{"type": "shout"}', "invalid"),
        ('{"type": "say", "conversation": "lobby"}', "invalid"),
        ('{"type": "hello"}', "invalid"),
        (f'{{"type": "say", "conversation": {2**53}, "client_id": "12345678"}}', "invalid"),
        (f'{{"type": "seen", "conversation": 1, "read": {2**70}}}', "invalid"),
        (f'{{"type": "look", "conversation": 1, "users": [{2**70}]}}', "invalid"),
        ('{"type": "writes", "conversation": -1}', "invalid"),
        ('{"type": "say", "conversation": 1, "client_id": "short", "text": "a"}', "invalid"),
        (f'{{"type": "say", "client_id": "12345678", "text": "{"a" * 4001}"}}', "too_long"),
        ('{"type": "say", "conversation": 99, "client_id": "12345678", "text": "a"}', "not_found"),
        ('{"type": "say", "conversation": 1, "client_id": "12345678", "text": " "}', "invalid"),
        (f'{{"type": "look", "users": {list(range(201))}}}', "invalid"),
    ],
)
async def test_nonsense_is_refused_and_then_ends_the_conversation(frame: str, code: str) -> None:
    """Each is told what is wrong with it; the sixth in a row ends with 1008."""
    async with at_home() as home, home.guest("ada") as ada:
        for _ in range(6):
            await ada.socket.send(frame)
        refusals = [await ada.hears() for _ in range(6)]
        assert [each.code for each in refusals if isinstance(each, Refused)] == [code] * 6
        assert await closing(ada) == 1008


async def test_mistakes_are_forgiven() -> None:
    """What is right in between lets the count begin anew."""
    async with at_home() as home, home.guest("ada") as ada:
        for number in range(12):
            await ada.socket.send("no JSON")
            await ada.say(home.house.lobby, f"number {number}")
            await ada.hears_all(0.2)
        assert ada.socket.close_code is None


async def test_nobody_talks_before_hello() -> None:
    """It is refused, and nothing is asked of the logic."""
    async with at_home() as home, home.guest("ada", hello=False) as ada:
        await ada.say(home.house.lobby, "hello?")
        refusal = await ada.hears()
        assert isinstance(refusal, Refused)
        assert "post" not in home.house.calls


async def test_who_talks_too_fast_is_slowed_down() -> None:
    """After a burst, messages are refused with the time to wait; none of them is lost silently."""
    async with at_home(burst=3, messages_per_second=1.0) as home, home.guest("ada") as ada:
        for number in range(5):
            await ada.say(home.house.lobby, f"number {number}")
        told = await ada.hears_all(0.5)
        refusal = next(each for each in told if isinstance(each, Refused))
        assert (refusal.code, refusal.client_id) == ("rate_limited", "client-number 3")
        assert 0 < refusal.retry_after <= 1
        assert texts(told) == ["number 0", "number 1", "number 2"]
        assert texts(await ada.hears_all(2)) == ["number 4"]  # read after a pause, and in time


async def test_a_client_that_does_not_read_is_sent_away_alone() -> None:
    """Its outbox is bounded: beyond, it gets 4008, and nobody else notices."""
    async with (
        at_home(outbox=20, messages_per_second=1e6, burst=10**6) as home,
        home.guest("ada") as ada,
        home.guest("bob") as bob,
    ):
        long = "x" * 4000
        for number in range(200):
            await ada.say(home.house.lobby, f"{number:03}{long[3:]}", f"client-{number}")
            while not isinstance(await ada.hears(), Said):
                pass
        assert await closing(bob) == 4008
        assert ada.socket.close_code is None


# --- the end ------------------------------------------------------------------------------------


async def test_who_signs_out_is_parted_with_everywhere() -> None:
    """All clients of that session get 4001; those of another one of the same user stay."""
    async with at_home() as home, home.guest("ada") as ada, home.guest(ada.session) as tab:
        other = await home.house.sign_in(api.Credentials("ada", "secret"))
        async with home.guest(other) as phone:
            await home.house.sign_out(api.Token(ada.session.token))
            assert [await closing(ada), await closing(tab)] == [4001, 4001]
            await phone.send(type="ping")
            assert await phone.hears() == Pong()


async def test_a_session_that_expires_is_parted_with() -> None:
    """Within a minute of its end the client gets 4001."""
    house = House()
    async with at_home(house) as home:
        now = home.client.running.scope.effects.clock.time()
        house.expires_at = int((now + 90) * 1000)
        async with home.guest("ada") as ada:
            await ada.hears_all(89)
            assert ada.socket.close_code is None
            async with asyncio.timeout(62):
                assert await closing(ada) == 4001


async def test_a_drain_tells_clients_when_to_come_back() -> None:
    """Each at a time of its own within two seconds; then 1012."""
    async with at_home() as home, home.guest("ada") as ada, home.guest("bob") as bob:
        heard = await home.drained(ada, bob)
        afters = [each.after for (each,) in heard if isinstance(each, Reconnect)]
        assert len(set(afters)) == 2
        assert all(0 <= each <= 2 for each in afters)
        assert (ada.socket.close_code, bob.socket.close_code) == (1012, 1012)


class Thoughtful(House):
    """Stores a message after a second."""

    async def post(self, request: api.Post) -> api.Posted:
        await asyncio.sleep(1)
        return await super().post(request)


async def test_a_drain_lets_messages_that_were_said_be_stored() -> None:
    """The client hears that they are before it is sent away."""
    async with at_home(Thoughtful()) as home, home.guest("ada") as ada:
        await ada.say(home.house.lobby, "hello")
        await asyncio.sleep(0.1)
        (heard,) = await home.drained(ada)
        assert {type(each) for each in heard[:2]} == {Acknowledged, Said}
        assert isinstance(heard[2], Reconnect)
        assert ada.socket.close_code == 1012


async def test_a_gateway_without_a_logic_sends_clients_away() -> None:
    """Who comes while the logic is away for long is told to come later: 1013."""
    async with at_home() as home:
        ada = await home.sign_up("ada")
        async with home.guest(ada, hello=False) as guest:
            home.house.leave_the_room()
            await guest.send(type="hello")
            assert await closing(guest) == 1013
