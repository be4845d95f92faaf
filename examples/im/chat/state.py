"""What a client knows: where it is in each conversation, and what it has said that is not stored.

Two rules make every message come once. What is said has a client id, and is said again with the
same until it is acknowledged; one message is on its way at a time, so that their order is kept
whatever happens between. What arrives is shown if its number is above those of its conversation
that were shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from examples.im.api import Account, Conversation, Message, Presence
from examples.im.frames import Hello, Look, Say, Seen, Welcome


@dataclass(slots=True)
class Place:
    """A conversation on this screen: the numbers of the oldest and newest message shown, and of the
    newest that the gateway was told to be delivered."""

    oldest: int = 0
    newest: int = 0
    told: int = 0


@dataclass(slots=True)
class State:
    """What a client knows.

    Attributes:
        new_id: makes client ids.
        account: who is signed in.
        cursor: the highest place among all events that was heard of.
        conversations: of which the user is a member, by id.
        here: the conversation on the screen; 0 for none.
        online: who is there, of those whom the screen shows.
        unsent: what is not stored yet, oldest first.
        sending: whether the first of them is on its way.
        stored: the place of what was stored last of what was said here.
    """

    new_id: Callable[[], str]
    account: Account = field(default_factory=Account)
    cursor: int = 0
    conversations: dict[int, Conversation] = field(default_factory=dict)
    here: int = 0
    online: set[int] = field(default_factory=set)
    unsent: deque[Say] = field(default_factory=deque)
    sending: bool = False
    stored: int = 0
    _places: dict[int, Place] = field(default_factory=dict)

    # --- what goes ------------------------------------------------------------------------------

    def hello(self) -> Hello:
        """The first frame of a connection."""
        return Hello(self.cursor)

    def say(self, text: str) -> None:
        """Something to be said here."""
        self.unsent.append(Say(self.here, self.new_id(), text))

    def next_to_send(self) -> Say | None:
        """What is to be sent now, and is on its way from now on; None while something is."""
        if self.sending or not self.unsent:
            return None
        self.sending = True
        return self.unsent[0]

    def settled(self, client_id: str, seq: int = 0) -> Say | None:
        """It is stored at a place, or, without one, will never be: the message, if it was that on its
        way."""
        if not self.unsent or self.unsent[0].client_id != client_id:
            return None
        self.sending = False
        self.stored = max(self.stored, seq)
        return self.unsent.popleft()

    @property
    def is_complete(self) -> bool:
        """Whether all that was said is stored, and came back."""
        return not self.unsent and self.cursor >= self.stored

    def look(self, users: Iterable[int] = ()) -> Look:
        """What the screen shows."""
        return Look(self.here, list(users)[:200])

    def seen(self, conversation: int) -> Seen | None:
        """How far the user is in a conversation; None if the gateway knows."""
        place = self.place(conversation)
        if place.told == place.newest:
            return None
        place.told = place.newest
        read = place.newest if conversation == self.here else 0
        return Seen(conversation, delivered=place.newest, read=read)

    # --- what comes -----------------------------------------------------------------------------

    def place(self, conversation: int) -> Place:
        """Where the screen is in a conversation."""
        return self._places.setdefault(conversation, Place())

    def welcomed(self, frame: Welcome) -> None:
        """A connection is there. Without resuming, what the screen has not shown has to be loaded."""
        self.account = frame.account
        self.sending = False
        self.conversations = {each.id: each for each in frame.conversations}
        if not frame.resumed:
            self.cursor = frame.cursor
            for each in frame.conversations:
                if each.id != self.here and each.last:
                    place = self.place(each.id)
                    place.newest = max(place.newest, each.last.number)

    def heard(self, seq: int) -> None:
        """Something happened at a place."""
        self.cursor = max(self.cursor, seq)

    def is_new(self, message: Message) -> bool:
        """Whether a message was not shown yet; it is from now on."""
        self.heard(message.seq)
        place = self.place(message.conversation)
        if message.number <= place.newest:
            return False
        place.newest = message.number
        place.oldest = place.oldest or message.number
        return True

    def page(self, conversation: int, messages: list[Message]) -> None:
        """A page of history is shown."""
        if messages:
            place = self.place(conversation)
            place.newest = max(place.newest, messages[-1].number)
            place.oldest = min(place.oldest or messages[0].number, messages[0].number)

    def present(self, presences: Iterable[Presence]) -> None:
        """Who is there, and who is not."""
        for each in presences:
            if each.online:
                self.online.add(each.user)
            else:
                self.online.discard(each.user)
