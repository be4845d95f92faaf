"""``python -m examples.im.importing debian|irssi|weechat|slack PATH…``"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, time
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from examples.im.data.bulk import Bulk
from examples.im.data.database import Database, DatabaseSettings
from examples.im.importing.debian import CHANGELOGS, debian
from examples.im.importing.entries import Source, Work
from examples.im.importing.irc import Reading, irssi, weechat
from examples.im.importing.loading import Summary, load
from examples.im.importing.progress import Progress
from examples.im.importing.slack import slack

F = TypeVar("F", bound=Callable[..., Any])

PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path), required=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Bring old text into the chat: rooms, people and what they have said.

    To import the same again adds nothing. People may talk meanwhile.
    """


def _common(function: F) -> F:
    """The options of all sources."""
    function = click.option(
        "--limit", type=click.IntRange(min=0), default=0, help="Messages at most: the oldest."
    )(function)
    return click.option(
        "--url",
        envvar="IM__DATABASE__URL",
        default=DatabaseSettings().url,
        show_default=True,
        help="The database.",
    )(function)


def _zone(context: click.Context, option: click.Parameter, name: str | None) -> ZoneInfo | None:
    """A time zone by its name."""
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise click.BadParameter(f"{name!r} is no time zone") from None


def _logs(function: F) -> F:
    """The options of logs of IRC."""
    function = click.option(
        "--room", default="", help="The room of all files, whatever their name."
    )(function)
    return click.option(
        "--zone", callback=_zone, help="Of the times in the logs, as Europe/Berlin; this machine's."
    )(function)


@main.command("debian")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@_common
def _debian(paths: tuple[Path, ...], limit: int, url: str) -> None:
    """Changelogs of Debian, those of this machine unless PATHS say otherwise.

    Packages become rooms, and maintainers the people in them.
    """
    work = Work()
    _run(debian(paths or (CHANGELOGS,), work), work, limit, url)


@main.command("irssi")
@PATHS
@_logs
@_common
def _irssi(paths: tuple[Path, ...], room: str, zone: ZoneInfo | None, limit: int, url: str) -> None:
    """Logs of irssi: files, or folders of files that end with .log."""
    work = Work()
    _run(irssi(paths, Reading(work, zone, room)), work, limit, url)


@main.command("weechat")
@PATHS
@_logs
@_common
def _weechat(
    paths: tuple[Path, ...], room: str, zone: ZoneInfo | None, limit: int, url: str
) -> None:
    """Logs of WeeChat: files, or folders of files that end with .weechatlog."""
    work = Work()
    _run(weechat(paths, Reading(work, zone, room)), work, limit, url)


@main.command("slack")
@PATHS
@_common
def _slack(paths: tuple[Path, ...], limit: int, url: str) -> None:
    """Exports of Slack: ZIP files, or folders that such were unpacked into."""
    work = Work()
    _run(slack(paths, work), work, limit, url)


def _run(source: Source, work: Work, limit: int, url: str) -> None:
    begun = monotonic()
    progress = Progress(work, limit, sys.stderr, monotonic)
    summary = asyncio.run(_load(source, progress, limit, url))
    progress.close()
    for problem in summary.shown:
        click.echo(str(problem), err=True)
    if summary.problems > len(summary.shown):
        click.echo(f"… and {summary.problems - len(summary.shown)} more like these", err=True)
    click.echo(_told(summary, monotonic() - begun))
    sys.exit(0 if summary.messages or not summary.problems else 1)


async def _load(source: Source, progress: Progress, limit: int, url: str) -> Summary:
    database = Database(DatabaseSettings(url=url))
    try:
        await database.create()
        now = int(time() * 1000)
        return await load(source, Bulk(database), now=now, limit=limit, show=progress.show)
    finally:
        await database.aclose()


def _told(summary: Summary, seconds: float) -> str:
    rate = summary.messages / seconds if seconds else 0.0
    added = summary.added.messages
    return (
        f"{_count(summary.messages, 'message')} by {_count(len(summary.authors), 'author')} in "
        f"{_count(len(summary.rooms), 'room')} in {seconds:.1f} s, {rate:,.0f}/s: {added:,} added, "
        f"{summary.messages - added:,} known already, {_count(summary.problems, 'problem')}"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


if __name__ == "__main__":
    main()
