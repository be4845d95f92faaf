"""The messages of one request, one by one."""

from __future__ import annotations

import asyncio

import pytest

from mainstay.errors import TooLarge, UsageError
from mainstay.http.asgi.conversation import UNREAD, Conversation, response_of
from mainstay.testing.exchange import MemoryExchange
from tests.http.asgi.world import part, start
from tests.unseen import listen


async def test_a_declared_length_ends_the_body_without_another_message() -> None:
    """The last part says that it is the last, as soon as it is known."""
    exchange = MemoryExchange("POST", chunks=[b"ab", b"c"])
    exchange.length = 3
    conversation = Conversation(exchange)
    messages = [await conversation.receive(), await conversation.receive()]
    assert [each["more_body"] for each in messages] == [True, False]


async def test_receiving_waits_for_the_disconnect_when_the_body_was_read() -> None:
    """Who gives up waiting does not spoil it for the next."""
    conversation = Conversation(MemoryExchange())
    await conversation.receive()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(conversation.receive(), 1)
    conversation.disconnect()
    assert await conversation.receive() == {"type": "http.disconnect"}


async def test_a_fault_of_the_request_is_the_reply() -> None:
    """The application sees a disconnect, the mount the error."""
    conversation = Conversation(MemoryExchange("POST", chunks=[TooLarge("too long")]))
    assert await conversation.receive() == {"type": "http.disconnect"}
    with pytest.raises(TooLarge):
        await conversation.wait_response()


async def test_sending_after_a_disconnect_does_nothing() -> None:
    """Whatever it is."""
    conversation = Conversation(MemoryExchange())
    conversation.disconnect()
    await conversation.send({"type": "anything"})


async def test_a_reply_waits_until_it_was_taken() -> None:
    """A whole one until it is sent; one in parts after each of them."""
    conversation = Conversation(MemoryExchange())
    await conversation.send(start())
    sending = asyncio.ensure_future(conversation.send(part(b"x", more=False)))
    response = await conversation.wait_response()
    await asyncio.sleep(1)
    assert (response.body, sending.done()) == (b"x", False)
    conversation.sent()
    await sending


async def test_a_body_of_another_length_than_said_is_left_to_be_iterated() -> None:
    """As the reply to HEAD is, which has a length and no body."""
    conversation = Conversation(MemoryExchange("HEAD"))
    await conversation.send(start((b"content-length", b"9")))
    sending = asyncio.ensure_future(conversation.send(part(b"", more=False)))
    response = await conversation.wait_response()
    assert (response.body, response.length) == (UNREAD, 9)
    conversation.sent()
    await sending


def test_a_head_becomes_a_response() -> None:
    """Latin-1 that is no UTF-8 is kept as text; what the connection says itself is dropped."""
    head = start((b"X-Name", b"\xe9"), (b"Date", b"today"), (b"content-length", b"3"), status=404)
    response, length = response_of(head)
    assert (response.status, length, list(response.headers)) == (404, 3, [("x-name", "é")])


@pytest.mark.parametrize("status", [99, 101, 600])
def test_a_status_that_is_no_final_one_is_refused(status: int) -> None:
    """Interim replies and numbers beyond HTTP's."""
    with pytest.raises(UsageError, match=str(status)):
        response_of(start(status=status))


async def test_a_head_that_is_none_may_have_nobody_to_hear_of_it() -> None:
    """Whoever waits for the reply may leave in the same moment."""
    complaints = listen()
    conversation = Conversation(MemoryExchange())
    await conversation.send(start(status=99))
    waiting = asyncio.ensure_future(conversation.wait_response())
    await asyncio.sleep(0)
    with pytest.raises(UsageError, match="99"):
        await conversation.send(part(b"", more=False))
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    del conversation, waiting
    assert complaints() == []
