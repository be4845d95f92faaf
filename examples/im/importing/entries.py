"""What sources give, and what all of them need: names, texts and files.

Nothing in a file ends an import: a source says what it could not read, and goes on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import lru_cache
from heapq import merge
from pathlib import Path

from examples.im.api import TEXT_LIMIT

NAME_LIMIT = 40
"""Characters of the name of a user, at most."""

ROOM_LIMIT = 60
"""Characters of the name of a room, at most."""

DISPLAY_LIMIT = 40
"""Characters of a user as shown, at most."""

LARGEST = 256 << 20
"""Bytes of a file that is read as a whole, unpacked, at most."""

_LAST = 253_402_300_800_000
"""The end of the year 9999, after which nobody can show a date."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a screen might obey, and what is no character."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that somebody once said.

    Attributes:
        room: where, as shown.
        author: who: the same for the same person.
        display: who, as shown.
        at: when, in milliseconds since 1970, UTC.
        text: what, of any length.
    """

    room: str
    author: str
    display: str
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read: in which file, in which line (0 for the whole file), and why."""

    path: str
    line: int
    why: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return " ".join(_CONTROLS.sub("", f"{place}: {self.why}").split())


Source = Iterator[Entry | Problem]


@dataclass(slots=True)
class Work:
    """How far a source is. It counts itself, in whatever it can: bytes, or entries.

    Attributes:
        doing: what is counted at the moment.
        total, done: of it.
    """

    doing: str = "reading"
    total: int = 0
    done: int = 0

    def begin(self, doing: str, total: int) -> None:
        """Count something else from now on."""
        self.doing, self.total, self.done = doing, total, 0

    @property
    def fraction(self) -> float:
        """From 0 to 1; 0 while the total is not known."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


@lru_cache(maxsize=4096)  # a log says the same few names again and again
def name_of(text: str, *, marks: str = "._-", limit: int = NAME_LIMIT) -> str:
    """The name of who or what is called `text`, as the logic would allow it: from 2 to `limit` small
    letters, digits and `marks`, no mark first. Other characters become ``-``, once for each run."""
    folded = unicodedata.normalize("NFKC", text).lower()
    spaced = "".join(each if each.isalnum() or each in marks else " " for each in folded)
    name = "-".join(spaced.split()).lstrip(marks)[:limit].rstrip("-")
    return name if len(name) > 1 else f"{name or 'no'}-name"


def room_name_of(text: str) -> str:
    """The same of a room, whose name may be longer and have a ``+``."""
    return name_of(text, marks="._-+", limit=ROOM_LIMIT)


@lru_cache(maxsize=4096)
def shown(text: str, limit: int = DISPLAY_LIMIT) -> str:
    """A name as it may be shown: what can be seen of it, in one line of `limit` characters."""
    seen = "".join(each if each.isprintable() else " " for each in _CONTROLS.sub("", text))
    return " ".join(seen.split())[:limit].rstrip()


def checked(entry: Entry, name: str) -> Entry | Problem:
    """What a source gave, as it may be stored and shown; of an author called `name`."""
    if not 0 <= entry.at < _LAST:
        return Problem(entry.room, 0, f"a message of {name} at a time that cannot be")
    display = shown(entry.display) or name
    return replace(entry, room=shown(entry.room, ROOM_LIMIT), display=display)


def pieces(text: str) -> list[str]:
    """A text as messages: without control characters, cut where it is too long for one, at the end of
    a line if it can be."""
    clean = _CONTROLS.sub("", text).strip()
    found, begin = [], 0
    while len(clean) - begin > TEXT_LIMIT:
        end = clean.rfind("\n", begin + 1, begin + TEXT_LIMIT)
        end = end if end > 0 else begin + TEXT_LIMIT
        found.append(clean[begin:end].strip())
        begin = end
    found.append(clean[begin:].strip())
    return [each for each in found if each]


def decode(line: bytes) -> str:
    """A line as text. Old files mix encodings, from line to line: what is not UTF-8 is taken for
    Windows-1252, which most of it is, and what that has no character for is replaced."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def milliseconds(moment: datetime, zone: tzinfo | None) -> int:
    """Since 1970, UTC. A moment without a zone is in `zone`, or in that of this machine if None.

    Raises: ValueError or OverflowError for a time before 1970 or far from ours.
    """
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    found = int(moment.timestamp() * 1000)
    if found < 0:
        raise ValueError("before 1970")
    return found


def files(paths: Iterable[Path], wanted: Callable[[Path], bool]) -> Iterator[Path | Problem]:
    """The files that are named, and those in the folders that are named that are `wanted`, by name."""
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if wanted(each) and each.is_file())
        elif path.exists():
            yield path
        else:
            yield Problem(str(path), 0, "there is no such file or folder")


def lines(path: Path, work: Work) -> Iterator[tuple[int, str]]:
    """The lines of a file, with their numbers, counted as work in bytes.

    Raises: OSError when it cannot be read.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            work.done += len(line)
            yield number, decode(line).rstrip("\r\n")


def by_time(sources: Iterable[Source]) -> Source:
    """Several sources as one, by the times of their entries; of each, in its own order."""
    return (each for _, each in merge(*map(_timed, sources), key=lambda pair: pair[0]))


def _timed(source: Source) -> Iterator[tuple[int, Entry | Problem]]:
    """With times that never go back, as a clock that was set does, so that merging keeps the order."""
    last = 0
    for each in source:
        if isinstance(each, Entry):
            last = max(last, each.at)
        yield last, each
