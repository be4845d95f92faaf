"""``make demo`` and ``make demo-split``: something to read, a welcome, and the chat itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Final

from examples.im.data.bulk import Bulk, Old
from examples.im.data.database import Database, DatabaseSettings, file_of
from examples.im.importing.debian import CHANGELOGS, debian
from examples.im.importing.entries import Work
from examples.im.importing.loading import Summary, load
from examples.im.together import Part, Together
from examples.ports import is_free

ONE: Final = "examples.im.one:service"
GATEWAY: Final = "examples.im.gateway.service:service"
LOGIC: Final = "examples.im.logic.service:service"

# fmt: off
PACKAGES: Final = (
    "apt", "bash", "ca-certificates", "coreutils", "curl", "debianutils", "git", "gzip",
    "hostname", "libc6", "make", "openssl", "passwd", "perl", "python3", "python3.11",
    "python3.12", "python3.13", "sed", "sqlite3", "sudo", "systemd", "tar", "tzdata",
    "util-linux", "vim",
)
# fmt: on
"""Whose changelogs the demo opens with, where a machine has them."""

GREETING: Final = Old(
    room="lobby",
    title="Lobby",
    author="mainstay",
    display="mainstay",
    text=(
        "Welcome! Everybody who makes an account is in this room.\n"
        "Open a second window, make another account there, and talk to yourself. Other rooms are in "
        "the directory: some were made of the changelogs of this machine.\n"
        "While you talk, restart the service from a terminal, or kill one of its workers: nothing "
        "that was acknowledged is lost, and nothing comes twice."
    ),
    at=int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000),
)

WELCOME: Final = """
A chat on mainstay: rooms, direct messages, presence, receipts, history, search. Open

    http://127.0.0.1:{port}

in two windows, one of them private, make an account in each, and talk. Ctrl-K searches.
In a second terminal, type

    .venv/bin/python -m examples.im.chat 127.0.0.1:{port} --create
        a third one to talk to, over gRPC; without --create when you come back
{restarts}
    .venv/bin/python -m examples.im.importing debian{into}
        all changelogs of this machine, while people talk; also: irssi, weechat, slack
    .venv/bin/mainstay status {control}
        who serves; `kill -9` any worker, and go on talking. The supervisor is the one whom nobody
        here replaces: when it is gone, start the demo again, and everybody comes back by themselves

{data} How it is made: examples/im/README.md.
Ctrl-C stops it.
"""

ONE_RESTART: Final = """\
    .venv/bin/mainstay restart {control}
        new processes, below the conversation"""

SPLIT_RESTARTS: Final = """\
    .venv/bin/mainstay restart {logic_control}
    .venv/bin/mainstay restart {control}
        new processes for one layer, logic or gateway, below the conversation; the other one stays"""


async def prepare(settings: DatabaseSettings) -> Summary:
    """Make the database, and bring in something to read; what is there already stays as it is."""
    database = Database(settings)
    try:
        await database.create()
        bulk, now = Bulk(database), int(time() * 1000)
        await bulk.add([GREETING], now)
        paths = [path for name in PACKAGES if (path := CHANGELOGS / name).is_dir()]
        return await load(debian(paths, Work()), bulk, now=now)
    finally:
        await database.aclose()


def welcome(settings: DatabaseSettings, port: str, logic_port: str = "") -> str:
    """What to open and what to type; with the logic's port, for two services."""
    file, default = file_of(settings), settings.url == DatabaseSettings().url
    return WELCOME.format(
        port=port,
        restarts=(SPLIT_RESTARTS if logic_port else ONE_RESTART).format(
            control=f"--control {control(settings, port)}",
            logic_control=f"--control {control(settings, logic_port)}",
        ),
        control=f"--control {control(settings, port)}",
        into="" if default else f" --database {settings.url}",
        data=f"What was said is in {file}; `rm {file}*` forgets it."
        if file
        else "What was said is in your database.",
    )


def control(settings: DatabaseSettings, port: str) -> Path:
    """Where the service on a port is asked for a restart and the like: beside the data."""
    file = file_of(settings) or Path(".im", "chat.db")
    return file.parent / "run" / f"{port}.sock"


def serve(target: str, port: str, control: Path, *settings: str) -> tuple[str, ...]:
    """The command that serves a service on a port of this machine, with logs for people; with two
    workers and a control socket where they are to be had."""
    workers: tuple[str, ...] = ()
    if sys.platform == "linux":
        # Nobody else may put a socket there.
        control.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        workers = ("--workers", "2", "--control", str(control))
    options = [word for each in ("mainstay.log.format=text", *settings) for word in ("--set", each)]
    return (sys.executable, "-m", "mainstay", "run", target, "-l", port, *workers, *options)


def main(arguments: Sequence[str]) -> int:
    """Run the demo, in one service, or with the argument ``split`` in two; returns an exit code."""
    split = "split" in arguments
    port, logic_port = os.environ.get("PORT", "8000"), os.environ.get("LOGIC_PORT", "8101")
    for name, each in {"PORT": port, "LOGIC_PORT": logic_port}.items():
        if (split or name == "PORT") and not is_free(each):
            again = "make demo-split" if split else "make demo"
            sys.exit(f"port {each} is taken; choose another one: {name}={int(each) + 1} {again}")
    settings = DatabaseSettings(os.environ.get("IM__DATABASE__URL", DatabaseSettings().url))
    print(_to_read(asyncio.run(prepare(settings))))
    print(welcome(settings, port, logic_port if split else ""), flush=True)
    stored = f"database.url={settings.url}"
    if not split:
        command = serve(ONE, port, control(settings, port), stored)
        # So that Ctrl-C and signals reach the service itself.
        os.execv(command[0], command)  # noqa: S606 - without a shell, on purpose
    there = f"logic=tcp://127.0.0.1:{logic_port}"
    below = serve(LOGIC, logic_port, control(settings, logic_port), stored)
    above = serve(GATEWAY, port, control(settings, port), there)
    logic = Part("logic", below, "im-logic runs on")
    gateway = Part("gateway", above, "im-gateway runs on")
    return asyncio.run(Together(logic, gateway).run())


def _to_read(summary: Summary) -> str:
    if not summary.messages:
        return "This machine has no changelogs of Debian: the chat begins with an empty lobby."
    return (
        f"{summary.messages:,} messages to read in {len(summary.rooms)} rooms: changelogs of "
        "Debian, by who wrote them."
    )
