"""Facts about exports of Slack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from examples.im.importing.entries import Entry, Problem, Work
from examples.im.importing.slack import slack

USERS = [
    {"id": "U1", "name": "ada", "profile": {"real_name": "Ada Lovelace", "display_name": ""}},
    {"id": "U2", "name": "bob", "profile": {"real_name": "Bob B.", "display_name": "bobby"}},
]
CHANNELS = [{"id": "C1", "name": "general"}, {"id": "C2", "name": "random"}]


def said(text: str, ts: str = "1675123456.000200", **more: Any) -> dict[str, Any]:
    """A message as Slack writes it."""
    return {"type": "message", "user": "U1", "ts": ts, "text": text, **more}


def export(folder: Path, **days: Any) -> Path:
    """An export with these days of the channel general."""
    (folder / "general").mkdir(parents=True)
    (folder / "users.json").write_text(json.dumps(USERS))
    (folder / "channels.json").write_text(json.dumps(CHANNELS))
    for day, messages in days.items():
        content = messages if isinstance(messages, str) else json.dumps(messages)
        (folder / "general" / f"{day}.json").write_text(content)
    return folder


def read(path: Path) -> list[Entry]:
    """What is in an export without problems."""
    found = list(slack([path], Work()))
    assert not [each for each in found if isinstance(each, Problem)]
    return [each for each in found if isinstance(each, Entry)]


def test_a_message_is_read(tmp_path: Path) -> None:
    """Its time to the millisecond, its author by handle and shown name."""
    first, second = read(
        export(tmp_path, day=[said("hello"), said("hi", "1675123457.9", user="U2")])
    )
    assert first == Entry("general", "ada", "Ada Lovelace", 1675123456000, "hello")
    assert (second.author, second.display, second.at) == ("bob", "bobby", 1675123457900)


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("<@U2>, <@U2|bob> and <@U9>", "@bobby, @bob and @U9"),
        ("<#C1|general> <#C2> <#C9>", "#general #random #C9"),
        ("<!here> <!subteam^S1|@team> <!date^1^{date}|Monday>", "@here @team Monday"),
        ("<https://example.org/?a=1&amp;b=2>", "https://example.org/?a=1&b=2"),
        ("<https://example.org|example.org>", "https://example.org"),
        ("<https://example.org|a page>", "a page (https://example.org)"),
        ("<mailto:a@example.org|a@example.org>", "a@example.org"),
        ("1 &lt; 2 &amp;&amp; *bold* :smile:", "1 < 2 && *bold* :smile:"),
    ],
)
def test_markup_becomes_plain_text(tmp_path: Path, marked: str, plain: str) -> None:
    """Mentions, channels, links and entities; what people write themselves stays."""
    (entry,) = read(export(tmp_path, day=[said(marked)]))
    assert entry.text == plain


def test_what_programs_and_threads_say_is_told_as_such(tmp_path: Path) -> None:
    """Answers are marked, actions are as on IRC, programs have the names they give themselves, and
    files are named."""
    root = "1675123456.000200"
    days = [
        said("question", root, thread_ts=root, edited={"user": "U1", "ts": "1675123460.0"}),
        said("answer", "1675123457.0", thread_ts=root),
        said("to all", "1675123458.0", thread_ts=root, subtype="thread_broadcast"),
        said("waves", "1675123459.0", subtype="me_message"),
        said("", "1675123460.0", subtype="bot_message", user=None, bot_id="B1", username="CI")
        | {"attachments": [{"fallback": "build 7 failed"}]},
        said("see", "1675123461.0", files=[{"name": "a.png", "title": "A plan"}]),
    ]
    assert [(each.author, each.text) for each in read(export(tmp_path, day=days))] == [
        ("ada", "question"),
        ("ada", "↳ answer"),
        ("ada", "↳ to all"),
        ("ada", "* Ada Lovelace waves"),
        ("CI", "build 7 failed"),
        ("ada", "see\n[file: A plan]"),
    ]


def test_what_slack_says_itself_is_left_out(tmp_path: Path) -> None:
    """Joins and topics, and what was deleted."""
    kinds = ("channel_join", "channel_topic", "tombstone")
    messages = [said("<@U1> has …", subtype=kind) for kind in kinds]
    assert read(export(tmp_path, day=messages)) == []


def test_a_zip_is_the_same_as_the_folder(tmp_path: Path) -> None:
    """As Slack gives it; days follow one another, whatever the order of a day's list."""
    folder = export(
        tmp_path / "export",
        **{"2023-02-01": [said("3", "1675200000.0")]},
        **{"2023-01-31": [said("2", "1675123457.0"), said("1", "1675123456.0")]},
    )
    file = tmp_path / "export.zip"
    with ZipFile(file, "w") as archive:
        for each in sorted(folder.rglob("*.json"), reverse=True):
            archive.write(each, each.relative_to(folder))
    assert [each.text for each in read(file)] == ["1", "2", "3"]
    assert read(file) == read(folder)


