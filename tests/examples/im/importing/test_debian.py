"""Facts about changelogs of Debian."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.im.importing.debian import debian
from examples.im.importing.entries import Entry, Problem, Work

BASH = """\
bash (5.2-3) unstable; urgency=medium

  * Apply upstream patches
    003 - 015.
    - Fix a crash. Closes:
      #1021062.
  * Convert to machine-readable format.

    A second paragraph.

 -- Matthias Klose <doko@debian.org>  Sat, 31 Dec 2022 11:32:01 +0100

bash (5.2-2) unstable; urgency=medium

  * Apply upstream patches 001 - 002.

 -- Matthias Klose <doko@debian.org>  Mon, 24 Oct 2022 10:34:28 +0200
"""

DPKG = """\
dpkg (1.15.0) unstable; urgency=low

  [ Guillem Jover ]
  * Fix a build failure.

  [ Updated programs translations ]
  * Polish (Wiktor Wandachowicz).

  [ Raphaël Hertzog ]
  * Improve a message.

 -- "Guillem Jover" <guillem@debian.org>  Sat, 24 Dec 2022 10:00:00 +0000
"""


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


def changelog(folder: Path, package: str, text: str | bytes, name: str = "Debian") -> Path:
    """A changelog as a package brings it."""
    file = folder / package / ("changelog.Debian.gz" if name else "changelog.gz")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode() if isinstance(text, str) else text))
    return file


def read(*paths: Path) -> tuple[list[Entry], list[Problem]]:
    """What is in them."""
    found = list(debian(paths, Work()))
    return (
        [each for each in found if isinstance(each, Entry)],
        [each for each in found if isinstance(each, Problem)],
    )


def test_each_bullet_is_a_message_of_the_maintainer(tmp_path: Path) -> None:
    """Oldest first, of whatever depth, with its lines put together, in the order of the release."""
    entries, problems = read(changelog(tmp_path, "bash", BASH))
    first, second = at(2022, 10, 24, 8, 34, 28), at(2022, 12, 31, 10, 32, 1)
    who = "Matthias Klose"
    assert problems == []
    assert entries == [
        Entry("bash", who, who, first, "Apply upstream patches 001 - 002."),
        Entry("bash", who, who, second, "Apply upstream patches 003 - 015."),
        Entry("bash", who, who, second + 1, "Fix a crash. Closes: #1021062."),
        Entry(
            "bash", who, who, second + 2, "Convert to machine-readable format.\nA second paragraph."
        ),
    ]


def test_a_name_in_brackets_says_who(tmp_path: Path) -> None:
    """A heading in brackets that is nobody's name is said with its bullets, by who signed."""
    entries, _ = read(changelog(tmp_path, "dpkg", DPKG))
    assert [(each.author, each.text) for each in entries] == [
        ("Guillem Jover", "Fix a build failure."),
        ("Guillem Jover", "Updated programs translations: Polish (Wiktor Wandachowicz)."),
        ("Raphaël Hertzog", "Improve a message."),
    ]


def test_packages_are_merged_by_time_and_a_release_is_taken_once(tmp_path: Path) -> None:
    """Binary packages of one source bring the same, some of them less of it."""
    changelog(tmp_path, "bash", BASH)
    changelog(tmp_path, "bash-doc", BASH)
    changelog(tmp_path, "bash-static", BASH.partition("bash (5.2-2)")[0])
    changelog(tmp_path, "dpkg", DPKG)
    entries, problems = read(tmp_path)
    rooms = [each.room for each in entries]
    assert rooms == ["bash", "dpkg", "dpkg", "dpkg", "bash", "bash", "bash"]
    assert problems == []


def test_the_changelog_of_the_authors_is_not_that_of_the_package(tmp_path: Path) -> None:
    """Unless they are Debian's: then there is one only."""
    changelog(tmp_path, "bash", BASH)
    changelog(tmp_path, "bash", "2022-12-31  Chet Ramey\n", name="")
    changelog(tmp_path, "dpkg", DPKG, name="")
    entries, problems = read(tmp_path)
    assert {each.room for each in entries} == {"bash", "dpkg"}
    assert problems == []


def test_what_is_old_or_meant_for_editors_is_passed_over(tmp_path: Path) -> None:
    """As dpkg does; encodings are mixed."""
    text = BASH.replace("Matthias", "Jürgen").encode() + BASH.replace("5.2", "5.1").replace(
        "Matthias", "Jörg"
    ).encode("latin-1")
    text += b"# Older entries have been removed\nvim:set ts=2\nLocal variables:\nmode: x\nEnd:\n"
    entries, problems = read(changelog(tmp_path, "bash", text))
    assert {each.author for each in entries} == {"Jürgen Klose", "Jörg Klose"}
    assert problems == []


@pytest.mark.parametrize(
    ("broken", "line", "why"),
    [
        (BASH.replace(" +0100", " soon").replace("Dec", "Decembre"), 11, "a date that cannot be"),
        (BASH.replace(" <doko@debian.org>  Sat", " Sat"), 11, "without a name"),
        (BASH.replace(" -- Matthias", "?", 1), 11, "not a line of a changelog"),
        (BASH.replace("  * Convert", "* Convert", 1), 7, "not a line of a changelog"),
    ],
)
def test_what_is_malformed_is_told_and_the_rest_is_read(
    tmp_path: Path, broken: str, line: int, why: str
) -> None:
    """With file and line."""
    file = changelog(tmp_path, "bash", broken)
    entries, problems = read(file)
    assert (problems[0].path, problems[0].line) == (str(file), line)
    assert why in problems[0].why
    assert entries[0].text == "Apply upstream patches 001 - 002."


def test_a_release_without_an_end_is_told(tmp_path: Path) -> None:
    """In the middle, and at the end of a file."""
    _, problems = read(changelog(tmp_path, "bash", BASH.replace(" -- ", "  -- ")))
    assert [each.why for each in problems] == [
        "the release before this one has no end",
        "the last release has no end",
    ]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Cut in the middle, or no changelog at all; once each."""
    whole = gzip.compress(BASH.encode())
    cut = changelog(tmp_path, "cut", "")
    cut.write_bytes(whole[: len(whole) // 2])
    other = changelog(tmp_path, "other", "Some other text\nin lines\n")
    entries, problems = read(tmp_path)
    assert entries == []
    assert [each.path for each in problems] == [str(cut), str(other)]


def test_work_is_counted(tmp_path: Path) -> None:
    """First in bytes that are read, then in messages that are taken."""
    file = changelog(tmp_path, "bash", BASH)
    work = Work()
    source = debian([file], work)
    next(source)
    assert (work.doing, work.total, work.done) == ("storing", 4, 0)
    assert len(list(source)) == 3
    assert work.fraction == 1.0


def test_a_changelog_that_unpacks_without_end_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than so much of it is unpacked."""
    monkeypatch.setattr("examples.im.importing.debian.LARGEST", 1000)
    path = tmp_path / "changelog.Debian.gz"
    path.write_bytes(gzip.compress(b"\n" * 5000))
    (problem,) = debian([path], Work())
    assert "unpacked it has more than 1,000 bytes" in str(problem)
