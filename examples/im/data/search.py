"""Finding messages by their words.

What a word is, is decided here and not by a database, so that both find the same: letters and digits
in a row, without case and accents; of scripts that put no spaces between words, each letter. All of
a question's words have to be there, the last one at least in its beginning, as it may be half typed.

SQLite has its index of FTS5, PostgreSQL a GIN index of a tsvector; both are kept behind the writes by
`Index`, which goes on from the place up to which it has come. Each message has one word more, the
name of its conversation, so that a search in one conversation needs no message of another.
"""

from __future__ import annotations

import re
import unicodedata
from asyncio import Semaphore, get_running_loop, sleep
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    column,
    or_,
    select,
    table,
    text,
    update,
)
from sqlalchemy.orm import aliased

from examples.im import api
from examples.im.data import log
from examples.im.data.database import Database
from examples.im.data.schema import INDEXED
from examples.im.data.tables import Conversation, Counter, Member, Message, User
from mainstay.errors import Overloaded

_ALONE = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
"""Thai, Japanese and Chinese letters: their words are not told apart by spaces."""

_WORD = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")

WORDS = 16
"""Words of a question that count; the rest is left out."""

_LONGEST = 60
"""Characters of a word that count."""

_RESTS = 10
"""Times as long as an index transaction, in which there is no other one."""

_PLACE = select(Counter.value).where(Counter.name == INDEXED)
_MOVED = (
    update(Counter)
    .where(Counter.name == INDEXED, Counter.value == bindparam("after"))
    .values(value=bindparam("place"))
)
_NEXT = (
    select(Message.seq, Message.conversation_id, Message.text)
    .where(Message.seq > bindparam("after"), Message.seq <= bindparam("upto"))
    .order_by(Message.seq)
    .limit(bindparam("limit"))
)
_INDEX = {
    "sqlite": text("INSERT INTO message_words(rowid, words) VALUES (:seq, :words)"),
    "postgresql": text(
        "INSERT INTO message_words(seq, words) VALUES "
        "(:seq, array_to_tsvector(string_to_array(:words, ' ')))"
    ),
}


class _Entry(NamedTuple):
    """A message as it is indexed: its place, and its words between spaces."""

    seq: int
    words: str


class Search:
    """Finds messages.

    Args:
        database: where they are.
        at_once: that are under way, at most: a search is long, and others want to read as well.
        waiting: that may wait for their turn, at most.
    """

    def __init__(self, database: Database, *, at_once: int = 2, waiting: int = 50) -> None:
        self._database = database
        self._turns = Semaphore(at_once)
        self._inside = 0
        self._most = at_once + waiting

    async def find(self, ask: api.Ask) -> api.Findings:
        """Messages with all words of `text`, the newest first: in one conversation, which the caller
        knows that the user may read, or in all rooms and the user's direct conversations.

        Any text is a question; one without a word finds nothing.

        Raises: Overloaded when too many wait; and as `Database.read`.
        """
        sought = words(ask.text)[:WORDS]
        if not sought:
            return api.Findings()
        limit = max(1, min(ask.limit, api.PAGE_LIMIT))
        if self._inside >= self._most:
            raise Overloaded(
                "too many search at the same time: try again in a second",
                metadata={"retry_after": "1"},
            )
        self._inside += 1
        try:
            async with self._turns:
                return await self._database.read(_find, sought, ask.user, ask.conversation, limit)
        finally:
            self._inside -= 1


