"""Old text, many messages at a time.

What was said elsewhere has its own times and authors who do not sign in. It takes its places at the
end of the log, as all that is written, and is left out of the feed, since it is no news: who had read
all has read it as well, and a room goes on being as new as the last message of the living.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Connection,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)

from examples.im import api
from examples.im.data import log
from examples.im.data.conversations import TELLING
from examples.im.data.database import Database
from examples.im.data.tables import Conversation, Member, Message, User

TOGETHER = 1000
"""Messages of a transaction: some tens of milliseconds, in which nobody else writes."""


class Old(Struct, frozen=True):
    """A message of long ago.

    Attributes:
        room: the name of its room.
        title: of the room, as shown, if there is no such room yet.
        author: the name of who said it: one that nobody can choose who signs up.
        display: their name as shown, if they are new here.
        text: up to ``api.TEXT_LIMIT`` characters.
        at: when, in milliseconds since 1970.
        nth: tells messages apart that are alike in all else, from 0.
    """

    room: str
    title: str
    author: str
    display: str
    text: str
    at: int
    nth: int = 0


class Added(NamedTuple):
    """What was new of what was to be added."""

    rooms: int = 0
    authors: int = 0
    messages: int = 0

    def plus(self, other: Added) -> Added:
        """Both together."""
        return Added(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Bulk:
    """Adds old messages."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._members: set[tuple[int, int]] = set()

    async def add(self, messages: Sequence[Old], now: int) -> Added:
        """Store messages at the ends of their rooms, in the order given; rooms and authors that do
        not exist are made. What was added before is not added again.

        An author whose name somebody has who signs in is another one, with ``@old`` behind the name.

        Raises: as `Database.write`; what came before in `messages` may be stored then.
        """
        added = Added()
        for start in range(0, len(messages), TOGETHER):
            part = messages[start : start + TOGETHER]
            more, members = await self._database.write(_add, part, self._members, now)
            self._members |= members
            added = added.plus(more)
        return added


def client_id(old: Old) -> str:
    """By which an old message is known again, from all that it says."""
    said = "\0".join((old.room, old.author, str(old.at), str(old.nth), old.text))
    return blake2b(said.encode(errors="replace"), digest_size=16).hexdigest()


_STORED = select(Message.sender_id, Message.client_id).where(
    Message.client_id.in_(bindparam("client_ids", expanding=True))
)
_ROOMS = (
    select(
        Conversation.name,
        Conversation.id,
        Conversation.last_number,
        Conversation.member_count,
        case((User.password.is_not(None), Conversation.last_seq), else_=0),
    )
    .outerjoin(Message, Message.seq == Conversation.last_seq)
    .outerjoin(User, User.id == Message.sender_id)
    .where(Conversation.kind == "room", Conversation.name.in_(bindparam("names", expanding=True)))
)
_AUTHORS = select(User.name, User.id, User.password).where(
    User.name.in_(bindparam("names", expanding=True))
)
_ENTER = insert(Member).from_select(
    ["conversation_id", "user_id", "delivered", "read", "joined_at"],
    select(
        bindparam("room", type_=BigInteger),
        bindparam("user", type_=BigInteger),
        literal(0),
        literal(0),
        bindparam("now", type_=BigInteger),
    ).where(
        ~exists().where(
            Member.conversation_id == bindparam("room"), Member.user_id == bindparam("user")
        )
    ),
)
_MOVE = (
    update(Conversation)
    .where(Conversation.id == bindparam("room"))
    .values(last_number=bindparam("number"), last_seq=bindparam("seq"))
)
_READ = (
    update(Member)
    .where(Member.conversation_id == bindparam("room"), Member.read == bindparam("before"))
    .values(delivered=bindparam("number"), read=bindparam("number"))
    .returning(Member.user_id)
)
_COUNT = (
    update(Conversation)
    .where(Conversation.id.in_(bindparam("rooms", expanding=True)))
    .values(
        member_count=select(func.count())
        .where(Member.conversation_id == Conversation.id)
        .scalar_subquery()
    )
)


