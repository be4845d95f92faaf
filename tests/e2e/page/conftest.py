"""The chat in a process of its own, with old text in it, and Chromium before it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.e2e.conftest import PATIENCE

ROOT = Path(__file__).parents[3]
PASSWORD = "correct horse battery"
OLD = 2000
"""Messages of the room ``harbour``, numbered in their text as well."""


def _import_old_text(folder: Path, url: str) -> None:
    log = folder / "harbour.log"
    lines = ["--- Log opened Mon Nov 16 00:00:00 2009"]
    for number in range(1, OLD + 1):
        minute = number % 1440
        if minute == 0:
            lines.append(f"--- Day changed Tue Nov {16 + number // 1440:02} 2009")
        who = "ishmael" if number % 7 < 4 else "queequeg"
        word = "albatross" if number == 700 else "wave"
        text = f"{number}: {word} " + "and water " * (number % 23)
        lines.append(f"{minute // 60:02}:{minute % 60:02} <{who}> {text.strip()}")
    log.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "examples.im.importing", "irssi", "--url", url]
    subprocess.run([*command, "--room", "harbour", log], cwd=ROOT, check=True, timeout=120)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the chat is."""
    folder = tmp_path_factory.mktemp("chat")
    url = f"sqlite:///{folder}/chat.db"
    _import_old_text(folder, url)
    settings = {
        "database.url": url,
        "gateway.sign_ins_per_minute": "1000",
        "mainstay.log.format": "text",
        "mainstay.process.control": "",
    }
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "mainstay", "run", "examples.im.one:service"]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", *sets],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if " runs on tcp://" in line:
                yield "http://" + line.split(" runs on tcp://")[1].split()[0]
                break
        else:
            pytest.fail("the chat did not start:\n" + "".join(said))
    finally:
        process.terminate()
        process.communicate(timeout=60)


_numbers = count(1)


@pytest.fixture
def name() -> str:
    """A name that nobody has."""
    return f"sailor{next(_numbers)}"


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A browser of its own, in which nobody is signed in."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: errors of scripts, and what the policy of content forbade."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:
    """A page of it."""
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def noted(said: ConsoleMessage) -> None:
        if said.type == "error":
            complaints.append(said.text)

    page.on("console", noted)
    return page


@pytest.fixture
def signed_in(page: Page, name: str) -> Page:
    """A page whose user has just made an account."""
    return sign_up(page, name)


def sign_up(page: Page, name: str) -> Page:
    """Make an account by the form, and wait for the conversations."""
    page.goto("/")
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    page.get_by_role("link", name="Lobby").wait_for()
    return page


@pytest.fixture
def another(browser: Browser, address: str) -> Iterator[Page]:
    """The page of a second user, signed in, in a browser of their own."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    yield sign_up(context.new_page(), f"mate{next(_numbers)}")
    context.close()
