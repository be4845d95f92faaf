"""Facts about what all sources share: names, texts, encodings, and the order of several files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from examples.im.api import TEXT_LIMIT
from examples.im.importing.entries import (
    Entry,
    Problem,
    Work,
    by_time,
    checked,
    decode,
    files,
    lines,
    milliseconds,
    name_of,
    pieces,
    room_name_of,
    shown,
)
from examples.im.logic.rules import name_of as checked_name
from examples.im.logic.rules import room_of as checked_room
from examples.im.logic.rules import text_of

CALLED = (
    "Ada Lovelace",
    "ada",
    "[afk]ada|work",
    "_ada_",
    "a",
    "",
    "„Çelebi“ & söhne",
    "gtk+3.0",
    "¯\\_(ツ)_/¯",
    "x" * 100,
    "ﬁ",
)


@pytest.mark.parametrize("called", CALLED)
def test_whatever_somebody_is_called_has_a_name(called: str) -> None:
    """The logic would take it, and the same name stays the same."""
    name = name_of(called)
    assert checked_name(name) == name == name_of(name)


@pytest.mark.parametrize("called", CALLED)
def test_whatever_a_room_is_called_has_a_name(called: str) -> None:
    """Of a room likewise."""
    assert checked_room(room_name_of(called))[0] == room_name_of(called)


def test_names_stay_close_to_what_was_written() -> None:
    """Runs of other characters are one dash; rooms may have a plus."""
    assert name_of("Ada  Lovelace (1815)") == "ada-lovelace-1815"
    assert name_of("gtk+3.0") == "gtk-3.0"
    assert room_name_of("gtk+3.0") == "gtk+3.0"


def test_a_long_text_is_cut_at_the_ends_of_lines() -> None:
    """Nothing of it is lost, and the logic takes each piece."""
    text = "\n".join(f"line {number:04} " + "x" * 60 for number in range(200))
    cut = pieces(text)
    assert "\n".join(cut) == text
    assert all(text_of(piece) == piece for piece in cut)
    assert len(pieces("y" * (2 * TEXT_LIMIT + 1))) == 3


def test_a_text_has_no_control_characters() -> None:
    """What would command a terminal is left out; a text of nothing else is none."""
    assert pieces("\x1b[31mred\x07\tand\nblue\ud800 ") == ["[31mred\tand\nblue"]
    assert pieces(" \x00\n ") == []


def test_a_line_that_is_not_utf_8_is_read_as_windows_1252() -> None:
    """Line by line, since files mix them; no byte is an error."""
    assert decode("grüße".encode()) == decode("grüße".encode("cp1252")) == "grüße"
    assert decode(b"\x81?") == "\ufffd?"


def test_a_time_without_a_zone_is_in_the_one_that_is_given() -> None:
    """One that has a zone keeps it; one before 1970 is refused."""
    noon = datetime(2009, 11, 16, 12, 0)  # noqa: DTZ001 - the fact
    berlin = ZoneInfo("Europe/Berlin")
    assert milliseconds(noon, berlin) == milliseconds(noon.replace(hour=11), UTC)
    assert milliseconds(noon.replace(tzinfo=UTC), berlin) == milliseconds(noon, UTC)
    with pytest.raises(ValueError, match="1970"):
        milliseconds(datetime(1969, 1, 1, tzinfo=UTC), None)


def test_folders_are_searched_and_what_is_missing_is_said(tmp_path: Path) -> None:
    """A file that is named is taken, whatever it is called."""
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("b/2.log", "b/c/1.log", "b/readme", "named"):
        (tmp_path / name).touch()
    paths = [tmp_path / "b", tmp_path / "named", tmp_path / "gone"]
    found = list(files(paths, lambda path: path.suffix == ".log"))
    assert found == [
        tmp_path / "b" / "2.log",
        tmp_path / "b" / "c" / "1.log",
        tmp_path / "named",
        Problem(str(tmp_path / "gone"), 0, "there is no such file or folder"),
    ]


def test_lines_are_numbered_and_counted_in_bytes(tmp_path: Path) -> None:
    """So that a problem can be found, and progress be shown."""
    file = tmp_path / "log"
    file.write_bytes("ä\r\nb".encode())
    work = Work()
    work.begin("storing", file.stat().st_size)
    assert list(lines(file, work)) == [(1, "ä"), (2, "b")]
    assert work.fraction == 1.0


def test_sources_are_merged_by_time_and_keep_their_own_order() -> None:
    """Even where a clock was set back."""

    def source(room: str, *times: int) -> list[Entry | Problem]:
        return [Entry(room, "a", "a", at, f"{room}{at}") for at in times]

    merged = by_time(
        [iter(source("x", 1, 5, 4, 6)), iter([*source("y", 2, 3), Problem("p", 0, "")])]
    )
    said = [each.text for each in merged if isinstance(each, Entry)]
    assert said == ["x1", "y2", "y3", "x5", "x4", "x6"]


def test_a_problem_says_where() -> None:
    """The line is left out when it is the whole file."""
    assert str(Problem("a.log", 7, "why")) == "a.log:7: why"
    assert str(Problem("a.log", 0, "why")) == "a.log: why"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("\x1b[31mred\u202e", "[31mred"),
        ("  Ada \n Lovelace ", "Ada Lovelace"),
        ("\ud800", ""),
        ("x" * 50, "x" * 40),
    ],
)
def test_a_name_is_shown_without_what_commands_a_screen(written: str, seen: str) -> None:
    """In one line, cut, without escapes, and without what turns the direction of writing."""
    assert shown(written) == seen


@pytest.mark.parametrize("at", [-1, 253_402_300_800_000, 10**20])
def test_a_time_that_nobody_can_show_is_a_problem(at: int) -> None:
    """Before 1970, or after the year 9999."""
    found = checked(Entry("tea", "ada", "Ada", at, "x"), "ada")
    assert isinstance(found, Problem)
    assert "time that cannot be" in str(found)


def test_a_problem_cannot_command_the_terminal() -> None:
    """It quotes files of whomever, in one line."""
    assert str(Problem("a.log", 3, "bad: \x1b]0;pwn\x07\nx")) == "a.log:3: bad: ]0;pwn x"
