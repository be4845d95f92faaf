"""The people of the bench, put into the database of a chat before it starts.

Everybody is in the lobby with all others, in a direct conversation with one other, and in a room of
`ROOM`. They are signed in already: what is measured is talking, and not the hashing of passwords.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, insert

from examples.im.data import schema
from examples.im.data.tables import Conversation, Member, Session, User
from examples.im.logic.wiring import LOBBY

__all__ = ["ROOM", "Person", "people", "settle", "stored"]

ROOM: Final = 10
"""Members of a room."""

_YEAR: Final = 365 * 24 * 3600 * 1000
_AT_ONCE: Final = 5000


@dataclass(frozen=True)
class Person:
    """One who is signed in, and where they talk.

    Attributes:
        id: the user's.
        token: of the session.
        direct, room: conversations.
        direct_place, room_place: among the members of each, from 0.
    """

    id: int
    token: str
    direct: int
    room: int
    direct_place: int
    room_place: int


def people(count: int) -> list[Person]:
    """So many, the same ones each time; `count` is a multiple of `ROOM`, and even."""
    pairs = count // 2
    return [
        Person(
            id=place + 1,
            token=f"bench-{place:032d}",
            direct=2 + place // 2,
            # Not the room of the peer, so that who talks in a room talks to others.
            room=2 + pairs + place % (count // ROOM),
            direct_place=place % 2,
            room_place=place // (count // ROOM),
        )
        for place in range(count)
    ]


def settle(file: Path, inhabitants: list[Person]) -> None:
    """Make the database with them in it, as the chat would have stored them."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as db:
        db.exec_driver_sql("PRAGMA synchronous=OFF")
        schema.create(db)
        now = int(time.time() * 1000)
        _store(db, User, _users(inhabitants, now))
        _store(db, Session, _sessions(inhabitants, now))
        _store(db, Conversation, _conversations(inhabitants, now))
        _store(db, Member, _members(inhabitants, now))
    engine.dispose()


def stored(file: Path, run: str) -> int:
    """How many messages of a run of the load generator are in the database."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as db:
        found = db.exec_driver_sql(
            "SELECT count(*) FROM message WHERE client_id LIKE ?", (f"{run}-%",)
        ).scalar_one()
    engine.dispose()
    return int(found)


def _store(db: Connection, table: type[Any], rows: list[dict[str, Any]]) -> None:
    for at in range(0, len(rows), _AT_ONCE):
        db.execute(insert(table), rows[at : at + _AT_ONCE])


def _users(inhabitants: list[Person], now: int) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "name": f"person-{each.id}",
            "display": f"Person {each.id}",
            "password": b"nobody can sign in by this",
            "created_at": now,
            "last_seen": now,
        }
        for each in inhabitants
    ]


def _sessions(inhabitants: list[Person], now: int) -> list[dict[str, Any]]:
    return [
        {
            "token_hash": hashlib.sha256(each.token.encode()).digest(),
            "user_id": each.id,
            "expires_at": now + _YEAR,
        }
        for each in inhabitants
    ]


def _conversations(inhabitants: list[Person], now: int) -> list[dict[str, Any]]:
    def row(number: int, kind: str, name: str, members: int) -> dict[str, Any]:
        return {
            "id": number,
            "kind": kind,
            "name": name,
            "title": name,
            "member_count": members,
            "created_at": now,
        }

    lobby = row(1, "room", LOBBY[0], len(inhabitants))
    directs = [
        row(each.direct, "direct", f"{each.id}:{each.id + 1}", 2)
        for each in inhabitants
        if each.direct_place == 0
    ]
    rooms = [
        row(each.room, "room", f"room-{each.room}", ROOM)
        for each in inhabitants
        if each.room_place == 0
    ]
    return [lobby, *directs, *rooms]


def _members(inhabitants: list[Person], now: int) -> list[dict[str, Any]]:
    def places() -> Iterator[tuple[int, int]]:
        for each in inhabitants:
            yield 1, each.id
            yield each.direct, each.id
            yield each.room, each.id

    return [{"conversation_id": where, "user_id": who, "joined_at": now} for where, who in places()]
