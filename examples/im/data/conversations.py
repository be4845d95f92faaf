"""Rooms and direct conversations, and who is in them.

Memberships change only after a place was taken (see `log`), so a member is counted once, and a
message is stored before somebody left or not at all.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, insert, select, update
from sqlalchemy import delete as remove
from sqlalchemy.orm import aliased

from examples.im import api
from examples.im.data import log
from examples.im.data.accounts import ACCOUNT, account, accounts
from examples.im.data.database import Database
from examples.im.data.tables import Conversation, Member, Message, User
from mainstay.errors import Conflict, InvalidRequest, NotFound, PermissionDenied

TELLING = 20
"""Members up to which a conversation tells how far each of them is."""


class Conversations:
    """The repository of conversations and memberships."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user: int) -> api.Conversations:
        """All of a user's, that with the newest message first, and the place up to which it is true."""
        return await self._database.read(_of, user)

    async def one(self, conversation: int, user: int) -> api.Conversation:
        """A conversation, as a user sees it who may read it.

        Raises: NotFound; PermissionDenied for a direct conversation of others.
        """
        return await self._database.read(_one, conversation, user)

    async def rooms(self, text: str, user: int, limit: int) -> api.Conversations:
        """Rooms whose names begin with `text`, those with most members first."""
        return await self._database.read(_rooms, text, user, limit)

    async def create(self, name: str, title: str, user: int, now: int) -> api.Conversation:
        """A room with the user in it. Raises: Conflict when the name is taken."""
        return await self._database.write(_create, name, title, user, now)

    async def room(self, name: str, title: str, now: int) -> int:
        """The id of a room, which is made, without members, if it does not exist."""
        return await self._database.write(_room, name, title, now)

    async def join(self, conversation: int, user: int, now: int) -> api.Conversation:
        """Make the user a member of a room; what was said before counts as read.

        Raises: NotFound; PermissionDenied for a direct conversation of others.
        """
        return await self._database.write(_join, conversation, user, now)

    async def leave(self, conversation: int, user: int, now: int) -> None:
        """End a membership. Raises: NotFound; PermissionDenied for a direct conversation."""
        await self._database.write(_leave, conversation, user, now)

    async def direct(self, user: int, peer: int, now: int) -> api.Conversation:
        """What two users have together; made, with both in it, if there is none.

        Raises: InvalidRequest for a user with themselves.
        """
        return await self._database.write(_direct, user, peer, now)

    async def members(self, conversation: int, limit: int) -> list[api.Account]:
        """Who is in it, by name."""
        return await self._database.read(
            lambda db: accounts(
                db,
                select(*ACCOUNT)
                .join(Member, Member.user_id == User.id)
                .where(Member.conversation_id == conversation)
                .order_by(User.name)
                .limit(limit),
            )
        )

    async def require_readable(self, conversation: int, user: int) -> None:
        """Raises: NotFound; PermissionDenied for a direct conversation of others."""
        await self._database.read(_require_readable, conversation, user)

    async def require_member(self, conversation: int, user: int) -> None:
        """Raises: NotFound; PermissionDenied for who is none."""
        if not await self._database.read(_require_readable, conversation, user):
            raise PermissionDenied(
                "who is no member cannot talk here; join first", reason="NOT_A_MEMBER"
            )


def _seen_by(user: int) -> Select[*tuple[Any, ...]]:
    """Conversations as a user sees them; `_conversation` takes the rows."""
    me, other, both = aliased(Member), aliased(Member), aliased(Member)
    peer, sender = aliased(User), aliased(User)

    def others(mark: Any) -> Any:
        lowest = select(func.min(mark)).where(
            other.conversation_id == Conversation.id, other.user_id != user
        )
        told = Conversation.member_count <= TELLING
        return func.coalesce(case((told, lowest.scalar_subquery())), 0)

    return (
        select(
            Conversation.id,
            Conversation.kind,
            Conversation.name,
            Conversation.title,
            Conversation.member_count,
            func.coalesce(me.delivered, 0),
            func.coalesce(me.read, 0),
            others(other.delivered),
            others(other.read),
            me.user_id,
            peer.id,
            peer.name,
            peer.display,
            peer.password,
            Message.seq,
            Message.number,
            Message.sender_id,
            sender.display,
            Message.client_id,
            func.substr(Message.text, 1, api.PREVIEW),
            Message.at,
        )
        .outerjoin(me, and_(me.conversation_id == Conversation.id, me.user_id == user))
        .outerjoin(
            both,
            and_(
                Conversation.kind == "direct",
                both.conversation_id == Conversation.id,
                both.user_id != user,
            ),
        )
        .outerjoin(peer, peer.id == both.user_id)
        .outerjoin(Message, Message.seq == Conversation.last_seq)
        .outerjoin(sender, sender.id == Message.sender_id)
    )


def _conversation(row: Any) -> api.Conversation:
    """A row of `_seen_by`."""
    conversation, kind, name, title, members, delivered, read, others_delivered, others_read = row[
        :9
    ]
    peer = account(*row[10:14]) if row[10] is not None else None
    seq, number, sender, sender_name, client_id, text, at = row[14:]
    return api.Conversation(
        id=conversation,
        kind=kind,
        name=peer.name if peer else name,
        title=peer.display if peer else title,
        members=members,
        peer=peer,
        member=row[9] is not None,
        last=api.Message(seq, conversation, number, sender, sender_name, client_id, text, at)
        if seq is not None
        else None,
        delivered=delivered,
        read=read,
        others_delivered=others_delivered,
        others_read=others_read,
    )


