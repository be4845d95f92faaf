"""The parts of the page that decide something, each by itself, in the browser they run in."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page


@pytest.fixture
def parts(page: Page) -> Page:
    """A page that can import the modules."""
    page.goto("/")
    return page


def run(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """Run a function body that has the names of a module in `m` and an argument in `a`."""
    source = f"async (a) => {{ const m = await import('/js/{module}.js'); {body} }}"
    return page.evaluate(source, argument)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://example.org.", ["https://example.org"]),
        ("(http://a.example/b)", ["http://a.example/b"]),
        ("https://a.example/wiki/X_(y)", ["https://a.example/wiki/X_(y)"]),
        ("ftp://a.example javascript:alert(1) data:text/html,x", []),
        ("https:// http://", []),
        ("https://a.example/[x]]...", ["https://a.example/[x]"]),
        ("http://a/" + "…" * 2660 + "a" + ")" * 1320, []),  # nobody waits for a hostile one
        ("http://a/" + "." * 1990 + ")" * 1990, ["http://a/"]),
        ("a https://x.example, https://y.example!", ["https://x.example", "https://y.example"]),
    ],
)
def test_links_are_found_in_text(parts: Page, text: str, links: list[str]) -> None:
    """Addresses of the web are links, without the stop or the bracket that follows; nothing else is,
    and no letter of the text is lost."""
    found = run(parts, "text", "return m.parts(a);", text)
    assert [part["text"] for part in found if part["link"]] == links
    assert "".join(part["text"] for part in found) == text


def test_waits_grow_and_differ(parts: Page) -> None:
    """The wait before an attempt is between half of a length and all of it, and the length doubles
    up to 20 seconds."""
    waits = run(
        parts,
        "backoff",
        "return [0, 1, 2, 5, 6, 50].map(n => [m.waitBefore(n, () => 0), m.waitBefore(n, () => 1)]);",
    )
    assert waits == [[0.25, 0.5], [0.5, 1], [1, 2], [8, 16], [10, 20], [10, 20]]


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("the kernel", "the kernel"),
        ("a b " * 20 + "the kernel of it", "…a b a b a b a b the kernel of it"),
        ("x" * 200 + " kernel", "…" + "x" * 59 + " kernel"),
    ],
)
def test_a_hit_is_cut_to_where_the_words_are(parts: Page, text: str, piece: str) -> None:
    """What is shown of a long message begins a little before the first word that was looked for, and
    the word is marked."""
    found = run(
        parts,
        "text",
        """const p = document.createElement('p'); p.append(...m.marked(a, 'KERNEL'));
        return [p.textContent, p.querySelector('mark').textContent];""",
        text,
    )
    assert found == [piece, "kernel"]


def test_what_is_looked_at_is_told_at_once_and_then_gathered(parts: Page) -> None:
    """All views of a turn are one frame; what changes within a quarter of a second is the next one,
    and after that the first change is told at once again."""
    result = run(
        parts,
        "attention",
        """let now = 1000, waiting = [];
        performance.now = () => now;
        window.setTimeout = (run, after) => waiting.push([now + after, run]);
        const pass = (to) => {
          now = to;
          const due = waiting.filter(([at]) => at <= now);
          waiting = waiting.filter(([at]) => at > now);
          for (const [, run] of due) run();
        };
        const told = [];
        const store = {on() {}, open: 7};
        const attention = new m.Attention(store, (frame) => told.push([now, ...frame.users]) > 0);
        attention.show("sidebar", [1]);
        attention.show("members", [2]);
        pass(1000);
        attention.show("members", [3]);
        pass(1100);
        attention.show("members", [4]);
        pass(1249);
        pass(1250);
        attention.show("members", [4]);
        pass(1600);
        attention.show("members", []);
        pass(1600);
        return told;""",
    )
    assert result == [[1000, 1, 2], [1250, 1, 4], [1600, 1]]


MESSAGES = "const of = (...ns) => ns.map(number => ({number}));"


def test_what_comes_too_early_waits_for_what_is_missing(parts: Page) -> None:
    """A message after a gap is told as one, and takes its place when the gap is filled."""
    result = run(
        parts,
        "timeline",
        MESSAGES
        + """const t = new m.Timeline(); t.replace(of(1, 2));
        const gaps = [5, 4, 3, 3].map(number => t.put({number}));
        return [gaps, t.items.map(one => one.number), t.ahead.size, t.follows];""",
    )
    assert result == [[True, True, False, False], [1, 2, 3, 4, 5], 0, True]


def test_a_window_that_does_not_follow_takes_nothing_new(parts: Page) -> None:
    """Who reads old messages gets the new ones by loading them, so that there is no gap."""
    result = run(
        parts,
        "timeline",
        MESSAGES
        + """const t = new m.Timeline(); t.newest = 9; t.replace(of(3, 4));
        const before = [t.follows, t.put({number: 10}), t.last, t.newest];
        t.append(of(4, 5, 6, 7, 8, 9, 10));
        return [before, t.follows, t.items.map(one => one.number)];""",
    )
    assert result == [[False, False, 4, 10], True, [3, 4, 5, 6, 7, 8, 9, 10]]


def test_a_window_lets_go_of_the_far_end(parts: Page) -> None:
    """It holds 300 messages; cut at its newer end it follows no longer."""
    result = run(
        parts,
        "timeline",
        """const all = Array.from({length: 500}, (_, at) => ({number: at + 1}));
        const t = new m.Timeline(); t.replace(all); t.trim("last");
        const one = [t.first, t.last, t.follows];
        t.replace(all); t.trim("first");
        return [one, [t.first, t.last, t.follows]];""",
    )
    assert result == [[201, 500, True], [1, 300, False]]


def test_who_is_in_a_direct_conversation_is_counted_once(parts: Page) -> None:
    """It is known with both before the page is told that the other one has joined, if that comes
    late: what they have received is what all others have."""
    result = run(
        parts,
        "store",
        """const s = new m.Store({id: 1});
        const nothing = {last: null, others_delivered: 0, others_read: 0};
        s.know({id: 7, kind: "direct", member: true, members: 2, ...nothing});
        s.take({type: "joined", seq: 5, membership: {conversation: 7, user: 2}});
        s.take({type: "marked", seq: 6, receipt: {conversation: 7, user: 2, delivered: 3, read: 2}});
        return [1, 2, 3, 4].map(number => s.fate(s.conversations.get(7), {number}));""",
    )
    assert result == ["read", "read", "delivered", "stored"]
