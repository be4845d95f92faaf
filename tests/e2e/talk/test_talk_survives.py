"""Two people talk in two browsers without a pause, and every part of the chat is killed and
restarted below them. What was acknowledged is compared with the database and with both screens."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import PATIENCE
from tests.e2e.talk.people import Person
from tests.e2e.talk.system import System

ARTEFACTS = Path(__file__).parents[1] / "build"

PASSWORD = "correct horse battery"
HEALED_WITHIN = 90.0
RESTARTED_WITHIN = 120.0
CALM = 2.0
"""Seconds of talking before something is done to the chat."""


class Stage:
    """The chat, and two who talk.

    Attributes:
        system: under them.
        people: the two.
    """

    def __init__(self, system: System, people: list[Person], artefacts: Path) -> None:
        self.system = system
        self.people = people
        self._artefacts = artefacts
        self._pictures = 0

    def talk(self, seconds: float) -> None:
        """Let both talk for so long."""
        end = time.monotonic() + seconds
        self.talk_until(lambda: time.monotonic() >= end, seconds + HEALED_WITHIN)

    def talk_until(self, condition: Callable[[], bool], bound: float) -> None:
        """Let both talk until something is true."""
        until = time.monotonic() + bound
        while not condition():
            assert time.monotonic() < until, "it has not come true in time"
            for person in self.people:
                person.say()
                person.page.wait_for_timeout(60)

    def heal(self) -> None:
        """Talk on until both pages are connected; then be silent until all is acknowledged."""
        self.talk_until(lambda: all(each.connected for each in self.people), HEALED_WITHIN)
        until = time.monotonic() + HEALED_WITHIN
        while not all(each.settled for each in self.people):
            if time.monotonic() > until:
                self.picture("not-healed")
                lacking = {each.name: each.unsent for each in self.people}
                raise AssertionError(f"not everything was acknowledged: {lacking}")
            for person in self.people:
                person.page.wait_for_timeout(50)

    def see(self, count: int) -> None:
        """Wait until so many messages have stood on both screens, or a patience is over."""
        until = time.monotonic() + HEALED_WITHIN
        while any(len(each.seen()) < count for each in self.people) and time.monotonic() < until:
            for person in self.people:
                person.page.wait_for_timeout(50)

    def finish(self, *restarts: subprocess.Popen[str]) -> None:
        """Talk until restarts have ended, and see that they went well."""
        self.talk_until(lambda: all(each.poll() is not None for each in restarts), RESTARTED_WITHIN)
        for each in restarts:
            said, _ = each.communicate()
            assert each.returncode == 0, said

    def picture(self, name: str) -> None:
        """Keep what both screens show."""
        self._pictures += 1
        for person in self.people:
            file = self._artefacts / f"{self._pictures:02}-{name}-{person.name}.png"
            person.page.screenshot(path=file)


def _sign_up(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    page.get_by_role("link", name="Lobby").wait_for()


def _open_direct(page: Page, name: str) -> None:
    page.keyboard.press("Control+k")
    page.get_by_role("group", name="Look for").get_by_role("button", name="People").click()
    page.get_by_role("combobox").fill(name)
    page.get_by_role("option").filter(has_text=f"@{name}").first.click()
    page.get_by_role("heading", name=name, level=1).wait_for()


@pytest.fixture
def artefacts(request: pytest.FixtureRequest) -> Path:
    """Where the screenshots and logs of a test are left; empty."""
    folder = ARTEFACTS / str(request.node.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def stage(browser: Browser, artefacts: Path, tmp_path: Path) -> Iterator[Stage]:
    """The chat in two services, and ahab and starbuck in a direct conversation."""
    system = System(tmp_path)
    try:
        system.start()
        people = []
        for name in ("ahab", "starbuck"):
            context = browser.new_context(
                base_url=system.address, viewport={"width": 1000, "height": 700}
            )
            context.set_default_timeout(PATIENCE)
            people.append(Person(context.new_page(), name))
            _sign_up(people[-1].page, name)
        for one, other in zip(people, reversed(people), strict=True):
            _open_direct(one.page, other.name)
            one.watch()
        yield Stage(system, people, artefacts)
        for person in people:
            person.page.context.close()
    finally:
        system.stop()
        for part in (system.logic, system.gateway):
            log = tmp_path / f"{part.name}.log"
            if log.exists():
                shutil.copy(log, artefacts)


def test_nothing_is_lost_whatever_is_killed(stage: Stage) -> None:
    """Through the deaths of each gateway worker, of a logic worker, and of the whole gateway for a
    while: each message that was typed is acknowledged, stored once, in the order of its writer, and
    stands once on both screens, in the order of the database."""
    system = stage.system
    stage.talk(CALM)
    stage.heal()
    stage.picture("calm")

    for place in (0, 1):
        system.gateway.kill_worker(place)
        stage.talk(CALM)
        stage.heal()
    stage.picture("gateway-workers-killed")

    system.logic.kill_worker(0)
    stage.talk(CALM)
    stage.heal()
    stage.picture("logic-worker-killed")

    system.gateway.kill()
    stage.talk(CALM)
    stage.talk_until(lambda: not any(each.connected for each in stage.people), HEALED_WITHIN)
    stage.picture("gateway-gone")
    system.gateway.launch()
    stage.heal()
    stage.picture("gateway-back")
    _compare(stage)


def test_nothing_is_lost_whatever_is_restarted(stage: Stage) -> None:
    """Through a restart of the logic, and one of everything at once, supervisors included, while
    both go on talking; compared in the same way."""
    system = stage.system
    stage.talk(CALM)
    stage.finish(system.logic.restart())
    stage.heal()
    stage.picture("logic-restarted")

    before = (system.logic.supervisor(), system.gateway.supervisor())
    stage.finish(system.logic.restart("--supervisor"), system.gateway.restart("--supervisor"))
    after = (system.logic.supervisor(), system.gateway.supervisor())
    assert not set(before) & set(after)
    stage.heal()
    stage.talk(CALM)
    stage.heal()
    stage.picture("everything-restarted")
    _compare(stage)


def _compare(stage: Stage) -> None:
    """The pages, the database, and the screens."""
    ahab, starbuck = stage.people
    stored = _stored(stage.system.database)
    texts = [text for _, _, _, text in stored]
    numbers = [number for number, _, _, _ in stored]
    assert numbers == list(range(1, len(stored) + 1))
    assert len(set(texts)) == len(texts) == len(ahab.typed) + len(starbuck.typed)
    by_client_id = {client_id: (number, seq, text) for number, seq, client_id, text in stored}
    for person in stage.people:
        assert person.complaints() == []
        assert [text for text in texts if text.startswith(person.name)] == person.typed
        assert len(person.acknowledged) == len(person.typed)
        for client_id, told in person.acknowledged.items():
            assert by_client_id[client_id] == (told.number, told.seq, person.said[client_id])
    expected = list(zip(numbers, texts, strict=True))
    stage.see(len(expected))
    for person in stage.people:
        assert sorted(person.seen().items()) == expected
        assert person.reread() == expected
    stage.picture("compared")


def _stored(database: Path) -> list[tuple[int, int, str, str]]:
    """What is in the direct conversation, in its order."""
    with closing(sqlite3.connect(database)) as db:
        return db.execute(
            "SELECT number, seq, client_id, text FROM message JOIN conversation "
            "ON conversation.id = conversation_id WHERE kind = 'direct' ORDER BY number"
        ).fetchall()