def _add(
    db: Connection, given: Sequence[Old], members: set[tuple[int, int]], now: int
) -> tuple[Added, set[tuple[int, int]]]:
    """Add some, where `members` are known to be in their rooms; returns who is now as well."""
    place = log.take(db, len(given))
    authors, new_authors = _authors(db, {each.author: each.display for each in given}, now)
    rooms, new_rooms = _rooms(db, {each.room: each.title for each in given}, now)
    keys = [(authors[each.author], client_id(each)) for each in given]
    found = db.execute(_STORED, {"client_ids": [key for _, key in keys]})
    stored = {(author, key) for author, key in found}
    rows: list[dict[str, object]] = []
    for (author, key), each in zip(keys, given, strict=True):
        if (author, key) in stored:
            continue
        stored.add((author, key))
        room = rooms[each.room]
        room.number, room.seq = room.number + 1, place + len(rows)
        rows.append(
            {
                "seq": room.seq,
                "conversation_id": room.id,
                "number": room.number,
                "sender_id": author,
                "client_id": key,
                "text": each.text,
                "at": each.at,
            }
        )
    if rows:
        db.execute(insert(Message), rows)
        moved = [room for room in rooms.values() if room.seq]
        last = [(room.id, room.number, room.news or room.seq) for room in moved]
        db.execute(
            _MOVE, [dict(zip(("room", "number", "seq"), each, strict=True)) for each in last]
        )
        _read(db, moved, now)
    entering = {(rooms[each.room].id, authors[each.author]) for each in given} - members
    if entering:
        db.execute(_ENTER, [{"room": room, "user": user, "now": now} for room, user in entering])
        db.execute(_COUNT, {"rooms": list({room for room, _ in entering})})
    return Added(new_rooms, new_authors, len(rows)), entering


@dataclass(slots=True)
class _Room:
    """A room in the course of a transaction.

    Attributes:
        before: the number of its last message.
        members: how many were in it.
        news: the place of its last message, if that is no old text; else 0.
        number, seq: of the message that was added last.
    """

    id: int
    before: int
    members: int
    news: int
    number: int
    seq: int = 0


def _read(db: Connection, rooms: Iterable[_Room], now: int) -> None:
    """Let who had read all have read all, and tell it as any other mark."""
    told: list[api.Told] = []
    for room in rooms:
        mark = {"room": room.id, "before": room.before, "number": room.number}
        users = sorted(db.scalars(_READ, mark))
        if room.members <= TELLING:
            told += [api.Receipt(room.id, user, room.number, room.number) for user in users]
    log.tell(db, list(enumerate(told, log.take(db, len(told)))), now)


def _rooms(db: Connection, titles: dict[str, str], now: int) -> tuple[dict[str, _Room], int]:
    """Rooms by their names, made if they are missing, and how many were."""
    found = _named_rooms(db, titles)
    missing = [name for name in titles if name not in found]
    if missing:
        rows = [{"name": name, "title": titles[name] or name} for name in missing]
        db.execute(insert(Conversation).values(kind="room", created_at=now), rows)
        found |= _named_rooms(db, missing)
    return found, len(missing)


def _named_rooms(db: Connection, names: Iterable[str]) -> dict[str, _Room]:
    rows = db.execute(_ROOMS, {"names": list(names)})
    return {
        name: _Room(room, number, members, news, number)
        for name, room, number, members, news in rows
    }


def _authors(db: Connection, displays: dict[str, str], now: int) -> tuple[dict[str, int], int]:
    """The ids of authors by their names, made if they are missing, and how many were."""
    taken = {
        name
        for name, _, password in db.execute(_AUTHORS, {"names": list(displays)})
        if password is not None
    }
    names = {name: f"{name}@old" if name in taken else name for name in displays}
    found = _named_authors(db, names.values())
    missing = [name for name in displays if names[name] not in found]
    if missing:
        rows = [{"name": names[name], "display": displays[name] or name} for name in missing]
        db.execute(insert(User).values(created_at=now), rows)
        found |= _named_authors(db, [names[name] for name in missing])
    return {name: found[names[name]] for name in displays}, len(missing)


def _named_authors(db: Connection, names: Iterable[str]) -> dict[str, int]:
    rows = db.execute(_AUTHORS, {"names": list(names)})
    return {name: user for name, user, _ in rows}
