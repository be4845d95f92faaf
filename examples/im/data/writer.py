"""The group commit: what many users say at once is stored in one transaction.

A commit waits for the disk, and a transaction of one message takes half the work of one of sixty. So
whoever has something to store leaves it here; while one transaction runs, and for a moment after it,
the next one's worth gathers. Each caller is answered when theirs is on the disk, and not before.

In a transaction, one after the other: messages get the places and numbers that follow those before,
marks grow, and what a mark or a signal tells takes its place among the messages.

An entry that a database cannot take spoils the transaction for all. What is known to be such is not
taken at all; where one is found, halves are tried, and halves of those, until it is alone.
"""

from __future__ import annotations

import functools
import logging
from asyncio import Future, Task, get_running_loop, sleep
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Connection, Text, and_, insert, select, update

from examples.im import api
from examples.im.data import log
from examples.im.data.conversations import TELLING
from examples.im.data.database import Database
from examples.im.data.given import given, rows
from examples.im.data.tables import Conversation, Member, Message
from mainstay.errors import (
    BrokenError,
    ClosedError,
    Error,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
)

_logger = logging.getLogger(__name__)

Entry = api.Post | api.Mark | api.Told
"""What can be left to be stored."""

Outcome = api.Posted | Exception | None
"""What became of it: where a message is, why it was refused, or that it is done."""

TOGETHER = 256
"""Entries of one transaction, at most: the last one of them waits for all."""

ENOUGH = 64
"""Entries of a transaction after which no more is gained by gathering longer."""

MOMENT = 0.004
"""Seconds to gather after a transaction of fewer, when others wait already. A transaction, and the
reading of what it has brought, take the work of thirty messages beside their own; and somebody who
talks alone never waits."""

WAITING = 20_000
"""Entries that may wait; more are refused."""

_LARGEST: Final = 2**53 - 1
"""Numbers are read by browsers."""


class Writer:
    """Gathers and stores. To be closed with `aclose`, which stores what has been left.

    Args:
        database: where to.
        clock: the time, in milliseconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._waiting: deque[tuple[Entry, Future[Outcome]]] = deque()
        self._task: Task[None] | None = None
        self._closed = False
        self.transactions = 0
        self.entries = 0

    def __repr__(self) -> str:
        return f"<Writer {self.entries} in {self.transactions} transactions>"

    async def post(self, post: api.Post) -> api.Posted:
        """Store a message; one that is stored already is answered as it was then.

        Who says something has read what was said before: their own marks move along, untold. So a
        client that was away shows first what it missed, and says then what it has kept.

        Raises: NotFound; PermissionDenied for who is no member; and as `mark`.
        """
        posted = await self._store(post)
        assert posted is not None
        return posted

    async def mark(self, mark: api.Mark) -> None:
        """Move marks forward, not beyond what there is, and tell it if few enough are there to hear.

        Raises: InvalidRequest for a number that is none of ours; NotFound; PermissionDenied for who
        is no member; Overloaded when too many wait; BrokenError when the database does not answer, and
        nobody knows whether it was done.
        """
        await self._store(mark)

    async def tell(self, what: api.Told) -> None:
        """Tell an event. Raises: as `mark`, of those the last two."""
        await self._store(what)

    async def store(self, entries: Sequence[api.Post | api.Mark]) -> list[Outcome]:
        """Many at once, in their order; what `post` and `mark` would raise of one is its outcome."""
        left = [self._left(entry) for entry in entries]
        return [await each if isinstance(each, Future) else each for each in left]

    async def aclose(self) -> None:
        """Store what has been left, and take no more."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def _store(self, entry: Entry) -> api.Posted | None:
        found = await self._leave(entry)
        if isinstance(found, Exception):
            raise found
        return found

    def _left(self, entry: Entry) -> Future[Outcome] | Error:
        try:
            return self._leave(entry)
        except Error as error:
            return error

    def _leave(self, entry: Entry) -> Future[Outcome]:
        """Leave an entry to be stored."""
        match entry:
            case api.Post():
                _check(entry.user, entry.conversation)
            case api.Mark():
                _check(entry.user, entry.conversation, entry.delivered, entry.read)
        if self._closed:
            raise ClosedError("the writer is closed; post elsewhere")
        if len(self._waiting) >= WAITING:
            raise Overloaded("too much waits to be stored; try again")
        loop = get_running_loop()
        outcome: Future[Outcome] = loop.create_future()
        self._waiting.append((entry, outcome))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return outcome

    async def _work(self) -> None:
        """One transaction after the other, until nothing waits."""
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                outcomes = await self._transaction([entry for entry, _ in batch])
                for (_, waiting), outcome in zip(batch, outcomes, strict=True):
                    if not waiting.done():  # who asked may have left
                        waiting.set_result(outcome)
                if 0 < len(self._waiting) < ENOUGH and not self._closed:
                    await sleep(MOMENT)
        finally:
            self._task = None

    async def _transaction(self, entries: list[Entry]) -> Sequence[Outcome]:
        """Store some; one that the database cannot take does not keep the others out."""
        try:
            outcomes = await self._database.write(store, entries, self._clock())
        except BrokenError as error:
            _logger.warning("%d entries were not stored: %s", len(entries), error)
            return [error] * len(entries)
        except Exception as error:
            if len(entries) == 1:
                return [error]
            half = len(entries) // 2
            first = await self._transaction(entries[:half])
            return [*first, *await self._transaction(entries[half:])]
        self.transactions += 1
        self.entries += len(entries)
        return outcomes


