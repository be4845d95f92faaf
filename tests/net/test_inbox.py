"""What has arrived and was not read."""

import asyncio

import pytest

from mainstay.errors import BrokenError
from mainstay.net.inbox import Inbox


async def test_parts_are_taken_together() -> None:
    """And counted until then; nothing is told from the end."""
    inbox = Inbox(asyncio.get_running_loop())
    assert inbox.take() is None
    inbox.add(b"ab")
    inbox.add(b"")
    inbox.add(b"c")
    assert inbox.buffered == 3
    assert inbox.take() == b"abc"
    assert inbox.buffered == 0
    assert inbox.take() is None
    inbox.end()
    assert inbox.take() == inbox.take() == b""


async def test_an_error_comes_after_what_has_arrived() -> None:
    """The first one, again and again; after the end there is none."""
    inbox = Inbox(asyncio.get_running_loop())
    inbox.add(b"half")
    inbox.fail(BrokenError("first"))
    inbox.fail(BrokenError("second"))
    assert inbox.take() == b"half"
    for _ in range(2):
        with pytest.raises(BrokenError, match="first"):
            inbox.take()
    whole = Inbox(asyncio.get_running_loop())
    whole.end()
    whole.fail(BrokenError("late"))
    assert whole.take() == b""


@pytest.mark.parametrize("news", ["add", "end", "fail"])
async def test_a_reader_is_woken(news: str) -> None:
    """By bytes, by the end, and by an error."""
    inbox = Inbox(asyncio.get_running_loop())
    waiting = asyncio.create_task(inbox.wait())
    await asyncio.sleep(1)
    assert not waiting.done()
    if news == "add":
        inbox.add(b"x")
    elif news == "end":
        inbox.end()
    else:
        inbox.fail(BrokenError("no more"))
    await waiting


async def test_a_reader_that_gave_up_is_forgotten() -> None:
    """News after that find nobody, and the next reader waits anew."""
    inbox = Inbox(asyncio.get_running_loop())
    waiting = asyncio.create_task(inbox.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    inbox.add(b"x")
    assert inbox.take() == b"x"
