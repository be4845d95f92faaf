"""What people do on the page, said once."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def say(page: Page, text: str) -> None:
    """Write it, and press Enter."""
    field = page.get_by_role("textbox", name="Message")
    field.fill(text)
    field.press("Enter")


def said(page: Page, text: str) -> Locator:
    """The rows with exactly this text."""
    return page.locator(".message", has=page.get_by_text(text, exact=True))


def open_lobby(page: Page) -> None:
    """Go to the room that everybody is in."""
    page.get_by_role("link", name="Lobby").click()
    page.get_by_role("heading", name="Lobby", level=1).wait_for()


def find(page: Page, scope: str, text: str) -> Locator:
    """Look for something with the palette; the hits."""
    page.keyboard.press("Control+k")
    page.get_by_role("group", name="Look for").get_by_role("button", name=scope).click()
    page.get_by_role("combobox").fill(text)
    return page.get_by_role("option")


def look_into_harbour(page: Page) -> Locator:
    """Show the room with the old messages; its scroller."""
    find(page, "Rooms", "harbour").filter(has_text="harbour").first.click()
    page.locator("[data-number]").last.wait_for()
    return page.get_by_role("region", name="Messages")


def open_direct(page: Page, name: str) -> None:
    """Begin a conversation with a user."""
    hits = find(page, "People", name)
    hits.filter(has_text=f"@{name}").first.click()
    page.get_by_role("heading", name=name, level=1).wait_for()


def name_of(page: Page) -> str:
    """Who is signed in on it."""
    return page.locator(".self b").inner_text()