def test_what_is_malformed_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    """A day that is no JSON, one that is no list, and messages that are none."""
    broken = [said("no time", ts="soon"), said("nobody", user=None), 7, said("fine")]
    folder = export(tmp_path, a="{", b={"no": "list"}, c=broken)
    found = list(slack([folder], Work()))
    problems = [each for each in found if isinstance(each, Problem)]
    assert [Path(each.path).name for each in problems] == ["a.json", "b.json", *["c.json"] * 3]
    assert [each.text for each in found if isinstance(each, Entry)] == ["fine"]


def test_what_is_no_export_is_told(tmp_path: Path) -> None:
    """A folder without channels, a file that is no ZIP, and nothing."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    paths = [tmp_path / "file", tmp_path / "folder", tmp_path / "gone"]
    problems = list(slack(paths, Work()))
    assert [isinstance(each, Problem) for each in problems] == [True, True, True]


def test_work_is_counted_in_bytes_of_days(tmp_path: Path) -> None:
    """All of it is done when all is read."""
    work = Work()
    assert len(list(slack([export(tmp_path, day=[said("x")])], work))) == 1
    assert work.fraction == 1.0
    assert work.total == (tmp_path / "general" / "day.json").stat().st_size


@pytest.mark.parametrize(
    "person",
    [
        {"id": "U1", "name": 7},
        {"id": "U1", "name": "ada", "profile": {"display_name": ["x"]}},
    ],
)
def test_what_should_be_a_name_and_is_none_is_taken_as_far_as_it_goes(
    tmp_path: Path, person: dict[str, Any]
) -> None:
    """A number or a list in the place of a name ends nothing."""
    path = export(tmp_path, day=[said("hello")])
    (path / "users.json").write_text(json.dumps([person]))
    (entry,) = read(path)
    assert entry.author == entry.display == str(person["name"])


def a_zip(path: Path, day: bytes) -> Path:
    """An export with one day, packed."""
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        packed.writestr("users.json", json.dumps(USERS))
        packed.writestr("channels.json", json.dumps(CHANNELS))
        packed.writestr("general/day.json", day)
    return path


def damaged(path: Path) -> Path:
    """With other bytes in the middle of the day."""
    data = bytearray(path.read_bytes())
    begin = data.index(b"general/day.json") + 60
    data[begin : begin + 50] = b"\xff" * 50
    path.write_bytes(data)
    return path


def problems(path: Path) -> list[str]:
    """Why what could not be read."""
    return [each.why for each in slack([path], Work()) if isinstance(each, Problem)]


def test_a_hostile_file_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged, nested without end, or larger than what is read at once: it is a problem."""
    many = json.dumps([said(str(n)) for n in range(2000)]).encode()
    (why,) = problems(damaged(a_zip(tmp_path / "damaged.zip", many)))
    assert "cannot be read" in why
    (why,) = problems(a_zip(tmp_path / "deep.zip", b"[" * 200_000 + b"]" * 200_000))
    assert "recursion" in why
    monkeypatch.setattr("examples.im.importing.slack.LARGEST", 1000)
    (why,) = problems(a_zip(tmp_path / "large.zip", b" " * 1001))
    assert "of 1,001 bytes, and more than 1,000 are not read at once" in why
