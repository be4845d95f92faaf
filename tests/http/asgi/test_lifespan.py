"""Mounted applications start and stop with whoever mounts them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from mainstay.errors import BrokenError
from mainstay.http.asgi.lifespan import lifespan
from mainstay.http.asgi.types import AsgiScope, Receive, Send
from tests.unseen import listen


def fastapi_app(happened: list[str], *, start: bool = True, stop: bool = True) -> FastAPI:
    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        if not start:
            raise ValueError("no database at hand")
        happened.append("start")
        yield {"answer": 42}
        if not stop:
            raise ValueError("could not flush")
        happened.append("stop")

    return FastAPI(lifespan=life)


async def test_an_application_starts_and_stops_with_the_block() -> None:
    """Its state is there in between."""
    happened: list[str] = []
    async with lifespan(fastapi_app(happened)) as state:
        assert (happened, state) == (["start"], {"answer": 42})
    assert happened == ["start", "stop"]


async def test_a_failed_start_says_why() -> None:
    """The message is the last line of the application's, and the cause is its error."""
    with pytest.raises(BrokenError, match="could not start: ValueError: no database") as caught:
        async with lifespan(fastapi_app([], start=False)):
            raise AssertionError
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_failed_stop_says_why() -> None:
    """It raises at the end of the block."""
    with pytest.raises(BrokenError, match="could not stop: ValueError: could not flush"):
        async with lifespan(fastapi_app([], stop=False)):
            pass


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("raises", [True, False])
async def test_an_application_without_a_lifespan_is_fine(
    reads: bool, raises: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it raises or returns; one that took the message before it raised gets a warning."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if reads:
            await receive()
        if raises:
            raise KeyError("path")

    with caplog.at_level(logging.WARNING, "mainstay.http"):
        async with lifespan(app) as state:
            assert state == {}
    assert bool(caplog.records) == (reads and raises)


async def test_an_application_that_answers_as_if_asked_for_a_page_is_fine() -> None:
    """A message that has no place here counts as no lifespan."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    async with lifespan(app) as state:
        assert state == {}


async def test_an_application_that_leaves_early_is_not_told_to_stop() -> None:
    """It may return right after its start."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})

    async with lifespan(app):
        await asyncio.sleep(1)


async def test_an_error_between_start_and_stop_is_told_at_the_end() -> None:
    """It raised where it should have waited, or after its last word."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        raise RuntimeError("one more thing")

    with pytest.raises(BrokenError, match="one more thing"):
        async with lifespan(app):
            pass


async def test_a_start_that_is_cancelled_ends_the_application() -> None:
    """No task is left behind (the test would fail by it)."""
    ended = asyncio.Event()

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), lifespan(app):
            raise AssertionError
    assert ended.is_set()


async def test_what_fails_as_its_start_is_cancelled_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the log, for nobody else asks."""
    complaints = listen()

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            raise RuntimeError("no")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), lifespan(app):
            raise AssertionError
    assert [each.getMessage() for each in caplog.records] == [
        "the ASGI application failed as it was given up"
    ]
    caplog.clear()
    assert complaints() == []


async def test_what_fails_while_it_should_wait_is_told_at_the_end() -> None:
    """It was to wait for the word to stop, and had an error instead."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise RuntimeError("no")

    with pytest.raises(BrokenError, match="'no'"):
        async with lifespan(app):
            await asyncio.sleep(1)
