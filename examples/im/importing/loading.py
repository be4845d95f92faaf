"""From entries to stored messages: in short transactions, so that people can talk between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from examples.im.data.bulk import TOGETHER, Added, Bulk, Old
from examples.im.importing.entries import (
    Problem,
    Source,
    checked,
    name_of,
    pieces,
    room_name_of,
)

SHOWN = 10
"""Problems that are kept to be shown; all are counted."""


@dataclass(slots=True)
class Summary:
    """What an import has done.

    Attributes:
        messages: that were read, and are stored now.
        added: of these, what was not there before.
        rooms, authors: of the messages, by name.
        problems: how many.
        shown: the first of them.
    """

    messages: int = 0
    added: Added = field(default_factory=Added)
    rooms: set[str] = field(default_factory=set)
    authors: set[str] = field(default_factory=set)
    problems: int = 0
    shown: list[Problem] = field(default_factory=list)

    def told(self, problem: Problem) -> None:
        """Count a problem, and keep the first ones."""
        self.problems += 1
        if len(self.shown) < SHOWN:
            self.shown.append(problem)


async def load(
    source: Source,
    bulk: Bulk,
    *,
    now: int,
    limit: int = 0,
    show: Callable[[int], None] = lambda messages: None,
) -> Summary:
    """Store what a source gives, and call `show` with the number of messages after each batch.

    Args:
        source: is read as it is stored.
        bulk: where to.
        now: the time, in milliseconds since 1970, at which who is new has come.
        limit: of messages; 0 for none. The next import takes the rest.
        show: see above.

    Raises: BrokenError when the database does not answer. What is stored by then stays, and the
    next import goes on from there.
    """
    summary = Summary()
    messages = _messages(source, summary)
    if limit:
        messages = islice(messages, limit)
    show(0)
    while batch := list(islice(messages, TOGETHER)):
        summary.added = summary.added.plus(await bulk.add(batch, now))
        summary.messages += len(batch)
        summary.rooms.update(each.room for each in batch)
        summary.authors.update(each.author for each in batch)
        show(summary.messages)
    return summary


def _messages(source: Source, summary: Summary) -> Iterator[Old]:
    """What a source gives, as it is stored; problems are counted."""
    repeated = _Repeated()
    for each in source:
        if isinstance(each, Problem):
            summary.told(each)
            continue
        room, author = room_name_of(each.room), name_of(each.author)
        found = checked(each, author)
        if isinstance(found, Problem):
            summary.told(found)
            continue
        for text in pieces(each.text):
            nth = repeated.count(room, author, each.at, text)
            yield Old(room, found.room or room, author, found.display, text, each.at, nth)


class _Repeated:
    """Counts what is the same in all: clocks of logs tick in minutes, and somebody may say the same
    twice in one. Of each room only the moment is remembered that it is at."""

    def __init__(self) -> None:
        self._moments: dict[str, tuple[int, dict[tuple[str, str], int]]] = {}

    def count(self, room: str, author: str, at: int, text: str) -> int:
        """How often it was there before at this moment."""
        found = self._moments.get(room)
        if found is None or found[0] != at:
            self._moments[room] = found = (at, {})
        nth = found[1].get((author, text), 0)
        found[1][author, text] = nth + 1
        return nth
