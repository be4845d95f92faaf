"""Resources of a call close when nobody needs them any more, whatever becomes of the reply."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay import Call, Scope
from mainstay.service.binding import CallResources
from mainstay.service.container import Container
from mainstay.service.held import Held
from mainstay.service.provider import provider_of
from tests.service.parts import Events, Session
from tests.unseen import listen


def make(events: Events) -> tuple[Held, Any]:
    """One resource that notes its life, and its provider."""

    async def session() -> AsyncIterator[Session]:
        events("open")
        try:
            yield Session()
        except BaseException as error:
            events(f"told of {type(error).__name__}")
            raise
        finally:
            events("closed")

    provider = provider_of(session, lifetime="call")
    container = Container([provider], {})
    return Held(CallResources(Call("http", "x", Scope.current()), container)), provider


async def parts(events: Events, *, fails: bool = False) -> AsyncIterator[bytes]:
    """A body of two parts."""
    try:
        yield b"a"
        if fails:
            raise ValueError("boom")
        yield b"b"
    finally:
        events("body ended")


async def test_without_a_body_it_closes_with_its_block() -> None:
    """As any context manager."""
    events = Events()
    held, provider = make(events)
    async with held:
        await held.open(provider)
        await held.open(provider)
    assert events == ["open", "closed"]


async def test_with_a_body_it_closes_at_its_end() -> None:
    """Once, however often it is asked."""
    events = Events()
    held, provider = make(events)
    async with held:
        await held.open(provider)
        body = held.until_the_end_of(parts(events))
    assert [part async for part in body] == [b"a", b"b"]
    await held.close()
    assert events == ["open", "body ended", "closed"]


async def test_a_failure_of_the_body_is_told() -> None:
    """So that the resource can roll back."""
    events = Events()
    held, provider = make(events)
    async with held:
        await held.open(provider)
        body = held.until_the_end_of(parts(events, fails=True))
    with pytest.raises(ValueError, match="boom"):
        [part async for part in body]
    assert events == ["open", "body ended", "told of ValueError", "closed"]


async def test_a_body_that_is_left_early_ends_both() -> None:
    """The body first, since it uses the resource; what made the reader leave is told."""
    events = Events()
    held, provider = make(events)
    async with held:
        await held.open(provider)
        body = held.until_the_end_of(parts(events))

    async def read() -> None:
        try:
            async for _ in body:
                raise ConnectionError("the peer left")
        finally:
            await body.aclose()  # type: ignore[attr-defined]

    with pytest.raises(ConnectionError):
        await read()
    assert events == ["open", "body ended", "told of ConnectionError", "closed"]


async def test_a_failure_after_the_body_was_made_closes_at_once() -> None:
    """There will be no reply."""
    events = Events()
    held, provider = make(events)
    with pytest.raises(ValueError, match="later"):
        async with held:
            await held.open(provider)
            held.until_the_end_of(parts(events))
            raise ValueError("later")
    assert events[-1] == "closed"


async def test_a_body_that_nobody_sends_closes_when_it_is_dropped() -> None:
    """Middleware may put another reply in its place."""
    events = Events()
    held, provider = make(events)
    async with held:
        await held.open(provider)
        body = held.until_the_end_of(parts(events))
    del body, held
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert events == ["open", "closed"]


async def test_a_failure_to_close_what_was_thrown_away_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody is left to be told."""
    complaints = listen()

    async def session() -> AsyncIterator[Session]:
        yield Session()
        raise ValueError("no")

    provider = provider_of(session, lifetime="call")
    held = Held(CallResources(Call("http", "x", Scope.current()), Container([provider], {})))
    async with held:
        await held.open(provider)
        body = held.until_the_end_of(parts(Events()))
    del body, held
    gc.collect()
    await asyncio.sleep(1)
    assert [each.getMessage() for each in caplog.records] == [
        "the resources of a reply nobody sent failed to close"
    ]
    caplog.clear()
    assert complaints() == []
