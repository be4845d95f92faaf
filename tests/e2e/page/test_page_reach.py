"""The page for the keyboard, for the ear, for a phone, and over a reload."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.page.steps import find, look_into_harbour, open_lobby, said, say

WIDE = re.compile("x" * 200)


def test_everything_is_reached_by_the_keyboard(signed_in: Page) -> None:
    """Ctrl-K, some letters, an arrow and Enter open a room; Shift-Enter makes a line, Enter sends;
    arrows walk through the list; Esc closes what is open."""
    open_lobby(signed_in)
    signed_in.keyboard.press("Control+k")
    signed_in.keyboard.type("harb")
    expect(signed_in.get_by_role("option", name="harbour").first).to_have_attribute(
        "aria-selected", "true"
    )
    signed_in.keyboard.press("Escape")
    expect(signed_in.get_by_role("dialog")).to_have_count(0)
    field = signed_in.get_by_role("textbox", name="Message")
    field.focus()
    signed_in.keyboard.type("above")
    signed_in.keyboard.press("Shift+Enter")
    signed_in.keyboard.type("below")
    signed_in.keyboard.press("Enter")
    expect(said(signed_in, "above\nbelow").first).to_have_attribute("data-state", "stored")
    signed_in.get_by_role("link", name="Lobby").focus()
    signed_in.keyboard.press("End")
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_role("heading", level=1)).to_be_visible()


def test_a_screen_reader_hears_what_others_say(signed_in: Page, another: Page) -> None:
    """A message of somebody else in the open room is announced politely, and one's own is not."""
    open_lobby(signed_in)
    open_lobby(another)
    say(signed_in, "mine is not read out")
    say(another, "all hands on deck")
    expect(signed_in.locator("#announcer")).to_contain_text(": all hands on deck")
    assert signed_in.locator("#announcer").get_attribute("aria-live") == "polite"


def test_drafts_stay_with_their_conversation(signed_in: Page) -> None:
    """What is written and not sent is there when one comes back, after a reload as well."""
    open_lobby(signed_in)
    field = signed_in.get_by_role("textbox", name="Message")
    field.fill("half a thou")
    look_into_harbour(signed_in)
    signed_in.get_by_role("button", name="Join the room").click()
    expect(field).to_have_value("")
    field.fill("another")
    open_lobby(signed_in)
    expect(field).to_have_value("half a thou")
    signed_in.reload()
    expect(field).to_have_value("half a thou")


def test_on_a_phone_nothing_is_wider_than_the_screen(signed_in: Page) -> None:
    """At 360 pixels the list, a conversation with endless words and the palette fit; the list and
    the conversation take turns."""
    signed_in.set_viewport_size({"width": 360, "height": 720})
    assert fits(signed_in)
    signed_in.get_by_role("link", name="Lobby").click()
    expect(signed_in.get_by_role("navigation", name="Conversations")).to_be_hidden()
    say(signed_in, "x" * 600 + " https://example.org/" + "y" * 300)
    expect(signed_in.locator(".message .text").filter(has_text=WIDE).last).to_be_visible()
    assert fits(signed_in)
    find(signed_in, "Messages", "albatross").first.wait_for()
    assert fits(signed_in)
    signed_in.keyboard.press("Escape")
    signed_in.get_by_role("button", name="Back to the conversations").click()
    expect(signed_in.get_by_role("navigation", name="Conversations")).to_be_visible()


def fits(page: Page) -> bool:
    """Whether nothing that is shown reaches beyond the right edge."""
    return bool(
        page.evaluate(
            """() => [...document.querySelectorAll('body *')].every((node) => {
              const box = node.getBoundingClientRect();
              return !node.checkVisibility() || node.closest('.unseen, svg, .welcome') || box.right <= innerWidth + 1;
            })"""
        )
    )


def test_the_theme_follows_the_system_until_it_is_chosen(signed_in: Page) -> None:
    """Dark is dark by the system's wish; a choice on the page wins, and survives a reload."""
    background = "() => getComputedStyle(document.body).backgroundColor"
    signed_in.emulate_media(color_scheme="light")
    light = signed_in.evaluate(background)
    signed_in.emulate_media(color_scheme="dark")
    dark = signed_in.evaluate(background)
    assert light != dark
    signed_in.get_by_role("button", name="Theme").click()
    assert signed_in.evaluate(background) == light
    signed_in.reload()
    assert signed_in.evaluate(background) == light


def test_a_message_that_is_too_long_is_not_sent(signed_in: Page) -> None:
    """The page counts as the server does, says so and keeps the text."""
    open_lobby(signed_in)
    field = signed_in.get_by_role("textbox", name="Message")
    field.fill("🚩" * 4001)
    expect(signed_in.locator(".composer .count")).to_have_text("-1")
    field.press("Enter")
    expect(field).to_have_value("🚩" * 4001)
    field.fill("🚩" * 4000)
    field.press("Enter")
    expect(signed_in.locator(".message.own").last).to_have_attribute("data-state", "stored")
