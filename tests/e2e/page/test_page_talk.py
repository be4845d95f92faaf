"""Two people talk."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.conftest import PATIENCE
from tests.e2e.page.steps import name_of, open_direct, open_lobby, said, say

HOSTILE = "<img src=x onerror=alert(1)> <b>&amp;</b> javascript:alert(1) https://example.org/a_(b)."

NOTE_WRITING = """() => {
  window.written = "";
  const look = () => {
    window.written ||= document.querySelector(".writing").innerText.trim();
  };
  new MutationObserver(look).observe(document.body, {
    attributes: true, characterData: true, childList: true, subtree: true,
  });
}"""


def test_a_message_is_followed_from_stored_to_read(signed_in: Page, another: Page) -> None:
    """The sender sees that it is stored, then that it is on the other screen, and then that it was
    looked at."""
    open_direct(signed_in, name_of(another))
    say(signed_in, "Is the halyard frayed?")
    mine = said(signed_in, "Is the halyard frayed?")
    expect(mine).to_have_attribute("data-state", "delivered")
    row = another.get_by_role("link", name=name_of(signed_in))
    expect(row.locator(".unread")).to_contain_text("1")
    row.click()
    expect(said(another, "Is the halyard frayed?")).to_have_count(1)
    expect(mine).to_have_attribute("data-state", "read")
    expect(row.locator(".unread")).to_have_count(0)


def test_who_writes_and_who_is_there_is_shown(signed_in: Page, another: Page) -> None:
    """Keys on one screen are told on the other, as is that its user has gone."""
    open_direct(signed_in, name_of(another))
    say(signed_in, "Hello")
    another.get_by_role("link", name=name_of(signed_in)).click()
    expect(signed_in.locator(".heading .names p")).to_have_text("here now")
    # It is shown for seconds, and a machine may stand still for as long: the page itself looks.
    signed_in.evaluate(NOTE_WRITING)
    another.get_by_role("textbox", name="Message").press_sequentially("Go")
    signed_in.wait_for_function("window.written !== ''", timeout=PATIENCE)
    assert signed_in.evaluate("window.written") == f"{name_of(another)} is writing…"
    another.close()
    expect(signed_in.locator(".heading .names p")).to_contain_text("here a moment ago")


def test_text_is_never_markup(signed_in: Page, complaints: list[str]) -> None:
    """What somebody writes stands there letter by letter; only addresses of the web become links."""
    open_lobby(signed_in)
    complaints.clear()
    say(signed_in, HOSTILE)
    row = said(signed_in, HOSTILE)
    expect(row.locator(".text")).to_have_text(HOSTILE)
    inside = row.locator(".text *").evaluate_all(
        "all => all.map(one => [one.localName, one.href, one.rel])"
    )
    assert inside == [["a", "https://example.org/a_(b)", "noopener noreferrer nofollow"]]
    assert complaints == []


def test_the_page_obeys_its_content_policy(signed_in: Page, complaints: list[str]) -> None:
    """From a visit while nobody is signed in, through signing up, talking and changing the theme,
    nothing is said on the console."""
    open_lobby(signed_in)
    say(signed_in, "one\ntwo")
    expect(said(signed_in, "one\ntwo")).to_have_attribute("data-state", "stored")
    signed_in.get_by_role("button", name="Theme").click()
    assert complaints == []


def test_rooms_are_made_joined_and_left(signed_in: Page, another: Page, name: str) -> None:
    """A room that one makes another finds, looks into, joins, talks in and leaves."""
    room = f"deck-{name}"
    signed_in.keyboard.press("Control+k")
    signed_in.get_by_role("button", name="Rooms").last.click()
    signed_in.get_by_role("combobox").fill(room)
    signed_in.get_by_role("option", name="Create the room").click()
    say(signed_in, "Who is on deck?")
    another.keyboard.press("Control+k")
    another.get_by_role("combobox").fill(room)
    another.get_by_role("option", name=room).first.click()
    expect(said(another, "Who is on deck?")).to_have_count(1)
    another.get_by_role("button", name="Join the room").click()
    say(another, "I am.")
    expect(said(signed_in, "I am.")).to_have_count(1)
    expect(signed_in.locator(".heading .names p")).to_have_text("2 members")
    signed_in.get_by_role("button", name="Members", exact=True).click()
    members = signed_in.get_by_role("complementary", name="Members").get_by_role("listitem")
    expect(members).to_have_count(2)
    another.get_by_role("button", name="Leave this room").click()
    another.get_by_role("button", name="Leave", exact=True).click()
    expect(another.get_by_role("link", name=room)).to_have_count(0)
    expect(members).to_have_count(1)


def test_signing_out_and_in_again(signed_in: Page, name: str) -> None:
    """Who signs out is at the entrance, in every window, and nothing that they began is left there; a
    wrong password does not open it."""
    signed_in.get_by_role("link", name="Lobby").click()
    signed_in.get_by_role("textbox", name="Message").fill("for nobody else")
    second = signed_in.context.new_page()
    second.goto("/")
    second.get_by_role("link", name="Lobby").wait_for()
    signed_in.get_by_role("button", name="Sign out").click()
    for page in (signed_in, second):
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "nobody else" not in signed_in.evaluate("JSON.stringify(localStorage)")
    signed_in.get_by_label("Name", exact=True).fill(name)
    signed_in.get_by_label("Password").fill("wrong")
    signed_in.get_by_label("Password").press("Enter")
    expect(signed_in.get_by_role("alert").filter(has_text="do not belong")).to_be_visible()
    signed_in.get_by_label("Password").fill("correct horse battery")
    signed_in.get_by_label("Password").press("Enter")
    expect(signed_in.get_by_role("link", name="Lobby")).to_be_visible()