class Index:
    """Keeps the index of words behind the writes.

    Args:
        database: of both.
        batch: messages of a transaction, at most: who says something meanwhile waits for it.
    """

    def __init__(self, database: Database, *, batch: int = 100) -> None:
        self._database = database
        self._batch = batch

    async def run(self, pause: float = 0.5, breath: float = 0.04) -> None:
        """Follow the writes, for ever, looking every `pause` seconds; while there is something, every
        `breath`. Who says something waits for its transactions, so after one that took long there
        is a longer rest, but never a long one while more than a batch is behind.

        Several may run, in as many processes: of two that index the same, one wins.

        Raises: BrokenError when the database does not answer; to be run again, then.
        """
        loop = get_running_loop()
        while True:
            began = loop.time()
            found = await self.advance()
            took = loop.time() - began
            if not found:
                await sleep(pause)
            else:
                await sleep(took if found == self._batch else max(breath, _RESTS * took))

    async def advance(self) -> int:
        """Index the next messages; how many there were."""
        after, entries = await self._database.read(_unindexed, self._batch)
        if entries:
            await self._database.write_silently(_index, after, entries)
        return len(entries)


def words(of: str) -> list[str]:
    """The words of a text, as they are indexed and looked for."""
    letters = unicodedata.normalize("NFKD", of)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return [word[:_LONGEST] for word in _WORD.findall(bare.casefold())]


def place_word(conversation: int) -> str:
    """The word that all messages of a conversation have, and that nobody can say."""
    return f"in:{conversation}"


def _unindexed(db: Connection, limit: int) -> tuple[int, list[_Entry]]:
    """The place up to which messages are indexed, and the next ones."""
    after = db.execute(_PLACE).scalar_one()
    span = {"after": after, "upto": log.place(db), "limit": limit}
    return after, [
        _Entry(seq, " ".join(dict.fromkeys([place_word(conversation), *words(said)])))
        for seq, conversation, said in db.execute(_NEXT, span)
    ]


def _index(db: Connection, after: int, entries: list[_Entry]) -> None:
    """Index messages, unless somebody else has done it since they were read."""
    if db.execute(_MOVED, {"after": after, "place": entries[-1].seq}).rowcount:
        db.execute(_INDEX[db.dialect.name], [each._asdict() for each in entries])


def _find(
    db: Connection, sought: list[str], user: int, conversation: int, limit: int
) -> api.Findings:
    if conversation:
        sought = [place_word(conversation), *sought]
    found = {"question": _QUESTION[db.dialect.name](sought), "user": user, "limit": limit}
    return api.Findings(
        [
            api.Found(api.Message(*row), peer if kind == "direct" else title)
            for *row, kind, title, peer in db.execute(FINDING[db.dialect.name], found)
        ]
    )


def _finding(seq: str, matching: str) -> Select[*tuple[Any, ...]]:
    """The question for messages: by the column of the index that has places, and how it is asked."""
    index = table("message_words", column(seq, BigInteger))
    mine, other, peer = aliased(Member), aliased(Member), aliased(User)
    title = (
        select(peer.display)
        .join(other, other.user_id == peer.id)
        .where(
            Conversation.kind == "direct",
            other.conversation_id == Conversation.id,
            other.user_id != bindparam("user"),
        )
        .scalar_subquery()
    )
    return (
        select(*log.MESSAGE, Conversation.kind, Conversation.title, title)
        .select_from(index)
        .join(Message, Message.seq == index.c[seq])
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(User, User.id == Message.sender_id)
        .outerjoin(
            mine,
            and_(mine.conversation_id == Conversation.id, mine.user_id == bindparam("user")),
        )
        .where(
            text(matching).bindparams(bindparam("question", type_=String)),
            or_(Conversation.kind == "room", mine.user_id.is_not(None)),
        )
        .order_by(index.c[seq].desc())
        .limit(bindparam("limit", type_=Integer))
    )


FINDING = {
    "sqlite": _finding("rowid", "message_words MATCH :question"),
    "postgresql": _finding("seq", "message_words.words @@ CAST(:question AS tsquery)"),
}
"""How each database is asked."""

_QUESTION: dict[str, Callable[[list[str]], str]] = {
    "sqlite": lambda sought: " ".join(f'"{word}"' for word in sought) + "*",
    "postgresql": lambda sought: " & ".join(f"'{word}'" for word in sought) + ":*",
}
"""How each database writes words that all have to be there, the last one as a beginning."""
