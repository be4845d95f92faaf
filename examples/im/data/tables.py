"""The tables. Times are whole milliseconds since 1970, UTC.

Everything that happens has a place, its `seq`, given out by a row of `Counter`. Who writes an event
first takes the places it needs from that row, and so holds a lock on it until it commits:
places are committed in their order, on every database, and who reads up to a place has read all
before it. A message is an event that is kept; all others are in `Signal`, and are swept.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite numbers rows by itself only in a column that is called INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")


def _name(length: int) -> String:
    """Names are compared by their code points, so that the index finds beginnings of them."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Table(DeclarativeBase):
    """Of all tables."""

    type_annotation_map = {int: BigInteger().with_variant(Integer(), "sqlite")}  # noqa: RUF012 - as SQLAlchemy documents it


class Counter(Table):
    """Two places: ``events`` is the last one that was given out; up to ``indexed`` messages can be found
    by their words."""

    __tablename__ = "counter"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[int] = mapped_column(default=0)


class User(Table):
    """Who talks. Without a password nobody can sign in: they came with old text."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(_name(60), unique=True)
    display: Mapped[str] = mapped_column(String(80))
    password: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[int]
    last_seen: Mapped[int] = mapped_column(default=0)


class Session(Table):
    """A sign-in. Only the token's SHA-256 is kept, so that a copy of the table opens nothing."""

    __tablename__ = "session"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    expires_at: Mapped[int]


class Try(Table):
    """Somebody tries to sign in: up to when they have used up their tries. The key is a hash."""

    __tablename__ = "sign_in_try"

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    used_until: Mapped[int] = mapped_column(index=True)


class Conversation(Table):
    """A room, or what two users have together.

    Attributes:
        name: of a room; of a direct conversation, the two ids, as in ``3:17``, the lower first.
        last_number: of its newest message, old text that was imported included.
        last_seq: of its newest message that is news, or else of its newest one; 0 without one.
        member_count: kept beside the memberships, for the directory.
    """

    __tablename__ = "conversation"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(_name(80))
    title: Mapped[str] = mapped_column(String(120))
    last_number: Mapped[int] = mapped_column(default=0)
    last_seq: Mapped[int] = mapped_column(default=0)
    member_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[int]

    __table_args__ = (Index("conversation_by_name", "kind", "name", unique=True),)


class Member(Table):
    """Who is in a conversation, and how far."""

    __tablename__ = "member"

    conversation_id: Mapped[int] = mapped_column(ForeignKey(Conversation.id), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True, index=True)
    delivered: Mapped[int] = mapped_column(default=0)
    read: Mapped[int] = mapped_column(default=0)
    joined_at: Mapped[int]


class Message(Table):
    """What was said: `seq` is its place among all events, `number` that in its conversation."""

    __tablename__ = "message"

    seq: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    conversation_id: Mapped[int] = mapped_column(ForeignKey(Conversation.id))
    number: Mapped[int]
    sender_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    client_id: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[int]

    __table_args__ = (
        Index("message_by_number", "conversation_id", "number", unique=True),
        Index("message_by_place", "conversation_id", "seq", unique=True),
        # The client id first: many of them are looked for at once, as a plain list.
        Index("message_by_client_id", "client_id", "sender_id", unique=True),
    )


class Signal(Table):
    """An event that is no message: ``api.Event.what`` as JSON, with its class's name."""

    __tablename__ = "signal"

    seq: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))
    body: Mapped[str] = mapped_column(Text)
    at: Mapped[int] = mapped_column(index=True)


class Gateway(Table):
    """A process that holds clients, believed until its lease is over."""

    __tablename__ = "gateway"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[int]


class Attendee(Table):
    """A user who has a client at a gateway."""

    __tablename__ = "attendee"

    gateway: Mapped[str] = mapped_column(ForeignKey(Gateway.name), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True, index=True)
