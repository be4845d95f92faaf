"""100,000 scopes leave nothing behind: no timer, no child, no object, no memory."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from mainstay.core.group import Group
from mainstay.core.scope import Key, Scope
from mainstay.core.threads import to_thread
from mainstay.errors import Cancelled, DeadlineExceeded
from tests.core.conftest import PATIENCE
from tests.core.moments import forever, me, turns

USER: Key[str] = Key("user")


async def plain() -> Scope:
    with Scope("plain") as scope:
        return scope


async def nested() -> Scope:
    with Scope("outer") as scope, Scope("inner"), Scope("innermost"):
        scope.set(USER, "ann")
    return scope


async def with_deadlines() -> Scope:
    # Distinct deadlines, far and near, so that each has a slot of its own in the wheel.
    with_deadlines.far += 1.0  # type: ignore[attr-defined]
    with Scope("far", timeout=with_deadlines.far) as scope, Scope("near", timeout=1):  # type: ignore[attr-defined]
        return scope


with_deadlines.far = 1000.0  # type: ignore[attr-defined]


async def expired() -> Scope:
    with suppress(DeadlineExceeded), Scope("expired", timeout=0.001) as scope:
        await forever()
    return scope


async def cancelled() -> Scope:
    with suppress(Cancelled), Scope("cancelled", timeout=9) as scope:
        scope.cancel()
        await forever()
    return scope


async def failed() -> Scope:
    with suppress(ZeroDivisionError), Scope("failed", timeout=9) as scope:
        raise ZeroDivisionError
    return scope


async def shielded() -> Scope:
    with suppress(Cancelled), Scope("shielded") as scope:
        scope.cancel()
        with scope.shield(5):
            await asyncio.sleep(0)
        await forever()
    return scope


async def with_task() -> Scope:
    with Scope("parent", timeout=9) as scope:
        await scope.start(asyncio.sleep(0))
    return scope


async def with_orphan() -> Scope:
    with Scope("parent", timeout=9) as scope:
        task = scope.start(asyncio.sleep(0))
    await task
    return scope


async def with_group() -> Scope:
    with suppress(Cancelled):
        async with Group(timeout=9) as group:
            group.start(asyncio.sleep(0))
            group.start(forever())
            group.scope.cancel()
    return group.scope


KINDS: dict[Callable[[], Awaitable[Scope]], int] = {
    plain: 100_000,
    nested: 30_000,
    with_deadlines: 50_000,
    failed: 20_000,
    cancelled: 10_000,
    expired: 10_000,
    shielded: 10_000,
    with_task: 10_000,
    with_orphan: 10_000,
    with_group: 5_000,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_scopes_leave_nothing_behind(kind: Callable[[], Awaitable[Scope]]) -> None:
    """Made, used and left by the ten thousand: the objects of the process are as many as before."""
    here = Scope.current()
    for _ in range(100):
        await kind()
    watched = weakref.ref(await kind())
    await turns(5)
    gc.collect()
    assert watched() is None
    before = (len(gc.get_objects()), sys.getallocatedblocks())
    for _ in range(KINDS[kind]):
        await kind()
    await turns(5)
    gc.collect()
    after = (len(gc.get_objects()), sys.getallocatedblocks())
    assert after[0] - before[0] < 100
    assert after[1] - before[1] < 2000
    assert here.children() == []
    assert len(here._runtime.wheel) == 0
    assert me().cancelling() == 0
    assert Scope.current() is here


async def test_a_scope_without_an_error_needs_no_garbage_collector() -> None:
    """Scopes and tasks that end well are freed at once, by counting references."""
    gc.collect()
    gc.disable()
    try:
        for kind in (plain, nested, with_deadlines, with_task):
            watched = weakref.ref(await kind())
            await turns(3)
            assert watched() is None, kind.__name__
    finally:
        gc.enable()


async def test_threads_leave_no_scope_behind() -> None:
    """A function in a thread has had a scope, which is gone a moment after it: the thread holds the
    scope until it has told of the end."""
    seen: list[weakref.ref[Scope]] = []

    def work() -> None:
        seen.append(weakref.ref(Scope.current()))
        with Scope(timeout=9):
            pass

    for _ in range(20):
        await to_thread(work)
    async with asyncio.timeout(PATIENCE):
        while any(each() is not None for each in seen):
            await turns(5)
            gc.collect()
    assert len(seen) == 20
    assert Scope.current().children() == []
    assert len(Scope.current()._runtime.wheel) == 0


async def test_watchers_leave_nothing_on_the_watched() -> None:
    """Who stops waiting for a drain or a cancellation is forgotten."""
    here = Scope.current()
    for _ in range(1000):
        for waiting in (here.wait_draining(), here.wait_cancelled()):
            task = asyncio.create_task(waiting)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
    assert here._waiters == []


async def test_the_memory_of_the_process_is_flat() -> None:
    """A hundred thousand scopes with distinct far deadlines do not raise its high-water mark."""
    for _ in range(5000):
        await with_deadlines()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100_000):
        await with_deadlines()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 8 * (1024 if sys.platform != "darwin" else 1024**2)
