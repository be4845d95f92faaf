"""Debian changelogs: each package is a room, in which its maintainers say what they did.

A file has the newest release first, each of this form (deb-changelog(5))::

    bash (5.2-3) unstable; urgency=medium

      [ Helmut Grohne ]
      * Fix build on musl.
        Closes: #1023053.

     -- Matthias Klose <doko@debian.org>  Sat, 31 Dec 2022 11:32:01 +0100

Each bullet, of whatever depth, is a message, of the one in brackets above it or else of who signed the release. Binary
packages of one source bring the same changelog: a release is taken once.

The parser of python-debian is not used: it keeps what is in a release as lines, and these are the
part that needs parsing.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from examples.im.importing.entries import (
    LARGEST,
    Entry,
    Problem,
    Source,
    Work,
    decode,
    files,
    milliseconds,
)

CHANGELOGS = Path("/usr/share/doc")
"""Where a Debian machine has them."""

_HEAD = re.compile(r"(\w[\w.+-]*) \(([^()\s]+)\)(?:\s+[\w.+-]+)+;", re.ASCII)
_TRAILER = re.compile(r" -- ?(.*?) ?<[^>]*>\s*(\S.*)$")
_SECTION = re.compile(r"\s+\[ (.+) \]\s*$")
_BULLET = re.compile(r"\s+(?:[*+-]+|o)\s+(?=\S)")
_TOPIC = re.compile(r"[A-Z][a-z]+ (.* )?[a-z]{4,}")
"""A section that is no person: ``Updated programs translations``."""

_DEEP = re.compile(r" {4}|\s*\t\s")

_ASIDE = re.compile(r"#|/\*.*\*/\s*$|vim:|\$\w+:.*\$\s*$|;;|Old Changelog:\s*$", re.IGNORECASE)
"""What dpkg, too, passes over, beside the local variables of Emacs, which end a file."""


def debian(paths: Sequence[Path], work: Work) -> Source:
    """All bullets of all changelogs in `paths`, by time."""
    found: list[Path] = []
    for path in files(paths, _is_changelog):
        if isinstance(path, Problem):
            yield path
        else:
            found.append(path)
    work.begin("reading", sum(path.stat().st_size for path in found))
    seen: set[tuple[str, str]] = set()
    copies: set[bytes] = set()
    entries: list[Entry] = []
    for path in found:
        releases: list[list[Entry]] = []
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST)
            work.done += len(data)
            digest = sha256(data).digest()
            if digest in copies:
                continue
            copies.add(digest)
            text = _lines(data)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            yield Problem(str(path), 0, f"cannot be read: {error}")
            continue
        for each in _releases(path, text, seen):
            if isinstance(each, Problem):
                yield each
            else:
                releases.append(each)
        entries.extend(entry for release in reversed(releases) for entry in release)
    # Sorting keeps the order of what is of one time.
    entries.sort(key=lambda entry: entry.at)
    work.begin("storing", len(entries))
    for entry in entries:
        yield entry
        work.done += 1


def _is_changelog(path: Path) -> bool:
    """That of the package; ``changelog.gz`` is that of its authors, unless they are Debian's."""
    if path.name == "changelog.gz":
        return not path.with_name("changelog.Debian.gz").exists()
    return path.name == "changelog.Debian.gz"


def _lines(data: bytes) -> list[str]:
    if data.startswith(b"\x1f\x8b"):
        data = gzip.GzipFile(fileobj=BytesIO(data)).read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"unpacked it has more than {LARGEST:,} bytes")
    return [decode(line) for line in data.split(b"\n")]


def _releases(
    path: Path,
    text: list[str],
    seen: set[tuple[str, str]],
) -> Iterator[list[Entry] | Problem]:
    """The releases that nobody has `seen`, newest first, each as the messages of it."""
    package = ""
    notes: _Notes | None = None
    for number, line in enumerate(text, 1):
        if head := _HEAD.match(line):
            if notes:
                yield Problem(str(path), number, "the release before this one has no end")
            package, version = head.groups()
            notes = None if (package, version) in seen else _Notes()
            seen.add((package, version))
        elif not line or line.isspace():
            if notes:
                notes.pause()
        elif line.startswith(" --"):
            if notes:
                try:
                    yield notes.signed(package, line)
                except ValueError as error:
                    yield Problem(str(path), number, str(error))
            notes = None
        elif line[0].isspace():
            if notes:
                notes.add(line)
        elif line.lower().startswith("local variables:"):
            break
        elif not _ASIDE.match(line):
            yield Problem(str(path), number, "not a line of a changelog")
            if not package:
                return
    if notes:
        yield Problem(str(path), len(text), "the last release has no end")


class _Notes:
    """What a release says, while it is read: who, and what."""

    __slots__ = ("_author", "_items", "_paused", "_topic")

    def __init__(self) -> None:
        self._author = self._topic = ""
        self._items: list[tuple[str, list[str]]] = []
        self._paused = True

    def add(self, line: str) -> None:
        """A line that begins with a blank."""
        if section := _SECTION.match(line):
            is_topic = bool(_TOPIC.match(section[1]))
            self._author, self._topic = ("", section[1]) if is_topic else (section[1], "")
            self._paused = True
            return
        more = line.strip()
        bullet = _BULLET.match(line)
        if bullet or (self._paused and not _DEEP.match(line)) or not self._items:
            text = line[bullet.end() :].rstrip() if bullet else more
            self._items.append((self._author, [f"{self._topic}: {text}" if self._topic else text]))
        else:
            # Lines were broken for terminals of 80 columns; paragraphs are meant.
            self._items[-1][1].extend(("\n" if self._paused else " ", more))
        self._paused = False

    def pause(self) -> None:
        """An empty line."""
        self._paused = True

    def signed(self, package: str, line: str) -> list[Entry]:
        """The messages, in their order, as the line with name and date ends them.

        Raises: ValueError if it does not.
        """
        trailer = _TRAILER.match(line)
        if trailer is None:
            raise ValueError("a release without a name, an address and a date at its end")
        maintainer, date = trailer.groups()
        try:
            at = milliseconds(parsedate_to_datetime(date), UTC)
        except (ValueError, OverflowError):
            raise ValueError(f"a date that cannot be: {date}") from None
        entries = []
        for place, (author, text) in enumerate(self._items):
            who = (author or maintainer).strip(' "')
            entries.append(Entry(package, who, who, at + place, "".join(text)))
        return entries
