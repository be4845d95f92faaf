"""Who is there: which gateways live, and whom each of them holds.

A gateway is believed until its lease is over. A user is there while a gateway that is believed has
them. Whoever comes or goes by that measure is told in the log, once.

A sign of life may have to wait, for a lock or for a machine that is halted. So a lease begins when it
is written; and who ends leases holds back after a stall, until gateways have had time to be heard.
All who serve reckon by their own clocks, which have to agree to within a second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update

from examples.im import api
from examples.im.data import log
from examples.im.data.database import Database
from examples.im.data.tables import Attendee, Gateway, User

_CHUNK = 5_000
"""Users of one statement: databases have a limit for parameters."""

_STALL: Final = 2_000
"""Milliseconds without a sweep, or that one has waited, after which others may have waited, too."""


class Attendances:
    """The repository of presence.

    Args:
        database: where it is.
        clock: the time, in milliseconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._swept = 0
        self._holds_back_until = 0

    async def attend(self, attendance: api.Attendance, lease: int) -> bool:
        """Take in what a gateway says, and believe it for so many milliseconds.

        Returns whether it was known; if not, nothing was taken in, and it is to say the whole.
        """
        return await self._database.write(_attend, attendance, lease, self._clock)

    async def present(self, users: Collection[int]) -> list[api.Presence]:
        """Whether some users are there, by their ids; who does not exist is left out."""
        return await self._database.read(_present, users)

    async def sweep(self, lease: int) -> int:
        """End the gateways whose leases are over; how many they were.

        To be called every second. At first and after a stall nobody is ended for `lease`
        milliseconds.
        """
        now = self._clock()
        if now - self._swept > _STALL:
            self._holds_back_until = now + lease
        self._swept = now
        if now < self._holds_back_until:
            return 0
        overdue = await self._database.read(_overdue, now)
        return await self._database.write(_sweep, now, self._clock) if overdue else 0


def _attend(db: Connection, said: api.Attendance, lease: int, clock: Callable[[], int]) -> bool:
    changes = bool(said.whole or said.arrived or said.departed)
    if changes:
        log.take(db, 0)  # before anything else is locked, as everywhere
    now = clock()
    expires_at = now + lease
    renewed = update(Gateway).where(Gateway.name == said.gateway).values(expires_at=expires_at)
    known = db.execute(renewed).rowcount > 0
    if not known and said.whole:
        db.execute(insert(Gateway), {"name": said.gateway, "expires_at": expires_at})
    elif not known:
        return False
    if changes:
        _change(db, said, now)
    return True


def _change(db: Connection, said: api.Attendance, now: int) -> None:
    had = _held(db, said.gateway)
    has = set(said.arrived) if said.whole else (had | set(said.arrived)) - set(said.departed)
    _move(db, said.gateway, has - had, had - has, now)


def _move(
    db: Connection, gateway: str, arrived: Collection[int], departed: Collection[int], now: int
) -> None:
    """Let users come to a gateway and go from it, and tell of those who are new or gone for all."""
    came = _of(db, arrived, lambda ids: select(User.id).where(User.id.in_(ids)))
    new = sorted(came - _there(db, came))
    if came:
        db.execute(insert(Attendee), [{"gateway": gateway, "user_id": user} for user in came])
    for ids in _chunks(departed):
        db.execute(delete(Attendee).where(Attendee.gateway == gateway, Attendee.user_id.in_(ids)))
    gone = sorted(set(departed) - _there(db, departed))
    if gone:
        seen = update(User).where(User.id == bindparam("user")).values(last_seen=now)
        db.execute(seen, [{"user": user} for user in gone])
    told = [api.Presence(user, online=True) for user in new]
    told += [api.Presence(user, online=False, last_seen=now) for user in gone]
    log.tell(db, list(enumerate(told, log.take(db, len(told)))), now)


def _present(db: Connection, users: Collection[int]) -> list[api.Presence]:
    there = _there(db, users)
    seen = select(User.id, User.last_seen).order_by(User.id)
    return [
        api.Presence(user, online=user in there, last_seen=0 if user in there else last_seen)
        for ids in _chunks(sorted(users))
        for user, last_seen in db.execute(seen.where(User.id.in_(ids)))
    ]


def _overdue(db: Connection, now: int) -> list[str]:
    return list(db.scalars(select(Gateway.name).where(Gateway.expires_at < now)))


def _sweep(db: Connection, now: int, clock: Callable[[], int]) -> int:
    log.take(db, 0)
    if clock() - now > _STALL:
        return 0
    gateways = _overdue(db, now)
    for gateway in gateways:
        _move(db, gateway, (), _held(db, gateway), now)
        db.execute(delete(Gateway).where(Gateway.name == gateway))
    return len(gateways)


def _held(db: Connection, gateway: str) -> set[int]:
    return set(db.scalars(select(Attendee.user_id).where(Attendee.gateway == gateway)))


def _there(db: Connection, users: Collection[int]) -> set[int]:
    """Those of some users who are at a gateway, whichever."""
    return _of(db, users, lambda ids: select(Attendee.user_id).where(Attendee.user_id.in_(ids)))


def _of(
    db: Connection, users: Collection[int], question: Callable[[list[int]], Select[int]]
) -> set[int]:
    return {user for ids in _chunks(users) for user in db.scalars(question(ids))}


def _chunks(users: Collection[int]) -> Iterator[list[int]]:
    ids = list(users)
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
