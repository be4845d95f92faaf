"""When a process opens its control socket, and what happens if it cannot."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mainstay.errors import StartError
from mainstay.process import control_place
from mainstay.process.control_door import ControlDoor
from mainstay.process.control_place import name_of
from tests.process.controls import Board, place, served

__all__ = ["place"]

pytestmark = pytest.mark.real_loop


@pytest.fixture(autouse=True)
def folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default folder is one of the test."""
    monkeypatch.setattr(control_place, "candidates", lambda environ, uid: [place / "own"])


def where(own: ControlDoor) -> Path | None:
    """Where it can be reached now; a call, as its property changes by itself."""
    return own.path


def there(path: Path) -> bool:
    return path.is_socket()


def door(
    place: Path,
    setting: str | None,
    target: str = "a:b",
    warn: Callable[[str], object] = lambda text: None,
) -> ControlDoor:
    return ControlDoor(Board(), setting=setting, target=target, folder=place, environ={}, warn=warn)


async def test_the_default_follows_from_the_target(place: Path) -> None:
    """It is there after `open`, and is not after `close`, however often that is said."""
    own = door(place, None)
    own.open()
    assert where(own) == place / "own" / name_of("a:b", place)
    own.close()
    own.close()
    assert where(own) is None
    assert [*os.scandir(place / "own")] == []


@pytest.mark.parametrize(("setting", "target"), [("", "a:b"), (None, "")])
async def test_there_may_be_none(place: Path, setting: str | None, target: str) -> None:
    """Switched off, or of a program that has no target: nothing is made anywhere."""
    own = door(place, setting, target)
    own.open()
    own.take_over()
    assert where(own) is None
    assert [*os.scandir(place)] == []
    own.release()
    own.close()


async def test_a_path_that_was_named_has_to_be_had(place: Path) -> None:
    """It is relative to the folder of the start; if somebody has it, the start fails."""
    own = door(place, "control")
    own.open()
    assert where(own) == place / "control"
    second = door(place, "control")
    with pytest.raises(StartError, match="the control socket could not be started: process"):
        second.open()
    second.close()
    assert where(own) == place / "control"
    own.close()


async def test_the_default_that_is_taken_is_gone_without(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same service may run twice; who starts it is told who has the socket, and what to do."""
    told: list[str] = []
    own, second = door(place, None), door(place, None, warn=told.append)
    own.open()
    second.open()
    assert where(second) is None
    (text,) = told
    assert f"has no control socket: process {os.getpid()} has" in text
    assert text.endswith("start it with --control PATH")
    assert [(each.levelname, each.message) for each in caplog.records] == [("WARNING", text)]
    second.close()
    assert where(own) is not None
    own.close()


async def test_a_generation_takes_over_what_the_one_before_lets_go(place: Path) -> None:
    """The new one waits for as long as it takes; the end of the old one removes nothing."""
    old, new = door(place, "control"), door(place, "control")
    old.open()
    new.take_over()
    await asyncio.sleep(0)
    assert (where(old), where(new)) == (place / "control", None)
    old.release()
    async with asyncio.timeout(45):
        while where(new) is None:  # noqa: ASYNC110 - no event says it
            await asyncio.sleep(0)
    old.close()
    assert there(place / "control")
    new.close()
    assert not there(place / "control")


async def test_a_generation_that_cannot_take_over_serves_on(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By then it serves, and that counts for more: it is said in the log."""
    own = door(place, "none/control")
    own.take_over()
    async with asyncio.timeout(45):
        while "has no control socket" not in caplog.text:  # noqa: ASYNC110 - no event says it
            await asyncio.sleep(0)
    own.close()


async def test_what_killed_processes_left_is_tidied_up(place: Path) -> None:
    """In the folder that is for these sockets alone; one with a listener stays."""
    own = door(place, None)
    own.open()
    with served(place / "own" / "other.sock") as other:
        other.release()
        with served(place / "own" / "third.sock"):
            second = door(place, None, "c:d")
            second.open()
            assert sorted(each.name for each in os.scandir(place / "own")) == sorted(
                [name_of("a:b", place), name_of("c:d", place), "third.sock"]
            )
            second.close()
    own.close()
