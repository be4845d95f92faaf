"""Facts about logs of IRC clients."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.im.importing.entries import Entry, Problem, Work
from examples.im.importing.irc import Reading, channel_of, irssi, weechat

IRSSI = """\
--- Log opened Mon Nov 16 23:58:00 2009
23:58 -!- ada [ada@example.org] has joined #lovelace
23:58 -!- Irssi: #lovelace: Total of 2 nicks [1 ops, 0 halfops, 0 voices, 1 normal]
23:58 <@ada> hello, <world>
23:59 < bob> \x02hi\x02 \x0304,12red
23:59  * ada waves at 12:00
--- Day changed Tue Nov 17 2009
00:00 <+carol> good morning
00:00 -NickServ:#lovelace- a notice
--- Log closed Tue Nov 17 00:00:30 2009
--- Log opened Wed Nov  8 09:00:00 2023
09:00:07 < bob> with seconds
[09:01] <bob> in brackets
"""

WEECHAT = """\
2009-11-16 12:00:00\t-->\tada (ada@example.org) has joined #lovelace
2009-11-16 12:01:07\t@ada\thello\twith a tab
2009-11-16 12:02:11\t *\tada waves
2009-11-16 12:02:12\t--\tNotice(NickServ): hm
2026-08-17 12:34:56.123456Z\tbob\thi
"""


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


def test_irssi_says_the_day_once_and_the_time_with_each_line(tmp_path: Path) -> None:
    """Messages and actions are read, with the nicks as they are without their modes; joins and
    notices are not."""
    log = tmp_path / "#lovelace.log"
    log.write_text(IRSSI)
    work = Work()
    assert list(irssi([log], Reading(work, UTC))) == [
        Entry("lovelace", "ada", "ada", at(2009, 11, 16, 23, 58), "hello, <world>"),
        Entry("lovelace", "bob", "bob", at(2009, 11, 16, 23, 59), "\x02hi\x02 red"),
        Entry("lovelace", "ada", "ada", at(2009, 11, 16, 23, 59), "* ada waves at 12:00"),
        Entry("lovelace", "carol", "carol", at(2009, 11, 17), "good morning"),
        Entry("lovelace", "bob", "bob", at(2023, 11, 8, 9, 0, 7), "with seconds"),
        Entry("lovelace", "bob", "bob", at(2023, 11, 8, 9, 1), "in brackets"),
    ]
    assert work.fraction == 1.0


def test_weechat_separates_time_who_and_what_by_tabs(tmp_path: Path) -> None:
    """The old times are of the zone that is given, those since 4.8 say theirs."""
    log = tmp_path / "irc.libera.#lovelace.weechatlog"
    log.write_text(WEECHAT)
    assert list(weechat([log], Reading(Work(), UTC))) == [
        Entry("lovelace", "ada", "ada", at(2009, 11, 16, 12, 1, 7), "hello\twith a tab"),
        Entry("lovelace", "ada", "ada", at(2009, 11, 16, 12, 2, 11), "* ada waves"),
        Entry("lovelace", "bob", "bob", at(2026, 8, 17, 12, 34, 56) + 123, "hi"),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("23:59 < bob> before any date", "no date is known here"),
        ("--- Log opened Mo nov. 16 23:58:00 2009", "a date that is none in English"),
        ("--- Day changed Tue Feb 30 2009", "a date that is none in English"),
        ("what is this?", "a line without a time"),
    ],
)
def test_irssi_lines_that_mean_nothing_are_problems(tmp_path: Path, line: str, why: str) -> None:
    """With their place, and what comes after is read."""
    log = tmp_path / "#c.log"
    log.write_text(f"\n{line}\n--- Log opened Mon Nov 16 12:00:00 2009\n12:00 < bob> on\n")
    problem, entry = irssi([log], Reading(Work(), UTC))
    assert problem == Problem(str(log), 2, why)
    assert isinstance(entry, Entry)


def test_a_time_that_cannot_be_is_a_problem(tmp_path: Path) -> None:
    """Of the clock."""
    log = tmp_path / "#c.log"
    log.write_text("--- Log opened Mon Nov 16 12:00:00 2009\n25:00 < bob> late\n")
    (problem,) = irssi([log], Reading(Work(), UTC))
    assert isinstance(problem, Problem)
    assert problem.line == 2


@pytest.mark.parametrize("line", ["no tabs", "12:00\tbob\tno date", "2009-13-01 12:00:00\tbob\tx"])
def test_weechat_lines_that_mean_nothing_are_problems(tmp_path: Path, line: str) -> None:
    """With their place, and what comes after is read."""
    log = tmp_path / "#c.weechatlog"
    log.write_text(f"{line}\n2009-11-16 12:02:12\tbob\ton\n")
    problem, entry = weechat([log], Reading(Work(), UTC))
    assert isinstance(problem, Problem)
    assert problem.line == 1
    assert isinstance(entry, Entry)


def test_encodings_are_mixed_from_line_to_line(tmp_path: Path) -> None:
    """As the clients of those who talked were."""
    log = tmp_path / "#c.weechatlog"
    line = "2009-11-16 12:02:12\tbob\tgrüße\n"
    log.write_bytes(line.encode() + line.encode("latin-1"))
    texts = [each.text for each in weechat([log], Reading(Work())) if isinstance(each, Entry)]
    assert texts == ["grüße", "grüße"]


@pytest.mark.parametrize(
    ("file", "channel"),
    [
        ("#lovelace.log", "lovelace"),
        ("#lovelace.2009-11-16.log", "lovelace"),
        ("#lovelace-2009-11.log", "lovelace"),
        ("##python.de.log", "python.de"),
        ("irc.libera.#lovelace.weechatlog", "lovelace"),
        ("ada.log", ""),
    ],
)
def test_the_name_of_a_file_says_the_channel(file: str, channel: str) -> None:
    """Without dates, as both clients can be told to have them."""
    assert channel_of(Path(file)) == channel


def test_what_two_people_said_is_not_made_public(tmp_path: Path) -> None:
    """A log that is no channel's is left out, until its room is said."""
    log = tmp_path / "ada.log"
    log.write_text(IRSSI)
    (problem,) = irssi([log], Reading(Work(), UTC))
    assert isinstance(problem, Problem)
    assert "--room" in problem.why
    assert all(
        isinstance(each, Entry) and each.room == "salon"
        for each in irssi([log], Reading(Work(), UTC, room="salon"))
    )


def test_the_files_of_a_folder_are_read_by_time(tmp_path: Path) -> None:
    """Those of one channel one after the other, channels beside one another."""
    opened = "--- Log opened Mon Nov {day} {hour}:00:00 2009\n{hour}:00 < bob> {text}\n"
    (tmp_path / "#a.2009-11-01.log").write_text(opened.format(day="01", hour=12, text="first"))
    (tmp_path / "#a.2009-11-02.log").write_text(opened.format(day="02", hour=12, text="third"))
    (tmp_path / "#b.log").write_text(opened.format(day="01", hour=13, text="second"))
    found = irssi([tmp_path], Reading(Work(), UTC))
    assert [each.text for each in found if isinstance(each, Entry)] == ["first", "second", "third"]