def _check(*numbers: int) -> None:
    """Raises: InvalidRequest for a number that is none of ours."""
    for number in numbers:
        if not 0 <= number <= _LARGEST:
            raise InvalidRequest(f"{number} is not between 0 and 2**53 - 1", reason="OUT_OF_RANGE")


def store(db: Connection, entries: Sequence[Entry], now: int) -> list[Outcome]:
    """Store entries in their order, and say what became of each."""
    batch = _Batch(log.take(db, len(entries)), now)
    batch.look(db, [each for each in entries if isinstance(each, api.Post | api.Mark)])
    outcomes = [batch.enter(each) for each in entries]
    batch.write(db)
    return outcomes


class _Key(NamedTuple):
    """A user in a conversation."""

    conversation: int
    user: int


@dataclass(slots=True)
class _Room:
    """A conversation in the course of a transaction."""

    number: int
    members: int
    seq: int = 0


class _Statements:
    """What a transaction executes, in the words of a database; each for any number of rows."""

    def __init__(self, dialect: str) -> None:
        where = given(dialect, id=BigInteger())
        self.rooms = select(
            Conversation.id, Conversation.last_number, Conversation.member_count
        ).join(where, Conversation.id == where.c.id)

        who = given(dialect, conversation=BigInteger(), user=BigInteger())
        self.standings = select(
            Member.conversation_id, Member.user_id, Member.delivered, Member.read
        ).join(
            who,
            and_(Member.conversation_id == who.c.conversation, Member.user_id == who.c.user),
        )

        said = given(dialect, user=BigInteger(), client_id=Text())
        self.stored = select(
            Message.sender_id,
            Message.client_id,
            Message.conversation_id,
            Message.number,
            Message.seq,
            Message.at,
        ).join(said, and_(Message.client_id == said.c.client_id, Message.sender_id == said.c.user))

        message = given(
            dialect,
            seq=BigInteger(),
            conversation_id=BigInteger(),
            number=BigInteger(),
            sender_id=BigInteger(),
            client_id=Text(),
            text=Text(),
            at=BigInteger(),
        )
        self.say = insert(Message).from_select(list(message.c.keys()), select(message))

        room = given(dialect, id=BigInteger(), number=BigInteger(), seq=BigInteger())
        self.number = (
            update(Conversation)
            .where(Conversation.id == room.c.id)
            .values(last_number=room.c.number, last_seq=room.c.seq)
        )

        mark = given(
            dialect,
            conversation=BigInteger(),
            user=BigInteger(),
            delivered=BigInteger(),
            read=BigInteger(),
        )
        self.mark = (
            update(Member)
            .where(Member.conversation_id == mark.c.conversation, Member.user_id == mark.c.user)
            .values(delivered=mark.c.delivered, read=mark.c.read)
        )