def _of(db: Connection, user: int) -> api.Conversations:
    place = log.place(db)
    theirs = select(Member.conversation_id).where(Member.user_id == user)
    rows = db.execute(
        _seen_by(user)
        .where(Conversation.id.in_(theirs))
        .order_by(Conversation.last_seq.desc(), Conversation.id.desc())
    )
    return api.Conversations([_conversation(row) for row in rows], place)


def _rooms(db: Connection, text: str, user: int, limit: int) -> api.Conversations:
    place = log.place(db)
    rows = db.execute(
        _seen_by(user)
        .where(
            Conversation.kind == "room",
            Conversation.name >= text,
            Conversation.name < f"{text}\U0010ffff",
        )
        .order_by(Conversation.member_count.desc(), Conversation.name)
        .limit(limit)
    )
    return api.Conversations([_conversation(row) for row in rows], place)


def _one(db: Connection, conversation: int, user: int) -> api.Conversation:
    # A stranger to a direct conversation has two peers in it, and so two rows.
    row = db.execute(_seen_by(user).where(Conversation.id == conversation).limit(1)).first()
    if row is None:
        raise _no_such(conversation)
    found = _conversation(row)
    if found.kind == "direct" and not found.member:
        raise _not_yours()
    return found


def _require_readable(db: Connection, conversation: int, user: int) -> bool:
    """Whether the user is a member of what they may read."""
    row = db.execute(
        select(Conversation.kind, Member.user_id)
        .outerjoin(Member, and_(Member.conversation_id == Conversation.id, Member.user_id == user))
        .where(Conversation.id == conversation)
    ).one_or_none()
    if row is None:
        raise _no_such(conversation)
    if row.kind == "direct" and row.user_id is None:
        raise _not_yours()
    return row.user_id is not None


def _create(db: Connection, name: str, title: str, user: int, now: int) -> api.Conversation:
    first = log.take(db, 1)
    if _named(db, "room", name) is not None:
        raise Conflict(f"there is a room {name} already; join it, or choose another name")
    conversation = _insert(db, "room", name, title, now)
    enter(db, first, conversation, [user], now)
    return _one(db, conversation, user)


def _room(db: Connection, name: str, title: str, now: int) -> int:
    log.take(db, 1)
    return _named(db, "room", name) or _insert(db, "room", name, title, now)


def _join(db: Connection, conversation: int, user: int, now: int) -> api.Conversation:
    first = log.take(db, 1)
    found = _one(db, conversation, user)
    if found.member:
        return found
    enter(db, first, conversation, [user], now)
    return _one(db, conversation, user)


def _leave(db: Connection, conversation: int, user: int, now: int) -> None:
    first = log.take(db, 1)
    if _one(db, conversation, user).kind == "direct":
        raise PermissionDenied("a direct conversation cannot be left")
    gone = db.execute(
        remove(Member).where(Member.conversation_id == conversation, Member.user_id == user)
    )
    if gone.rowcount:
        _count(db, conversation, -1)
        name = db.scalar(select(User.display).where(User.id == user)) or ""
        log.tell(db, [(first, api.Membership(conversation, user, name, joined=False))], now)


def _direct(db: Connection, user: int, peer: int, now: int) -> api.Conversation:
    if user == peer:
        raise InvalidRequest("a direct conversation is one with somebody else")
    first = log.take(db, 2)
    name = f"{min(user, peer)}:{max(user, peer)}"
    conversation = _named(db, "direct", name)
    if conversation is None:
        conversation = _insert(db, "direct", name, "", now)
        enter(db, first, conversation, [user, peer], now)
    return _one(db, conversation, user)


def _named(db: Connection, kind: str, name: str) -> int | None:
    return db.scalar(
        select(Conversation.id).where(Conversation.kind == kind, Conversation.name == name)
    )


def _insert(db: Connection, kind: str, name: str, title: str, now: int) -> int:
    row = {"kind": kind, "name": name, "title": title, "created_at": now}
    return db.execute(insert(Conversation).values(row).returning(Conversation.id)).scalar_one()


def enter(db: Connection, first: int, conversation: int, users: list[int], now: int) -> None:
    """Make users members who are none, and tell it at places from `first` on."""
    last = select(Conversation.last_number).where(Conversation.id == conversation).scalar_subquery()
    found = select(User.id, User.display).where(User.id.in_(users))
    names = {user: name for user, name in db.execute(found)}  # noqa: C416 - a row is no pair
    if len(names) < len(users):
        raise NotFound("there is no such user")
    for user in users:
        row = {"conversation_id": conversation, "user_id": user, "joined_at": now}
        db.execute(insert(Member).values(delivered=last, read=last, **row))
    _count(db, conversation, len(users))
    told = [api.Membership(conversation, user, names[user], joined=True) for user in users]
    log.tell(db, list(enumerate(told, first)), now)


def _count(db: Connection, conversation: int, more: int) -> None:
    db.execute(
        update(Conversation)
        .where(Conversation.id == conversation)
        .values(member_count=Conversation.member_count + more)
    )


def _no_such(conversation: int) -> NotFound:
    return NotFound(f"there is no conversation {conversation}")


def _not_yours() -> PermissionDenied:
    return PermissionDenied("this conversation is not for you to read")
