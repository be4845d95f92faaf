"""The page for who is new: an account, the first messages, rooms to begin with."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.e2e.page.conftest import PASSWORD, sign_up
from tests.e2e.page.steps import find, name_of, open_direct, open_lobby, said, say

PHONE: ViewportSize = {"width": 360, "height": 720}
OPEN_ROOMS = """async names => {
  for (const name of names) {
    const headers = {"content-type": "application/json"};
    const body = JSON.stringify({name});
    // Nobody makes so many at once: the gateway says when it is too fast.
    while ((await fetch("/api/rooms", {method: "POST", headers, body})).status === 429)
      await new Promise(done => setTimeout(done, 250));
  }
}"""


@pytest.mark.parametrize(
    ("name", "password", "field", "rule"),
    [
        ("a b", PASSWORD, "Name", "A name has 2 to 40 letters"),
        ("starbuck", "short", "Password", "A password has 8 to 200 characters."),
    ],
)
def test_what_is_wrong_with_an_account_is_said_at_its_field(
    page: Page, name: str, password: str, field: str, rule: str
) -> None:
    """The rules stand there before anything fails; what is refused is a sentence, and the field to
    change has the focus."""
    page.goto("/")
    page.get_by_role("button", name="Create an account").click()
    expect(page.get_by_text("8 characters or more")).to_be_visible()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("alert").filter(has_text=rule)).to_be_visible()
    expect(page.get_by_label(field, exact=True)).to_be_focused()
    expect(page.get_by_label(field, exact=True)).to_have_attribute("aria-invalid", "true")


def test_the_first_messages_of_a_conversation_are_read_as_they_are_seen(
    signed_in: Page, another: Page
) -> None:
    """A conversation that somebody else began opens at its first message, below a line; what does
    not fit on the screen is not read."""
    open_direct(another, name_of(signed_in))
    for number in range(1, 13):
        say(another, f"{number}" + "\n." * 5)
    row = signed_in.get_by_role("link", name=name_of(another))
    expect(row.locator(".unread")).to_contain_text("12")
    row.click()
    expect(signed_in.locator(".messages .new")).to_be_in_viewport()
    expect(signed_in.locator('[data-number="1"]')).to_be_in_viewport()
    expect(signed_in.locator('[data-number="12"]')).not_to_be_in_viewport()
    expect(another.locator('[data-number="1"]')).to_have_attribute("data-state", "read")
    expect(another.locator('[data-number="12"]')).to_have_attribute("data-state", "delivered")
    signed_in.get_by_role("button", name="new message").click()
    expect(another.locator('[data-number="12"]')).to_have_attribute("data-state", "read")


def test_on_a_phone_the_way_back_tells_what_is_new_elsewhere(
    signed_in: Page, another: Page
) -> None:
    """While a conversation covers the list, its way back counts the others with new messages."""
    signed_in.set_viewport_size(PHONE)
    open_lobby(signed_in)
    back = signed_in.get_by_role("button", name="Back to the conversations")
    expect(back).to_have_accessible_name("Back to the conversations")
    open_direct(another, name_of(signed_in))
    say(another, "Are you there?")
    expect(back.locator(".unread")).to_have_text("1")
    expect(back).to_have_accessible_name("Back to the conversations, 1 with new messages")
    back.click()
    signed_in.get_by_role("link", name=name_of(another)).click()
    expect(said(signed_in, "Are you there?")).to_be_visible()
    expect(back.locator(".unread")).to_be_hidden()


def test_on_a_phone_rooms_are_proposed_below_a_short_list(page: Page, name: str) -> None:
    """Who is in the lobby only sees where else to go; a room that is joined is no longer proposed."""
    page.set_viewport_size(PHONE)
    sign_up(page, name)
    proposed = page.get_by_role("list", name="Rooms to begin with").get_by_role("button")
    harbour = proposed.filter(has_text="harbour")
    harbour.click()
    page.get_by_role("button", name="Join the room").click()
    page.get_by_role("button", name="Leave this room").wait_for()
    page.get_by_role("button", name="Back to the conversations").click()
    expect(page.get_by_role("link", name="harbour")).to_be_visible()
    expect(harbour).to_have_count(0)
    page.get_by_role("button", name="Find people").click()
    expect(page.get_by_role("combobox")).to_be_focused()


def test_what_cannot_be_the_name_of_a_room_is_told_while_it_is_typed(signed_in: Page) -> None:
    """No such room is offered, and the rule is there instead; Enter loses nothing of it."""
    options = find(signed_in, "Rooms", "Tea & biscuits")
    palette = signed_in.get_by_role("dialog", name="Search and jump")
    expect(palette.locator(".note")).to_contain_text("No room can be called “Tea & biscuits”")
    expect(options).to_have_count(0)
    field = signed_in.get_by_role("combobox")
    field.press("Enter")
    expect(field).to_have_value("Tea & biscuits")
    field.fill("Tea and biscuits")
    expect(options).to_have_count(1)
    expect(options).to_contain_text("Create the room “Tea and biscuits”")


def test_what_the_server_refuses_of_a_choice_is_told_beside_it(signed_in: Page, name: str) -> None:
    """The palette stays with what was typed: here, a room that somebody else has just opened."""
    options = find(signed_in, "Rooms", f"galley-{name}")
    offer = options.filter(has_text="Create the room")
    offer.wait_for()
    signed_in.evaluate(OPEN_ROOMS, [f"galley-{name}"])
    offer.click()
    palette = signed_in.get_by_role("dialog", name="Search and jump")
    expect(palette.get_by_role("alert")).to_contain_text("There is a room")
    expect(signed_in.get_by_role("combobox")).to_have_value(f"galley-{name}")


def test_a_directory_with_more_than_is_shown_says_so(signed_in: Page, name: str) -> None:
    """Fifty rooms are listed with a word of how to find the others; those are found so."""
    signed_in.evaluate(OPEN_ROOMS, [f"{name}-{number}" for number in range(52)])
    options = find(signed_in, "Rooms", name)
    expect(options.first).to_contain_text(name)
    expect(signed_in.locator(".palette .note")).to_contain_text("Type how a name begins")
    expect(options.filter(has_text="member")).to_have_count(50)
    signed_in.get_by_role("combobox").fill(f"{name}-51")
    expect(options.filter(has_text="member")).to_have_count(1)
    expect(signed_in.locator(".palette .note")).to_have_count(0)
