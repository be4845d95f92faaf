"""Server-sent events: the format, the silence, the drain, and the ends of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.http.sse import AHEAD, DRAIN_GRACE, Event, event_response
from tests.unseen import listen


def stream(source: AsyncIterator[Any], keep_alive: float = 15.0) -> Any:
    body = event_response(source, keep_alive=keep_alive).body
    assert not isinstance(body, bytes)
    return aiter(body)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event("hi"), "data: hi\n\n"),
        (Event(""), "data: \n\n"),
        (Event("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (Event("a\u2028b\x0b\x0cc"), "data: a\u2028b\x0b\x0cc\n\n"),
        (Event("a\n"), "data: a\ndata: \n\n"),
        (Event({"n": 1}), 'data: {"n":1}\n\n'),
        (Event(None), "data: null\n\n"),
        (Event(1, "tick", "7", 2.5), "event: tick\nid: 7\nretry: 2500\ndata: 1\n\n"),
        (Event("x", id=""), "id: \ndata: x\n\n"),
    ],
    ids=repr,
)
def test_an_event_is_written_as_the_format_says(event: Event, text: str) -> None:
    """Lines end at CR, LF and CRLF, and nowhere else."""
    assert event.encode() == text.encode()


@pytest.mark.parametrize(
    "wrong",
    [{"event": "a\nb"}, {"id": "a\r"}, {"id": "a\0"}, {"retry": -1.0}, {"retry": float("nan")}],
    ids=str,
)
def test_an_event_that_would_be_misread_is_refused(wrong: dict[str, Any]) -> None:
    """A line break would begin a field that nobody meant."""
    with pytest.raises(UsageError):
        Event("x", **wrong)


def test_the_reply_tells_caches_and_proxies_to_keep_their_hands_off() -> None:
    """Nothing is stored, and nothing is collected on the way."""

    async def none() -> AsyncIterator[int]:
        numbers: tuple[int, ...] = ()
        for number in numbers:
            yield number

    response = event_response(none(), status=201)
    assert (response.status, response.content_type) == (201, "text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"


async def test_values_become_the_data_of_events() -> None:
    """What is ready together goes out in one piece."""

    async def ticks() -> AsyncIterator[Any]:
        yield 1
        yield Event("two", event="x")

    with Scope("call"):
        assert [part async for part in stream(ticks())] == [b"data: 1\n\nevent: x\ndata: two\n\n"]


async def test_silence_ends_with_a_comment() -> None:
    """Every interval without an event, on the loop's clock."""

    async def slow() -> AsyncIterator[int]:
        await asyncio.sleep(35)
        yield 1

    loop = asyncio.get_running_loop()
    began = loop.time()
    with Scope("call"):
        parts = stream(slow(), keep_alive=10)
        found = [(part, round(loop.time() - began)) async for part in parts]
    assert found == [(b":\n\n", 10), (b":\n\n", 20), (b":\n\n", 30), (b"data: 1\n\n", 35)]


async def test_a_generator_is_a_bounded_number_of_events_ahead() -> None:
    """While the peer takes nothing, the generator waits."""
    made = 0

    async def fast() -> AsyncIterator[int]:
        nonlocal made
        for number in range(1000):
            made += 1
            yield number

    with Scope("call"):
        events = stream(fast())
        await anext(events)
        await asyncio.sleep(100)
        assert AHEAD <= made <= 2 * AHEAD + 2
        await events.aclose()


async def test_the_failure_of_the_generator_breaks_the_stream_off() -> None:
    """What came before is sent; then the error is raised to whoever sends."""

    async def failing() -> AsyncIterator[int]:
        yield 1
        raise LookupError("gone")

    with Scope("call"):
        events = stream(failing())
        assert await anext(events) == b"data: 1\n\n"
        with pytest.raises(LookupError, match="gone"):
            await anext(events)


async def test_a_peer_that_leaves_ends_the_generator() -> None:
    """Its cleanup has run when the stream is closed."""
    ends = []

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(1000)
        finally:
            ends.append("closed")

    with Scope("call"):
        events = stream(endless())
        await anext(events)
        await events.aclose()
        assert ends == ["closed"]


async def test_a_cancelled_call_ends_the_generator() -> None:
    """The cancellation reaches it where it waits."""
    ends = []

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def call() -> None:
        with Scope("call"):
            async for _ in stream(endless()):
                pass

    task = asyncio.create_task(call())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert ends == ["cancelled"]


async def test_the_drain_lets_one_more_event_out() -> None:
    """An event after the drain began is the last one, and the generator is closed."""
    ends = []

    async def ticks() -> AsyncIterator[int]:
        number = 0
        try:
            while True:
                await asyncio.sleep(0.6)
                number += 1
                yield number
        finally:
            ends.append(number)

    found = []
    with Scope("call") as scope:
        async for part in stream(ticks()):
            found.append(part)
            if len(found) == 2:
                scope.drain()
    assert found == [b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]
    assert ends == [3]


async def test_a_generator_that_watches_says_goodbye() -> None:
    """The drain is visible in the scope of the generator."""

    async def polite() -> AsyncIterator[str]:
        yield "hello"
        await Scope.current().wait_draining()
        yield "goodbye"

    found = []
    with Scope("call") as scope:
        async for part in stream(polite()):
            found.append(part)
            scope.drain()
    assert found == [b"data: hello\n\n", b"data: goodbye\n\n"]


async def test_an_idle_generator_is_cancelled_after_a_grace() -> None:
    """A stream without events does not hold up the stop."""
    loop = asyncio.get_running_loop()

    async def idle() -> AsyncIterator[int]:
        await asyncio.sleep(1000)
        yield 1

    with Scope("call") as scope:
        loop.call_later(3, scope.drain)
        began = loop.time()
        assert [part async for part in stream(idle())] == []
        assert loop.time() - began == pytest.approx(3 + DRAIN_GRACE, abs=0.01)


def test_an_event_may_say_what_it_carries() -> None:
    """`Event[T]` makes the same event on every Python."""
    assert Event[int](1) == Event(1)


async def test_a_generator_that_fails_once_nobody_listens_is_quiet() -> None:
    """The call is cancelled a second time while it waits for the end of the generator."""
    complaints = listen()

    async def stubborn() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(2)
            raise LookupError("gone")

    async def call() -> None:
        with Scope("call"):
            async for _ in stream(stubborn()):
                pass

    task = asyncio.create_task(call())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(5)
    assert task.cancelled()
    del task
    assert complaints() == []
