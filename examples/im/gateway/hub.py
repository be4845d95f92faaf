"""Who is here, and who hears of what.

One hub knows all sessions of a process. What the feed brings is handed on at once, without waiting
for anybody: a session that is told something keeps it until its client has taken it. So a page of
events goes out in the order in which it came, and a frame is encoded once however many get it.

Who hears of a message: the members of its conversation. For that the hub knows the conversations of
everybody who is here. They are asked for when the first session of a user comes, and kept true by
the feed. Between the two lies a gap: what the feed brings while the answer is on its way may be in
the answer or not. `Attendee.place` closes it: changes at and before the place of the answer are in
it, and changes after it, which were kept meanwhile, are made to it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from examples.im import api
from examples.im.frames import Here, Joined, Left, Marked, Said, Writing
from examples.im.gateway.outgoing import Outgoing
from examples.im.gateway.rate import Rate
from examples.im.gateway.settings import GatewaySettings
from mainstay.errors import Overloaded

if TYPE_CHECKING:
    from examples.im.gateway.session import Session

K = TypeVar("K")
T = TypeVar("T")

ASKS_PER_SECOND: Final = 50.0
ASKS_AT_ONCE: Final = 100
"""What a user may ask for beside messages, on all clients together; who asks more waits."""


REMEMBERED: Final = 10_000
"""Users whose rates are remembered when they have left, and sessions that were ended."""


class Rates:
    """How fast a user may be, by whatever they come: on all their clients together.

    Attributes:
        says: for messages.
        asks: for anything else.
    """

    __slots__ = ("asks", "says")

    def __init__(self, settings: GatewaySettings) -> None:
        self.says = Rate(settings.messages_per_second, settings.burst)
        self.asks = Rate(ASKS_PER_SECOND, ASKS_AT_ONCE)


class Attendee:
    """A user who has a session here.

    Attributes:
        user: their id.
        sessions: of them, the oldest first.
        conversations: of which they are a member; right up to `place`.
        place: among all events; None until the conversations are known.
        changes: of membership, that came before that: place, conversation, whether joined.
        rates: how fast they may be.
    """

    __slots__ = ("changes", "conversations", "place", "rates", "sessions", "user")

    def __init__(self, user: int, rates: Rates) -> None:
        self.user = user
        self.rates = rates
        self.sessions: list[Session] = []
        self.conversations: set[int] = set()
        self.place: int | None = None
        self.changes: list[tuple[int, int, bool]] | None = []


class Hub:
    """See the module.

    Args:
        settings: of the gateway.

    Attributes:
        settings: the same.
        attendees: by their users' ids.
        place: up to which the feed was handed on; `api.NOW` until it has begun.
        arrived, departed: users who came and went since somebody took these sets.
        moved: is set when one of the two has got a user.
        followed: is set while the feed has a place.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.attendees: dict[int, Attendee] = {}
        self.place = api.NOW
        self.arrived: set[int] = set()
        self.departed: set[int] = set()
        self.moved = asyncio.Event()
        self.followed = asyncio.Event()
        self._strangers: set[Session] = set()
        self._rates: OrderedDict[int, Rates] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._members: dict[int, set[Attendee]] = {}
        self._lookers: dict[int, set[Session]] = {}
        self._watchers: dict[int, set[Session]] = {}

    # --- coming and going -----------------------------------------------------------------------

    def meet(self, session: Session) -> None:
        """A session begins; until its client says hello, it is only parted with. That its sign-in
        has ended may have been heard before who it is: it is parted with at once, then."""
        self._strangers.add(session)
        if session.signed_in.id in self._ended:
            session.part(4001, "signed out")

    def enter(self, user: int, session: Session) -> Attendee:
        """A client of a user has said hello. Raises: Overloaded for one too many."""
        attendee = self.attendees.get(user)
        if attendee is None:
            attendee = self.attendees[user] = Attendee(user, self.rates_of(user))
            del self._rates[user]
            self.departed.discard(user)
            self.arrived.add(user)
            self.moved.set()
        elif len(attendee.sessions) >= self.settings.clients:
            raise Overloaded(f"{self.settings.clients} clients are here already: close one of them")
        attendee.sessions.append(session)
        self._strangers.discard(session)
        return attendee

    def rates_of(self, user: int) -> Rates:
        """How fast a user may be. It outlives their sessions: coming back makes nobody faster."""
        attendee = self.attendees.get(user)
        if attendee is not None:
            return attendee.rates
        rates = self._rates.get(user)
        if rates is None:
            rates = Rates(self.settings)
        _remember(self._rates, user, rates)
        return rates

    def settle(self, attendee: Attendee, found: api.Conversations) -> None:
        """The conversations of an attendee were found; nothing happens if they were known."""
        if attendee.place is not None or not attendee.sessions:
            return
        attendee.place = found.seq
        for conversation in found.items:
            self._join(attendee, conversation.id)
        changes, attendee.changes = attendee.changes, None
        for seq, conversation_id, joined in changes or ():
            self._change(attendee, seq, conversation_id, joined)

    def leave(self, session: Session) -> None:
        """A session ends. Idempotent."""
        self._strangers.discard(session)
        self.look(session, 0, ())
        attendee = session.attendee
        if attendee is None or session not in attendee.sessions:
            return
        attendee.sessions.remove(session)
        if attendee.sessions:
            return
        del self.attendees[attendee.user]
        _remember(self._rates, attendee.user, attendee.rates)
        for conversation in attendee.conversations:
            _discard(self._members, conversation, attendee)
        self.arrived.discard(attendee.user)
        self.departed.add(attendee.user)
        self.moved.set()

    def look(self, session: Session, conversation: int, users: Iterable[int]) -> None:
        """A screen shows a conversation and some users, in the place of what it showed; 0 and
        nobody for a screen that shows nothing. Nothing is noted for a session that has left."""
        if session.looks is not None:
            before, watched = session.looks
            _discard(self._lookers, before, session)
            for user in watched:
                _discard(self._watchers, user, session)
        session.looks = None
        wanted = tuple(users)
        here = session.attendee is not None and session in session.attendee.sessions
        if not here or (not conversation and not wanted):
            return
        session.looks = (conversation, wanted)
        if conversation:
            self._lookers.setdefault(conversation, set()).add(session)
        for user in wanted:
            self._watchers.setdefault(user, set()).add(session)

    def sessions(self) -> Iterator[Session]:
        """All of them, with those that have not said hello; they may leave meanwhile."""
        yield from list(self._strangers)
        for attendee in list(self.attendees.values()):
            yield from list(attendee.sessions)

    # --- what happens ---------------------------------------------------------------------------

    def dispatch(self, page: api.Events) -> None:
        """Hand a page of events on to all whom they concern."""
        for event in page.items:
            if event.seq > self.place:
                self._tell(event.seq, event.what)
        self.place = max(self.place, page.seq)
        self.followed.set()

    def forget_place(self) -> None:
        """The feed has to begin anew, and what happened before is not known, nor of what anybody is
        a member: who comes now asks for it again."""
        self.place = api.NOW
        self.followed.clear()
        self._members.clear()
        for attendee in self.attendees.values():
            attendee.conversations.clear()
            attendee.place, attendee.changes = None, []

    def _tell(self, seq: int, what: api.Happening) -> None:
        match what:
            case api.Message():
                self._tell_members(what.conversation, Outgoing(Said(what), seq))
            case api.Receipt():
                self._tell_members(what.conversation, Outgoing(Marked(seq, what), seq))
            case api.Presence():
                outgoing = Outgoing(Here(seq, [what]), seq)
                for session in self._watchers.get(what.user, ()):
                    session.put(outgoing)
            case api.Typing():
                self._tell_lookers(what.conversation, what.user, Outgoing(Writing(seq, what), seq))
            case api.Membership():
                self._move(seq, what)
            case api.SignedOut():
                self.sign_out(what.user, what.session)

    def _tell_members(self, conversation: int, outgoing: Outgoing) -> None:
        for attendee in self._members.get(conversation, ()):
            for session in attendee.sessions:
                session.put(outgoing)

    def _tell_lookers(self, conversation: int, but: int, outgoing: Outgoing) -> None:
        for session in self._lookers.get(conversation, ()):
            attendee = session.attendee
            if attendee and attendee.user != but and conversation in attendee.conversations:
                session.put(outgoing)

    def sign_out(self, user: int, session_id: str) -> None:
        """A session of a user was ended: part with its clients, and with those that are on their
        way."""
        _remember(self._ended, session_id, None)
        attendee = self.attendees.get(user)
        for session in [*self._strangers, *(attendee.sessions if attendee else ())]:
            if session.signed_in.id == session_id:
                session.part(4001, "signed out")

    # --- membership -----------------------------------------------------------------------------

    def _move(self, seq: int, moved: api.Membership) -> None:
        attendee = self.attendees.get(moved.user)
        if attendee is not None:
            self._change(attendee, seq, moved.conversation, moved.joined)
            for session in attendee.sessions:
                session.moved(seq, moved)
        frame = Joined(seq, moved) if moved.joined else Left(seq, moved)
        self._tell_lookers(moved.conversation, moved.user, Outgoing(frame, seq))

    def _change(self, attendee: Attendee, seq: int, conversation: int, joined: bool) -> None:
        if attendee.place is None:
            assert attendee.changes is not None
            attendee.changes.append((seq, conversation, joined))
        elif seq > attendee.place:
            attendee.place = seq
            if joined:
                self._join(attendee, conversation)
            else:
                attendee.conversations.discard(conversation)
                _discard(self._members, conversation, attendee)

    def _join(self, attendee: Attendee, conversation: int) -> None:
        attendee.conversations.add(conversation)
        self._members.setdefault(conversation, set()).add(attendee)

    def __repr__(self) -> str:
        return f"<Hub attendees={len(self.attendees)} place={self.place}>"


def _remember(kept: OrderedDict[K, T], key: K, item: T) -> None:
    """Note an item as the newest; forget the oldest of too many."""
    kept[key] = item
    kept.move_to_end(key)
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _discard(sets: dict[int, set[T]], key: int, item: T) -> None:
    """Take an item out of the set of a key, and the key away with the last one."""
    found = sets.get(key)
    if found is not None:
        found.discard(item)
        if not found:
            del sets[key]
