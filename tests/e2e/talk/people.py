"""Somebody at a page: what they type, what their page is told, and what it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, WebSocket

WITNESS = """
() => {
  // Everything that ever stands on the screen, and whether it stood there twice or out of order.
  const witness = { seen: {}, faults: [] };
  window.witness = witness;
  const list = document.querySelector(".messages");
  const look = () => {
    let last = 0;
    const ids = new Set();
    for (const row of list.querySelectorAll(".message")) {
      const id = row.dataset.clientId;
      const text = row.querySelector(".text").textContent;
      if (ids.has(id)) witness.faults.push(`twice on the screen: ${text}`);
      ids.add(id);
      if (!row.dataset.number) continue;
      const number = Number(row.dataset.number);
      if (number <= last) witness.faults.push(`out of order: ${number} after ${last}`);
      last = number;
      const before = witness.seen[number];
      if (before !== undefined && before !== text) {
        witness.faults.push(`${number} was ${before}, and is ${text}`);
      }
      witness.seen[number] = text;
    }
  };
  new MutationObserver(look).observe(list, { childList: true, subtree: true });
  look();
}
"""


@dataclass(frozen=True)
class Acknowledged:
    """What the page was told of one of its messages."""

    number: int
    seq: int


class Person:
    """See the module.

    Args:
        page: of a browser of their own.
        name: of the account that they make.

    Attributes:
        page, name: as given.
        typed: every text, in order.
        said: texts by client id, as the page sent them.
        acknowledged: by client id.
        faults: what contradicts what was told before.
        connections: WebSockets that the page has opened.
    """

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.typed: list[str] = []
        self.said: dict[str, str] = {}
        self.acknowledged: dict[str, Acknowledged] = {}
        self.faults: list[str] = []
        self.connections = 0
        page.on("websocket", self._connected)

    def _connected(self, socket: WebSocket) -> None:
        self.connections += 1
        socket.on("framesent", self._listening(self._sent))
        socket.on("framereceived", self._listening(self._received))

    def _listening(self, hear: Callable[[dict[str, Any]], None]) -> Callable[[str | bytes], None]:
        return lambda data: hear(json.loads(data))

    def _sent(self, frame: dict[str, Any]) -> None:
        if frame["type"] != "say":
            return
        before = self.said.setdefault(frame["client_id"], frame["text"])
        if before != frame["text"]:
            self.faults.append(f"one client id for {before} and {frame['text']}")

    def _received(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "refused":
            # Of what cannot be done now the page takes care.
            if frame["code"] not in ("unavailable", "rate_limited"):
                self.faults.append(f"refused: {frame}")
        elif frame["type"] == "acknowledged":
            told = Acknowledged(frame["number"], frame["seq"])
            if self.acknowledged.setdefault(frame["client_id"], told) != told:
                self.faults.append(f"acknowledged in two ways: {frame}")

    # --- what they do ---------------------------------------------------------------------------

    def say(self) -> None:
        """Type the next message."""
        text = f"{self.name} says this as number {len(self.typed) + 1}"
        field = self.page.locator(".composer textarea")
        field.fill(text)
        field.press("Enter")
        self.typed.append(text)

    def watch(self) -> None:
        """From now on everything on the screen is noted."""
        self.page.evaluate(WITNESS)

    # --- how it is ------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the page says so."""
        return bool(
            self.page.evaluate("() => document.documentElement.dataset.connection === 'connected'")
        )

    @property
    def settled(self) -> bool:
        """Whether the page is connected, and knows everything that was typed to be stored."""
        return self.connected and len(self.acknowledged) == len(self.typed) and not self.unsent

    @property
    def unsent(self) -> list[str]:
        """Texts that the page shows as not stored."""
        return self.page.locator(".message.unsent .text").all_text_contents()

    def seen(self) -> dict[int, str]:
        """Every message that has stood on the screen, by number."""
        found = self.page.evaluate("() => window.witness.seen")
        return {int(number): text for number, text in found.items()}

    def complaints(self) -> list[str]:
        """What was wrong on the screen, and in what the page was told."""
        found: list[str] = self.page.evaluate("() => window.witness.faults")
        return [*self.faults, *found]

    def reread(self) -> list[tuple[int, str]]:
        """Load the page anew, scroll to the beginning, and write down what stands there."""
        self.page.reload()
        self.page.locator(".message[data-number]").last.wait_for()
        found: dict[int, str] = {}
        while 1 not in found:
            rows = self.page.locator(".message[data-number]").evaluate_all(
                "all => all.map(one => [+one.dataset.number, "
                "one.querySelector('.text').textContent])"
            )
            found.update((number, text) for number, text in rows)
            self.page.locator(".scroller").evaluate("one => { one.scrollTop = 0; }")
            self.page.wait_for_timeout(50)
        return sorted(found.items())
