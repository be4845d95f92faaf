"""Facts about the page that the tutorial builds: two people talk by it, in Chromium."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.docs.tutorial import PAGES, Reader
from tests.e2e.conftest import PATIENCE

RUNS = "…chat runs on tcp://…\n"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.stop()


def work_through(reader: Reader, count: int) -> str:
    """Write the files of the first pages; the address of what they serve."""
    for page in PAGES[:count]:
        reader.skim(page.read_text("utf-8"))
    return f"http://localhost:{reader.ports['8000']}/"


def say(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.keyboard.press("Enter")


def expect_lines(page: Page, lines: list[str]) -> None:
    expect(page.locator("#messages li")).to_have_text(lines, timeout=PATIENCE)


def answer(text: str, dialog: Dialog) -> None:
    dialog.accept(text)


@pytest.mark.parametrize("count", [2, 3])
def test_two_windows_talk(browser: Browser, reader: Reader, count: int) -> None:
    """By names alone; from the third page on, who comes later sees what was said. The page has
    an icon, empty, so that no browser asks the service for one."""
    address = work_through(reader, count)
    reader.type("mainstay run chat.one", RUNS)
    pages = []
    for name in "ada", "bob":
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("dialog", partial(answer, name))
        page.goto(address)
        expect(page.locator("link[rel=icon]")).to_have_attribute("href", "data:,")
        page.wait_for_function("socket.readyState === 1 && !!socket.onmessage", timeout=PATIENCE)
        pages.append(page)
    ada, bob = pages
    say(ada, "hello")
    expect_lines(ada, ["ada: hello"])
    expect_lines(bob, ["ada: hello"])
    say(bob, "hello ada")
    for page in pages:
        expect_lines(page, ["ada: hello", "bob: hello ada"])
    ada.reload()
    expect_lines(ada, ["ada: hello", "bob: hello ada"] if count == 3 else [])
    for page in pages:
        page.close()


def enter(browser: Browser, address: str, name: str) -> Page:
    """Sign up in a browser of one's own."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.fill("#name", name)
    page.fill("#password", "correct horse")
    page.click("button[name=sign-up]")
    expect(page.locator("#form")).to_be_visible(timeout=PATIENCE)
    return page


@pytest.mark.parametrize("count", [5, 6])
def test_who_signs_up_talks(browser: Browser, reader: Reader, count: int) -> None:
    """And is still signed in after a reload; who presses Enter signs in, and if that is wrong is
    told in words, also what to do who is new."""
    address = work_through(reader, count)
    reader.type("mainstay run chat.one", RUNS)
    ada = enter(browser, address, "ada")
    say(ada, "hello")
    expect_lines(ada, ["ada: hello"])
    ada.reload()
    expect_lines(ada, ["ada: hello"])
    stranger = browser.new_context().new_page()
    stranger.set_default_timeout(PATIENCE)
    stranger.goto(address)
    stranger.fill("#name", "ada")
    stranger.fill("#password", "wrong horse")
    stranger.keyboard.press("Enter")
    expect(stranger.locator("#state")).to_have_text(
        "the name or the password is wrong; if you are new, sign up", timeout=PATIENCE
    )
    ada.context.close()
    stranger.context.close()


@pytest.mark.parametrize("count", [7, 9])
def test_a_conversation_goes_on_after_a_kill(browser: Browser, reader: Reader, count: int) -> None:
    """Everybody sees everything once and in order, what was said meanwhile included."""
    address = work_through(reader, count)
    reader.type("mainstay run chat.one --workers 1 --pidfile chat.pid", RUNS)
    ada, bob = enter(browser, address, "ada"), enter(browser, address, "bob")
    say(ada, "before")
    expect_lines(bob, ["ada: before"])
    pid = (reader.folder / "chat.pid").read_text().strip()
    subprocess.run(["pkill", "-9", "-P", pid], check=True)
    for number in range(3):
        say(ada, f"meanwhile {number}")
    said = ["ada: before", *(f"ada: meanwhile {number}" for number in range(3))]
    for page in ada, bob:
        expect_lines(page, said)
        expect(page.locator("#state")).to_have_text("", timeout=PATIENCE)
    say(bob, "after")
    for page in ada, bob:
        expect_lines(page, [*said, "bob: after"])
        page.context.close()
