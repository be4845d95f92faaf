"""Facts about `mainstay.service.living`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from mainstay import Scope
from mainstay.errors import Cancelled, UsageError
from mainstay.service.living import Living
from mainstay.service.provider import provider_of
from tests.service.parts import FOR_EVER, Database
from tests.unseen import listen


def living(function: Callable[..., Any], **arguments: Any) -> Living:
    """`function` as an open resource of the test's scope."""
    return Living(provider_of(function), lambda scope: arguments, Scope.current())


async def test_it_lives_in_one_task() -> None:
    """A task group, a timeout and a scope around the ``yield`` begin and end in the same task."""
    tasks = []

    async def database() -> AsyncIterator[Database]:
        tasks.append(asyncio.current_task())
        async with asyncio.timeout(FOR_EVER), asyncio.TaskGroup() as group:
            with Scope("inner"):
                beat = group.create_task(asyncio.sleep(FOR_EVER))
                yield Database()
                beat.cancel()
        tasks.append(asyncio.current_task())

    resource = living(database)
    await resource.wait_open()
    assert isinstance(resource.value, Database)
    await resource.close()
    assert tasks == [resource.task, resource.task]


async def test_it_shows_its_state() -> None:
    """Open, closing, closed."""

    async def database() -> AsyncIterator[Database]:
        yield Database()
        await asyncio.sleep(1)

    resource = living(database)
    await resource.wait_open()
    assert repr(resource) == "<resource 'database' open>"
    resource.close()
    assert repr(resource) == "<resource 'database' closing>"
    assert resource.closing
    await resource.task
    assert repr(resource) == "<resource 'database' closed>"


async def test_a_failing_opening_is_raised() -> None:
    """As it is, to whoever waits for it."""

    async def database() -> Database:
        raise ValueError("no route")

    resource = living(database)
    with pytest.raises(ValueError, match="no route"):
        await resource.wait_open()


async def test_it_closes_although_nobody_waited_for_it_to_open() -> None:
    """`close` before the opening has ended waits for nothing: it opens, and closes at once."""
    events = []

    async def database() -> AsyncIterator[Database]:
        await asyncio.sleep(1)
        events.append("open")
        yield Database()
        events.append("close")

    await living(database).close()
    assert events == ["open", "close"]


async def test_one_that_ends_before_it_provides() -> None:
    """A resource that is cancelled from inside while it opens does not hang its opener."""

    async def database() -> Database:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return Database()

    with pytest.raises(UsageError, match="ended before it provided"):
        await living(database).wait_open()


async def test_its_end_ends_the_task() -> None:
    """A task group whose task fails ends the resource: `task` is done without `close`."""

    async def database() -> AsyncIterator[Database]:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail_later())
            yield Database()

    async def fail_later() -> None:
        await asyncio.sleep(5)
        raise ValueError("connection lost")

    resource = living(database)
    await resource.wait_open()
    await asyncio.wait([resource.task])
    assert not resource.closing
    assert isinstance(resource.task.exception(), ExceptionGroup)


@pytest.mark.parametrize("waits", [True, False])
async def test_a_failure_as_it_is_given_up_is_told_once(
    waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """By `wait_open` to whoever waits, else in the log; and never by the loop."""
    complaints = listen()

    async def database() -> Database:
        await asyncio.sleep(1)
        raise ValueError("no")

    resource = living(database)
    if waits:
        with pytest.raises(ValueError, match="no"):
            await resource.wait_open()
    else:
        await asyncio.wait([resource.task])
    await resource.abandon(Cancelled("nobody wants it"))
    await asyncio.sleep(0)
    told = [each.getMessage() for each in caplog.records]
    assert told == ([] if waits else ["resource 'database' failed after it was given up"])
    caplog.clear()
    del resource
    assert complaints() == []
