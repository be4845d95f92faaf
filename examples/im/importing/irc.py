"""Logs of IRC clients: irssi and WeeChat. What joins, quits and notices say is left out.

irssi writes the day once, and the time with each line::

    --- Log opened Mon Nov 16 12:00:00 2009
    12:00 -!- ada [ada@example.org] has joined #lovelace
    12:01 <@ada> hello
    12:01 < bob> hi
    12:02  * ada waves
    --- Day changed Tue Nov 17 2009

WeeChat writes date and time, who and what, with tabs between; since 4.8 in UTC, to the microsecond::

    2009-11-16 12:01:07	@ada	hello
    2009-11-16 12:02:11	 *	ada waves
    2026-08-17 12:34:56.123456Z	bob	hi
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from pathlib import Path

from examples.im.importing.entries import (
    Entry,
    Problem,
    Source,
    Work,
    by_time,
    files,
    lines,
    milliseconds,
)

_DATES = re.compile(r"[._-]?\d{4}(-?\d\d){0,2}$")
_DAY = re.compile(
    r"--- (?:Log opened|Day changed) \w+ (\w{3}) +(\d{1,2})(?: [\d:]{8})? (\d{4})$",
)
_STAMPED = re.compile(r"\[?(\d\d):(\d\d)(?::(\d\d))?\]? (.*)$")
_SPOKEN = re.compile(r"<[ ~&@%+]?([^\s>]+)> ?(.*)$")
_ACTION = re.compile(r" \* (\S+) ?(.*)$")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_MODES = "~&@%+ "
_COLOURS = re.compile(r"\x03(?:\d{1,2}(?:,\d{1,2})?)?")
_NOT_PEOPLE = frozenset({"", "--", "-->", "<--", "=!=", "—▶", "◀—"})


@dataclass(frozen=True, slots=True)
class Reading:
    """How logs are read.

    Attributes:
        work: counts bytes.
        zone: of times that do not say theirs; this machine's if None.
        room: of all files; otherwise each file's name says it.
    """

    work: Work
    zone: tzinfo | None = None
    room: str = ""


def irssi(paths: Sequence[Path], reading: Reading) -> Source:
    """The messages in logs of irssi, of all channels by time."""
    return _all(paths, reading, _irssi)


def weechat(paths: Sequence[Path], reading: Reading) -> Source:
    """The messages in logs of WeeChat, of all channels by time."""
    return _all(paths, reading, _weechat)


def channel_of(path: Path) -> str:
    """The channel whose log a file is, by its name, such as ``#chan.2009-11.log`` or
    ``irc.libera.#chan.weechatlog``; empty when it is none's."""
    name = path.name.removesuffix(".log").removesuffix(".weechatlog")
    start = name.find("#")
    return _DATES.sub("", name[start:]).lstrip("#") if start >= 0 else ""


def _all(
    paths: Sequence[Path],
    reading: Reading,
    read: Callable[[Path, str, Reading], Source],
) -> Source:
    rooms: dict[str, list[Path]] = {}
    size = 0
    for path in files(paths, lambda path: path.suffix in {".log", ".weechatlog"}):
        if isinstance(path, Problem):
            yield path
        elif room := reading.room or channel_of(path):
            rooms.setdefault(room, []).append(path)
            size += path.stat().st_size
        else:
            # What two people have said to one another is not for a room that all can read.
            yield Problem(str(path), 0, "not a channel's log by its name; --room names its room")

    reading.work.begin("storing", size)

    def room_of(name: str) -> Source:
        for path in rooms[name]:
            try:
                yield from read(path, name, reading)
            except OSError as error:
                yield Problem(str(path), 0, str(error))

    yield from by_time(room_of(name) for name in rooms)


def _irssi(path: Path, room: str, reading: Reading) -> Source:
    day: date | None = None
    for number, line in lines(path, reading.work):
        if line.startswith("--- "):
            if not line.startswith("--- Log closed"):
                day = _day(line)
                if day is None:
                    yield Problem(str(path), number, "a date that is none in English")
        elif stamped := _STAMPED.match(line):
            *clock, said = stamped.groups(default="0")
            found = _SPOKEN.match(said) or _ACTION.match(said)
            if found is None:
                continue
            if day is None:
                yield Problem(str(path), number, "no date is known here")
                continue
            author, text = found.groups()
            try:
                hour, minute, second = map(int, clock)
                moment = datetime.combine(day, time(hour, minute, second))
                at = milliseconds(moment, reading.zone)
            except (ValueError, OverflowError) as error:
                yield Problem(str(path), number, f"a time that cannot be: {error}")
                continue
            text = text if found.re is _SPOKEN else f"* {author} {text}"
            yield Entry(room, author, author, at, _COLOURS.sub("", text))
        elif line:
            yield Problem(str(path), number, "a line without a time")


def _day(line: str) -> date | None:
    found = _DAY.match(line)
    if found is None:
        return None
    try:
        return date(int(found[3]), _MONTHS.split().index(found[1]) + 1, int(found[2]))
    except ValueError:
        return None


def _weechat(path: Path, room: str, reading: Reading) -> Source:
    for number, line in lines(path, reading.work):
        if not line:
            continue
        fields = line.split("\t", 2)
        try:
            stamp, prefix, text = fields
            at = milliseconds(datetime.fromisoformat(stamp), reading.zone)
        except (ValueError, OverflowError):
            yield Problem(str(path), number, "not a time, a name and a text with tabs between")
            continue
        if prefix.strip() == "*":
            author, text = text.split(" ", 1)[0], f"* {text}"
        else:
            author = prefix.lstrip(_MODES).rstrip()
        if author not in _NOT_PEOPLE:
            yield Entry(room, author, author, at, _COLOURS.sub("", text))
