"""Facts about what a client knows: once, in order, whatever happens to the connection."""

from __future__ import annotations

from itertools import count

from examples.im.api import Account, Conversation, Message, Presence
from examples.im.chat.state import State
from examples.im.frames import Hello, Look, Say, Seen, Welcome

ADA = Account(1, "ada", "Ada")


def a_state(here: int = 7) -> State:
    """Of somebody who looks at a conversation."""
    ids = count(1)
    state = State(lambda: f"client-id-{next(ids)}")
    state.here = here
    return state


def test_one_message_is_on_its_way_at_a_time() -> None:
    """The next goes when it is stored, so that they stay in order."""
    state = a_state()
    state.say("one")
    state.say("two")
    assert state.next_to_send() == Say(7, "client-id-1", "one")
    assert state.next_to_send() is None
    assert state.settled("client-id-2") is None
    assert state.settled("client-id-1", 40) == Say(7, "client-id-1", "one")
    assert state.next_to_send() == Say(7, "client-id-2", "two")


def test_what_was_not_stored_is_said_again_with_the_same_id() -> None:
    """On the next connection."""
    state = a_state()
    state.say("one")
    first = state.next_to_send()
    state.welcomed(Welcome(ADA, [], cursor=5, resumed=True))
    assert state.next_to_send() == first


def test_a_message_is_complete_when_it_came_back() -> None:
    """Stored is not yet shown."""
    state = a_state()
    complete = [state.is_complete]
    state.say("one")
    state.next_to_send()
    complete.append(state.is_complete)
    state.settled("client-id-1", 40)
    complete.append(state.is_complete)
    assert state.is_new(Message(seq=40, conversation=7, number=1))
    complete.append(state.is_complete)
    assert complete == [True, False, False, True]


def test_a_message_is_new_once() -> None:
    """Whether it came twice, or was in a page of history before."""
    state = a_state()
    message = Message(seq=40, conversation=7, number=3)
    assert state.is_new(message)
    assert not state.is_new(message)
    state.page(7, [Message(seq=41, conversation=7, number=4)])
    assert not state.is_new(Message(seq=41, conversation=7, number=4))
    assert state.is_new(Message(seq=42, conversation=8, number=1))


def test_the_cursor_is_the_highest_place_heard_of() -> None:
    """An acknowledgement does not move it: what others said before may still be on its way."""
    state = a_state()
    state.say("one")
    state.next_to_send()
    state.is_new(Message(seq=40, conversation=7, number=1))
    state.heard(39)
    state.settled("client-id-1", 50)
    assert state.hello() == Hello(40)


def test_a_welcome_that_resumes_leaves_the_cursor() -> None:
    """What was missed follows, from there on."""
    state = a_state()
    state.heard(40)
    state.welcomed(Welcome(ADA, [], cursor=60, resumed=True))
    assert state.hello() == Hello(40)
    assert state.account == ADA


def test_a_welcome_that_does_not_resume_begins_anew() -> None:
    """What was said elsewhere is not told one by one; what is on the screen is asked for."""
    state = a_state(here=7)
    state.page(7, [Message(seq=10, conversation=7, number=1)])
    there = [Conversation(id=each, last=Message(number=9)) for each in (7, 8)]
    state.welcomed(Welcome(ADA, there, cursor=60, resumed=False))
    assert state.hello() == Hello(60)
    assert state.is_new(Message(seq=50, conversation=7, number=9))
    assert not state.is_new(Message(seq=49, conversation=8, number=9))


def test_pages_of_history_go_back() -> None:
    """The oldest that is shown is where the next page ends."""
    state = a_state()
    state.page(7, [])
    state.page(7, [Message(number=20), Message(number=21)])
    state.page(7, [Message(number=18), Message(number=19)])
    assert (state.place(7).oldest, state.place(7).newest) == (18, 21)


def test_how_far_the_user_is_is_told_once() -> None:
    """Read on this screen, delivered elsewhere."""
    state = a_state(here=7)
    assert state.seen(7) is None
    state.is_new(Message(seq=1, conversation=7, number=1))
    state.is_new(Message(seq=2, conversation=8, number=5))
    assert state.seen(7) == Seen(7, delivered=1, read=1)
    assert state.seen(8) == Seen(8, delivered=5, read=0)
    assert state.seen(7) is None


def test_presence_comes_and_goes() -> None:
    """Of those whom the screen shows; as many as may be asked for."""
    state = a_state()
    state.present([Presence(1, online=True), Presence(2, online=True)])
    state.present([Presence(1, online=False), Presence(3, online=False)])
    assert state.online == {2}
    assert state.look(range(300)) == Look(7, list(range(200)))
