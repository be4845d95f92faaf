"""What the page does, and says, when its connection is lost."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.conftest import PATIENCE
from tests.e2e.page.conftest import sign_up
from tests.e2e.page.steps import open_lobby, said, say


class Line:
    """The WebSocket of a page, with somebody who cuts it.

    Attributes:
        said: frames of the page, over all connections.
        refusing: whether new connections are closed at once.
        deaf: whether `acknowledged` and `said` are withheld.
        withheld: types of those frames.
        opened: how many connections there were.
    """

    def __init__(self, page: Page) -> None:
        self.said: list[dict[str, Any]] = []
        self.withheld: list[str] = []
        self.refusing = self.deaf = False
        self.opened = 0
        self._socket: WebSocketRoute | None = None
        page.route_web_socket("**/ws", self._connected)

    def _connected(self, socket: WebSocketRoute) -> None:
        self.opened += 1
        if self.refusing:
            socket.close(code=1012)
            return
        self._socket = socket
        server = socket.connect_to_server()

        def to_server(data: str | bytes) -> None:
            self.said.append(json.loads(data))
            server.send(data)

        def to_page(data: str | bytes) -> None:
            kind = json.loads(data)["type"]
            if self.deaf and kind in ("acknowledged", "said"):
                self.withheld.append(kind)
            else:
                socket.send(data)

        socket.on_message(to_server)
        server.on_message(to_page)

    def cut(self, code: int = 1012) -> None:
        """Close the connection under the page."""
        assert self._socket is not None
        self._socket.close(code=code)

    def wait_withheld(self, page: Page) -> None:
        """Return when an acknowledgement was withheld: the message is stored."""
        for _ in range(PATIENCE // 20):
            if "acknowledged" in self.withheld:
                return
            page.wait_for_timeout(20)
        raise AssertionError("the message was not acknowledged")


def connected(page: Page) -> None:
    """Wait for the line to be well."""
    expect(page.locator("html")).to_have_attribute("data-connection", "connected")


def test_a_message_whose_acknowledgement_was_lost_is_shown_once(page: Page, name: str) -> None:
    """It is said again with the same client id on the next connection, and stored once."""
    line = Line(page)
    open_lobby(sign_up(page, name))
    connected(page)
    line.deaf = True
    say(page, "Once, please")
    expect(said(page, "Once, please")).to_have_attribute("data-state", "sending")
    line.wait_withheld(page)
    line.deaf = False
    line.cut()
    expect(said(page, "Once, please")).to_have_attribute("data-state", "stored")
    expect(said(page, "Once, please")).to_have_count(1)
    says = [frame for frame in line.said if frame["type"] == "say"]
    assert len(says) == 2
    assert says[0] == says[1]
    page.reload()
    expect(said(page, "Once, please")).to_have_count(1)


@pytest.mark.parametrize("code", [1001, 1012])
def test_the_page_comes_back_from_every_farewell(page: Page, name: str, code: int) -> None:
    """Whether the service stops or restarts: it connects again, and goes on."""
    line = Line(page)
    open_lobby(sign_up(page, name))
    connected(page)
    line.cut(code)
    say(page, f"After {code}")
    expect(said(page, f"After {code}")).to_have_attribute("data-state", "stored")
    assert line.opened == 2


def test_the_page_says_when_it_comes_back_and_can_be_hurried(page: Page, name: str) -> None:
    """While there is no connection it counts the seconds, tells what is not sent, and tries at once
    when it is told to."""
    line = Line(page)
    open_lobby(sign_up(page, name))
    connected(page)
    line.refusing = True
    line.cut()
    status = page.get_by_role("status")
    expect(status).to_contain_text("Connection lost.")
    say(page, "Into the storm")
    expect(status).to_contain_text("1 message is not sent yet.")
    expect(status).to_contain_text(re.compile(r"Trying again in ([6-9]|1\d|20) s"))
    buttons = page.get_by_role("button", name="Try now").element_handles()
    line.refusing = False
    # Whether they are there still or not: on a machine that stood still the wait may be over.
    for button in buttons:
        button.dispatch_event("click")
    expect(said(page, "Into the storm")).to_have_attribute("data-state", "stored")
    expect(status).to_be_hidden()


def test_what_is_not_sent_survives_a_reload(page: Page, name: str) -> None:
    """Messages written without a connection are there after a reload, and are sent in their order."""
    line = Line(page)
    open_lobby(sign_up(page, name))
    connected(page)
    line.refusing = True
    line.cut()
    for text in ("first of the log", "second of the log"):
        say(page, text)
    page.reload()
    line.refusing = False
    for text in ("first of the log", "second of the log"):
        expect(said(page, text)).to_have_attribute("data-state", "stored")
    rows = page.locator(".message .text").filter(has_text="of the log")
    assert rows.all_inner_texts() == ["first of the log", "second of the log"]


def test_what_was_missed_is_told(page: Page, another: Page, name: str) -> None:
    """What others said meanwhile is there after the connection came back, each once."""
    line = Line(page)
    open_lobby(sign_up(page, name))
    open_lobby(another)
    connected(page)
    say(another, "before the gap")
    expect(said(page, "before the gap")).to_have_count(1)
    line.refusing = True
    line.cut()
    for number in range(5):
        say(another, f"in the gap {number}")
        expect(said(another, f"in the gap {number}")).to_have_attribute("data-state", "stored")
    line.refusing = False
    for number in range(5):
        expect(said(page, f"in the gap {number}")).to_have_count(1)
    hellos = [frame["cursor"] for frame in line.said if frame["type"] == "hello"]
    assert hellos[0] == 0
    assert hellos[-1] > 0


def test_a_silent_line_is_tested_and_given_up(page: Page, name: str) -> None:
    """A connection on which nothing comes any more, not even the answer to a ping, is replaced."""
    page.clock.install()
    mute = [False]
    opened = []

    def connect(socket: WebSocketRoute) -> None:
        opened.append(socket)
        server = socket.connect_to_server()
        mine = len(opened)
        server.on_message(lambda data: None if mute[0] and mine == 1 else socket.send(data))

    page.route_web_socket("**/ws", connect)
    open_lobby(sign_up(page, name))
    connected(page)
    mute[0] = True
    for _ in range(100):
        if len(opened) > 1:
            break
        page.clock.run_for(1000)
    assert len(opened) == 2
    connected(page)
