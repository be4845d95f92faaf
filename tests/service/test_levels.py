"""Log levels follow the configuration file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstay.errors import ConfigError
from mainstay.observe.log import Logs, LogSettings
from mainstay.service.levels import LevelFollower
from mainstay.service.loading import FRAMEWORK, configuration
from mainstay.service.service import Service


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Logs as a service has them, put away afterwards."""
    installed = Logs.install(LogSettings())
    yield installed
    installed.uninstall()


def follower(path: Path, logs: Logs) -> LevelFollower:
    """What a service with this configuration file uses."""

    def load() -> LogSettings:
        declared = Service("hello").declaration
        found = configuration(declared, files=[path], flags=(), environ={}).get(FRAMEWORK)
        levels: LogSettings = found.log
        return levels

    return LevelFollower([path], load, logs)


def test_an_edited_level_takes_effect(tmp_path: Path, logs: Logs) -> None:
    """A level that appears in the file is set, and one that disappears is let go."""
    path = tmp_path / "hello.toml"
    path.write_text("")
    levels = follower(path, logs)
    path.write_text('[mainstay.log]\nlevel = "warning"\nlevels = {"shop.sql" = "debug"}\n')
    levels.look()
    assert logging.getLogger().level == logging.WARNING
    assert logging.getLogger("shop.sql").level == logging.DEBUG
    path.write_text("# nothing special\n")
    levels.look()
    assert logging.getLogger().level == logging.INFO
    assert logging.getLogger("shop.sql").level == logging.NOTSET


def test_a_file_that_became_wrong_changes_nothing(
    tmp_path: Path, logs: Logs, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last good levels stay, and the complaint has the file, the key and the reason."""
    path = tmp_path / "hello.toml"
    path.write_text('[mainstay.log]\nlevel = "debug"\n')
    levels = follower(path, logs)
    logs.apply(LogSettings(level="debug"))
    path.write_text('[mainstay.log]\nlevel = "loud"\n')
    levels.look()
    assert logging.getLogger().level == logging.DEBUG


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, logs: Logs) -> None:
    """A look costs a stat of each file and no more."""
    path = tmp_path / "hello.toml"
    path.write_text("")

    def load() -> LogSettings:
        raise AssertionError("nothing has changed")

    LevelFollower([path], load, logs).look()


def test_a_removed_file_is_a_fault_once(tmp_path: Path, logs: Logs) -> None:
    """A file that goes away is complained about when it goes, not at every look."""
    path = tmp_path / "hello.toml"
    path.write_text("")
    asked = []

    def load() -> LogSettings:
        asked.append(1)
        raise ConfigError("gone")

    levels = LevelFollower([path], load, logs)
    path.unlink()
    levels.look()
    levels.look()
    assert len(asked) == 1


async def test_following_ends_at_once_without_files(logs: Logs) -> None:
    """A service without a file has nothing to follow."""
    await LevelFollower([], LogSettings, logs).follow()


async def test_a_failure_while_looking_does_not_end_the_following(
    tmp_path: Path, logs: Logs
) -> None:
    """Whatever goes wrong in one look, the next one comes."""
    path = tmp_path / "hello.toml"
    path.write_text("")
    asked = []

    def load() -> LogSettings:
        asked.append(1)
        raise RuntimeError("unexpected")

    levels = LevelFollower([path], load, logs)
    following = asyncio.ensure_future(levels.follow())
    for text in ("1", "22"):
        path.write_text(f"# {text}")
        await asyncio.sleep(2.5)
    following.cancel()
    assert len(asked) == 2