_statements = functools.cache(_Statements)


@dataclass(slots=True)
class _Batch:
    """A transaction: what it has looked up, and what it is going to write."""

    place: int
    now: int
    rooms: dict[int, _Room] = field(default_factory=dict)
    marks: dict[_Key, tuple[int, int]] = field(default_factory=dict)
    stored: dict[tuple[int, str], api.Posted] = field(default_factory=dict)
    moved: set[_Key] = field(default_factory=set)
    messages: list[tuple[object, ...]] = field(default_factory=list)
    told: list[tuple[int, api.Told]] = field(default_factory=list)

    def look(self, db: Connection, entries: Collection[api.Post | api.Mark]) -> None:
        """Learn all that the entries are about."""
        if not entries:
            return
        execute = _statements(db.dialect.name)
        conversations = [(each,) for each in {each.conversation for each in entries}]
        for conversation, number, members in db.execute(execute.rooms, rows(conversations)):
            self.rooms[conversation] = _Room(number, members)
        keys = list({(each.conversation, each.user) for each in entries})
        for conversation, user, delivered, read in db.execute(execute.standings, rows(keys)):
            self.marks[_Key(conversation, user)] = (delivered, read)
        said = [(each.user, each.client_id) for each in entries if isinstance(each, api.Post)]
        if said:
            for user, client_id, *where in db.execute(execute.stored, rows(said)):
                self.stored[user, client_id] = api.Posted(client_id, *where)

    def enter(self, entry: Entry) -> Outcome:
        """Decide what becomes of an entry."""
        match entry:
            case api.Post():
                return self.stored.get((entry.user, entry.client_id)) or self._post(entry)
            case api.Mark():
                return self._mark(entry)
            case _:
                self._tell(entry)
                return None

    def write(self, db: Connection) -> None:
        """Write what was decided."""
        execute = _statements(db.dialect.name)
        if self.messages:
            db.execute(execute.say, rows(self.messages))
            numbers = [(key, room.number, room.seq) for key, room in self.rooms.items() if room.seq]
            db.execute(execute.number, rows(numbers))
        if self.moved:
            db.execute(execute.mark, rows([(*key, *self.marks[key]) for key in self.moved]))
        log.tell(db, self.told, self.now)

    def _post(self, post: api.Post) -> api.Posted | Exception:
        key = _Key(post.conversation, post.user)
        if key not in self.marks:
            return self._stranger(key)
        room = self.rooms[post.conversation]
        room.number, room.seq = room.number + 1, self._next()
        self.messages.append(
            (
                room.seq,
                post.conversation,
                room.number,
                post.user,
                post.client_id,
                post.text,
                self.now,
            )
        )
        posted = api.Posted(post.client_id, post.conversation, room.number, room.seq, self.now)
        self.stored[post.user, post.client_id] = posted
        self.marks[key] = (room.number, room.number)
        self.moved.add(key)
        return posted

    def _mark(self, mark: api.Mark) -> Exception | None:
        key = _Key(mark.conversation, mark.user)
        if key not in self.marks:
            return self._stranger(key)
        room, (delivered, read) = self.rooms[mark.conversation], self.marks[key]
        read = max(read, min(mark.read, room.number))
        delivered = max(delivered, read, min(mark.delivered, room.number))
        if self.marks[key] != (delivered, read):
            self.marks[key] = (delivered, read)
            self.moved.add(key)
            if room.members <= TELLING:
                self._tell(api.Receipt(*key, delivered, read))
        return None

    def _tell(self, what: api.Told) -> None:
        self.told.append((self._next(), what))

    def _next(self) -> int:
        self.place += 1
        return self.place - 1

    def _stranger(self, key: _Key) -> Exception:
        if key.conversation in self.rooms:
            return PermissionDenied(
                "who is no member cannot talk here; join first", reason="NOT_A_MEMBER"
            )
        return NotFound(f"there is no conversation {key.conversation}")
