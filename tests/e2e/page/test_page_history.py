"""Reading what was said long ago."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import PATIENCE
from tests.e2e.page.conftest import OLD
from tests.e2e.page.steps import find, look_into_harbour, open_lobby, say

TOPMOST = """scroller => {
  const edge = scroller.getBoundingClientRect().top;
  const rows = [...scroller.querySelectorAll('[data-number]')];
  const row = rows.find(row => row.getBoundingClientRect().top >= edge);
  return [Number(row.dataset.number), row.getBoundingClientRect().top - edge];
}"""
NUMBERS = "rows => rows.map(row => Number(row.dataset.number))"


def numbers(page: Page) -> list[int]:
    """Numbers of the messages that are in the page."""
    found = page.locator("[data-number]").evaluate_all(NUMBERS)
    assert isinstance(found, list)
    return found


def wait_for_older(page: Page, than: int) -> None:
    """Wait until a message before that number is in the page."""
    expect(page.locator("[data-number]").first).not_to_have_attribute("data-number", str(than))


def test_older_messages_come_without_a_jump(signed_in: Page) -> None:
    """While one scrolls up, what stands first on the screen stays where it is as pages come above."""
    scroller = look_into_harbour(signed_in)
    assert numbers(signed_in)[-1] == OLD
    for _ in range(6):
        first = numbers(signed_in)[0]
        before = scroller.evaluate(
            f"scroller => {{ scroller.scrollTop = 300; return ({TOPMOST})(scroller); }}"
        )
        wait_for_older(signed_in, first)
        after = scroller.evaluate(TOPMOST)
        assert after[0] == before[0]
        assert abs(after[1] - before[1]) <= 1


def test_the_page_stays_small_however_far_one_reads(signed_in: Page) -> None:
    """From the newest message to the first and back, the page holds a window of them, without gaps."""
    scroller = look_into_harbour(signed_in)
    walk(signed_in, scroller, "scroller.scrollTop = 0", 1)
    assert signed_in.get_by_text("This is where the room begins.").is_visible()
    assert len(numbers(signed_in)) <= 350
    walk(signed_in, scroller, "scroller.scrollTop = scroller.scrollHeight", OLD)
    found = numbers(signed_in)
    assert found == list(range(found[0], OLD + 1))
    assert len(found) <= 350


def walk(page: Page, scroller: Locator, step: str, goal: int) -> None:
    """Scroll until a message is in the page."""
    for _ in range(PATIENCE // 20):
        if goal in numbers(page):
            return
        scroller.evaluate(f"scroller => {{ {step} }}")
        page.wait_for_timeout(50)
    raise AssertionError(f"message {goal} was not reached")


def test_a_hit_of_the_search_is_shown_where_it_was_said(signed_in: Page) -> None:
    """It stands between its neighbours and is pointed at; one button leads back to the newest."""
    find(signed_in, "Messages", "albatross").first.click()
    target = signed_in.locator(".message.target")
    expect(target).to_contain_text("700: albatross")
    expect(target).to_be_in_viewport()
    found = numbers(signed_in)
    assert {698, 699, 701, 702} <= set(found)
    signed_in.get_by_role("button", name="Newest").click()
    expect(signed_in.locator(f'[data-number="{OLD}"]')).to_be_in_viewport()


def test_new_messages_do_not_move_who_reads_old_ones(signed_in: Page, another: Page) -> None:
    """Who has scrolled up stays there, is told how much is new, and gets to it by one button."""
    for page in (signed_in, another):
        look_into_harbour(page)
        page.get_by_role("button", name="Join the room").click()
    scroller = signed_in.get_by_role("region", name="Messages")
    first = numbers(signed_in)[0]
    scroller.evaluate("scroller => { scroller.scrollTop = 200; }")
    wait_for_older(signed_in, first)
    before = scroller.evaluate(TOPMOST)
    say(another, "land in sight")
    pill = signed_in.get_by_role("button", name="1 new message")
    expect(pill).to_be_visible()
    assert scroller.evaluate(TOPMOST) == before
    pill.click()
    expect(signed_in.get_by_text("land in sight", exact=True)).to_be_in_viewport()
    expect(signed_in.locator(".messages .new")).to_have_count(1)
    open_lobby(signed_in)
    expect(signed_in.get_by_role("link", name="harbour").locator(".unread")).to_have_count(0)
