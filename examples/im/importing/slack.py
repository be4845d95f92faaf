"""Exports of Slack: a ZIP file, or the folder that was in it. Only public channels are read.

::

    users.json                    [{"id": "U1", "name": "ada", "profile": {"real_name": …}}, …]
    channels.json                 [{"id": "C1", "name": "general"}, …]
    general/2023-01-31.json       [{"type": "message", "user": "U1", "ts": "1675123456.000200",
                                    "text": "hello <@U2>"}, …]

A message that was edited is there as it was last; an answer in a thread stands where it was said,
and is marked as one. Joins, topics and what else Slack says by itself are left out.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from examples.im.importing.entries import LARGEST, Entry, Problem, Source, Work, by_time

_SAID = frozenset({None, "bot_message", "file_share", "me_message", "thread_broadcast"})
"""Subtypes of what somebody said."""

_MARKED = re.compile(r"<([^<>]+)>")
_ANSWER = "↳ "


_UNREADABLE = (OSError, EOFError, BadZipFile, RuntimeError, TypeError, ValueError, zlib.error)
"""What reading a file may raise: it is damaged, or encrypted, or nested without end."""


class _Folder:
    """The files of an export that is unpacked, by their paths, with their sizes."""

    def __init__(self, path: Path) -> None:
        found = {each.relative_to(path).as_posix(): each for each in path.rglob("*.json")}
        self.sizes = {name: each.stat().st_size for name, each in found.items()}
        self._found = found

    def read(self, name: str) -> bytes:
        _bound(self.sizes[name])
        return self._found[name].read_bytes()


class _Zip:
    """Those of one that is not."""

    def __init__(self, path: Path) -> None:
        self._zip = ZipFile(path)
        self.sizes = {each.filename: each.file_size for each in self._zip.infolist()}

    def read(self, name: str) -> bytes:
        _bound(self.sizes[name])  # no more is unpacked, whatever is in there
        return self._zip.read(name)


def slack(paths: Sequence[Path], work: Work) -> Source:
    """The messages of all public channels in exports, by time."""
    channels: list[Source] = []
    size = 0
    for path in paths:
        try:
            export = _Folder(path) if path.is_dir() else _Zip(path)
            reader = _Reader(path, export, work)
        except (*_UNREADABLE, AttributeError, KeyError) as error:
            yield Problem(str(path), 0, f"not an export of Slack: {error}")
        else:
            size += sum(export.sizes[name] for days in reader.days.values() for name in days)
            channels += [reader.channel(name) for name in reader.days]
    work.begin("storing", size)
    yield from by_time(channels)


class _Reader:
    """One export.

    Raises: KeyError, TypeError or ValueError when it is none.
    """

    def __init__(self, path: Path, export: _Folder | _Zip, work: Work) -> None:
        self._path, self._export, self._work = path, export, work
        lists = {
            name: json.loads(export.read(name))
            for name in ("users.json", "org_users.json", "channels.json")
            if name in export.sizes
        }
        users = lists.get("users.json", lists.get("org_users.json", []))
        self._users = {user["id"]: _person(user) for user in users}
        self._channels = {str(each["id"]): str(each["name"]) for each in lists["channels.json"]}
        self.days: dict[str, list[str]] = {
            name: sorted(each for each in export.sizes if each.startswith(f"{name}/"))
            for name in self._channels.values()
        }

    def channel(self, name: str) -> Source:
        """The messages of a channel, day after day."""
        for day in self.days[name]:
            place = f"{self._path}/{day}"
            self._work.done += self._export.sizes[day]
            try:
                messages = json.loads(self._export.read(day))
            except _UNREADABLE as error:
                yield Problem(place, 0, f"cannot be read: {error}")
                continue
            if not isinstance(messages, list):
                yield Problem(place, 0, "not a list of messages")
                continue
            yield from self._day(name, place, messages)

    def _day(self, name: str, place: str, messages: list[Any]) -> Source:
        entries: list[Entry] = []
        for number, message in enumerate(messages, 1):
            try:
                entries += self._entries(name, message)
            except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
                yield Problem(place, 0, f"message {number} cannot be read: {error!r}")
        yield from sorted(entries, key=lambda entry: entry.at)

    def _entries(self, name: str, message: dict[str, Any]) -> Iterator[Entry]:
        if message.get("type") != "message" or message.get("subtype") not in _SAID:
            return
        text = "\n".join(filter(None, [self._plain(_text(message)), *_files(message)]))
        if not text:
            return
        author, display = self._author(message)
        if message.get("subtype") == "me_message":
            text = f"* {display} {text}"
        if message.get("thread_ts", message["ts"]) != message["ts"]:
            text = _ANSWER + text
        # The digits after the point are a counter: as a number they would not be exact.
        seconds, _, rest = message["ts"].partition(".")
        yield Entry(name, author, display, int(seconds) * 1000 + int(rest[:3].ljust(3, "0")), text)

    def _author(self, message: dict[str, Any]) -> tuple[str, str]:
        user = message.get("user", "")
        if user in self._users:
            return self._users[user]
        told = message.get("user_profile") or message.get("bot_profile") or {}
        name = message.get("username") or told.get("name") or message.get("bot_id") or user
        if not name:
            raise ValueError("nobody said it")
        return str(name), _string(told.get("real_name")) or str(name)

    def _plain(self, text: str) -> str:
        """Without the markup of Slack, but for what people write themselves, such as ``*bold*``."""
        return html.unescape(_MARKED.sub(self._unmarked, text))

    def _unmarked(self, found: re.Match[str]) -> str:
        target, _, label = found[1].partition("|")
        if target.startswith("@"):
            return f"@{label or self._users.get(target[1:], ('', target[1:]))[1]}"
        if target.startswith("#"):
            return f"#{label or self._channels.get(target[1:], target[1:])}"
        if target.startswith("!"):
            return label or f"@{target[1:].partition('^')[0]}"
        address = target.removeprefix("mailto:")
        if not label or label in {address, address.partition("://")[2]}:
            return address
        return f"{label} ({address})"


def _person(user: dict[str, Any]) -> tuple[str, str]:
    profile = user.get("profile", {})
    shown = profile.get("display_name") or profile.get("real_name") or user.get("real_name")
    return str(user["name"]), _string(shown) or str(user["name"])


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _bound(size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"of {size:,} bytes, and more than {LARGEST:,} are not read at once")


def _text(message: dict[str, Any]) -> str:
    """What was said; of a program that says nothing, what it has attached."""
    attached = message.get("attachments") or []
    return message.get("text") or "\n".join(
        each.get("text") or each.get("fallback") or each.get("title") or "" for each in attached
    )


def _files(message: dict[str, Any]) -> list[str]:
    named = [each.get("title") or each.get("name") for each in message.get("files") or []]
    return [f"[file: {name}]" for name in named if name]
