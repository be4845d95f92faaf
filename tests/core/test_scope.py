"""What a scope is: a place in a tree that carries values, metadata and the way to its parents."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from math import inf

import pytest

from mainstay.core.effects import Effects
from mainstay.core.metadata import EMPTY, Metadata, Peer
from mainstay.core.scope import Key, Scope
from mainstay.core.threads import to_thread
from mainstay.core.wheel import TICK
from mainstay.errors import Cancelled, UsageError
from tests.core.moments import about, forever, nothing_left, now, turns

USER: Key[str] = Key("user")
LIMIT: Key[int | None] = Key("limit")


def test_a_root_needs_a_running_loop() -> None:
    """Outside of a loop a scope cannot be made, and the error says why."""
    with pytest.raises(UsageError, match="while an event loop is running"):
        Scope("lonely")


def test_outside_of_scopes_there_is_no_current_one() -> None:
    """`current` raises UsageError where `current_or_none` returns None."""
    context = contextvars.Context()
    assert context.run(Scope.current_or_none) is None
    with pytest.raises(UsageError, match="there is no scope here"):
        context.run(Scope.current)


async def test_the_current_scope_is_the_innermost_entered() -> None:
    """Making one changes nothing; entering does, and leaving restores what was before."""
    outer = Scope.current()
    inner = Scope("inner")
    assert Scope.current() is outer
    with inner as entered:
        assert entered is inner
        assert Scope.current() is inner
        assert inner.parent is outer
        assert outer.children() == [inner]
    assert Scope.current() is outer
    assert outer.children() == []


async def test_the_current_scope_is_restored_after_an_error() -> None:
    """Whatever ends the block, the scope before is current again."""
    with nothing_left():
        with pytest.raises(ZeroDivisionError), Scope():
            raise ZeroDivisionError
        with pytest.raises(KeyboardInterrupt), Scope():
            raise KeyboardInterrupt


async def test_a_scope_is_entered_once() -> None:
    """Entering again, inside or afterwards, is a UsageError and spoils nothing."""
    scope = Scope("once")
    with scope:
        with pytest.raises(UsageError, match=r"'once'.*entered already"), scope:
            pass
        assert Scope.current() is scope
        assert scope.children() == []
    with pytest.raises(UsageError, match="make a new scope"), scope:
        pass
    with pytest.raises(UsageError):
        scope.open()


async def test_a_parent_can_be_given() -> None:
    """The parent is the current scope unless another is named; None makes a root."""
    first, second = Scope("first"), Scope("second")
    with first, Scope("child", parent=second) as child:
        assert child.parent is second
        assert second.children() == [child]
        assert first.children() == []
        with Scope("root", parent=None) as root:
            assert root.parent is None
            assert root.remaining() == inf
    assert second.children() == []


async def test_metadata_and_peer_are_inherited_until_given() -> None:
    """A child has those of its parent, or its own; a root has neither."""
    peer, pairs = Peer("10.0.0.7:80"), Metadata([("x-request-id", "7")])
    root = Scope("root", parent=None)
    assert (root.metadata, root.peer) == (EMPTY, None)
    call = root.child("call")
    assert (call.metadata, call.peer) == (EMPTY, None)
    call = Scope(parent=root, metadata=pairs, peer=peer)
    below = call.child("below").child("further below")
    assert below.metadata is pairs
    assert below.peer is peer
    other = Scope(parent=call, metadata=EMPTY, peer=Peer("local"))
    assert other.metadata is EMPTY
    assert other.peer == Peer("local")


async def test_effects_come_from_the_root() -> None:
    """Everything below a root sees the world that the root was given."""
    effects = Effects(environ={"A": "b"})
    root = Scope(parent=None, effects=effects)
    assert root.child().child().effects is effects
    assert root.shield(1).effects is effects


async def test_a_value_is_seen_here_and_below() -> None:
    """A look-up walks up to the nearest scope that has the key; siblings see nothing."""
    top = Scope("top", parent=None)
    left, right = top.child("left"), top.child("right")
    top.set(USER, "ann")
    left.set(USER, "bob")
    assert top.get(USER) == right.get(USER) == "ann"
    assert left.child().child().get(USER) == "bob"
    assert left.shield(1).get(USER) == "bob"


async def test_a_value_of_none_is_a_value() -> None:
    """None that was set hides what is set above and the default."""
    top = Scope(parent=None)
    top.set(LIMIT, 5)
    below = top.child()
    assert below.get(LIMIT, 9) == 5
    below.set(LIMIT, None)
    assert below.get(LIMIT, 9) is None


async def test_a_missing_value_is_the_default() -> None:
    """Without a value the answer is the default, or None; a key is told by identity, not name."""
    scope = Scope(parent=None)
    assert scope.get(USER) is None
    assert scope.get(USER, "nobody") == "nobody"
    scope.set(Key[str]("user"), "somebody else's")
    assert scope.get(USER) is None
    assert repr(USER) == "Key('user')"


async def test_the_scope_follows_into_coroutines_generators_tasks_and_threads() -> None:
    """Code called from a scope finds that scope, or a child of it in a thread."""

    async def coroutine() -> Scope:
        await asyncio.sleep(0)
        return Scope.current()

    async def generator() -> AsyncIterator[Scope]:
        yield Scope.current()
        await asyncio.sleep(0)
        yield Scope.current()

    with Scope("call") as scope:
        assert await coroutine() is scope
        assert [each async for each in generator()] == [scope, scope]
        assert await asyncio.create_task(coroutine()) is scope
        in_thread = await to_thread(Scope.current)
        assert in_thread is not scope
        assert in_thread.parent is scope
        assert scope.children() == []


async def test_a_started_task_has_a_child_of_its_own() -> None:
    """`start` gives the task a scope below the one it was called on, wherever it is called."""
    other = Scope("other").open()

    async def work() -> Scope:
        return Scope.current()

    with Scope("here"):
        task = other.start(work(), "worker")
        assert [each.name for each in other.children()] == ["worker"]
        assert list(other.tasks()) == [task]
        scope = await task
    assert (scope.name, scope.parent) == ("worker", other)
    assert task.get_name() == "worker"
    await turns(1)
    assert other.children() == []
    other.close()


async def test_a_started_task_is_named_after_its_function() -> None:
    """Without a name, task and scope have that of the coroutine."""
    task = Scope.current().start(forever())
    assert task.get_name() == "forever"
    task.cancel()
    await asyncio.wait([task])


async def test_tasks_are_listed_once() -> None:
    """`tasks` gives every task at work below, shielded ones too, however many scopes it is in."""
    with Scope("top") as top, Scope("inner"), top.shield(5) as shield:
        task = shield.start(forever())
        mine = asyncio.current_task()
        assert sorted(map(id, top.tasks())) == sorted(map(id, [mine, task]))
        task.cancel()
        await asyncio.wait([task])


async def test_an_open_scope_holds_others_without_a_task() -> None:
    """What is opened is cancelled with its parent and closed at any time, twice too."""
    with Scope("service", parent=None) as service:
        held = service.child("listener").open()
        task = held.start(forever())
        service.cancel("over")
        with pytest.raises(asyncio.CancelledError):
            await forever()
        assert held.cancelled
        await asyncio.wait([task])
        assert task.cancelled()
        held.close()
        held.close()
        assert service.children() == []
        raise_nothing = service.cause
    assert isinstance(raise_nothing, Cancelled)


async def test_a_generator_closed_by_another_task_leaves_that_task_alone() -> None:
    """The scope inside a generator ends wherever it is closed; the closer stays where it is."""

    async def generator() -> AsyncGenerator[int, None]:
        with Scope("inside"):
            yield 1
            yield 2

    async def close_in_scope(opened: AsyncGenerator[int, None]) -> None:
        with Scope("closer") as closer:
            await opened.aclose()
            assert Scope.current() is closer

    opened = generator()
    assert await anext(opened) == 1
    await asyncio.create_task(close_in_scope(opened))
    assert Scope.current().children() == []


async def test_a_generator_that_is_forgotten_leaves_its_scope() -> None:
    """The loop closes a generator that nobody holds any more; no warning, no open scope."""
    held = []

    async def generator() -> AsyncIterator[int]:
        with Scope("forgotten") as scope:
            held.append(scope)
            yield 1

    async def begin() -> None:
        async for _ in generator():
            break

    await asyncio.create_task(begin())
    await turns(5)
    assert repr(held[0]).startswith("<Scope 'forgotten' left")
    assert Scope.current().children() == []


async def test_drain_reaches_everything_below_but_interrupts_nothing() -> None:
    """Draining is told to open scopes and to later ones, shielded ones too; work goes on."""
    with Scope("service") as service:
        assert not service.draining
        with Scope("worker") as worker, worker.shield(5) as shield:
            waiting = asyncio.create_task(worker.wait_draining())
            await turns()
            service.drain()
            service.drain()
            assert worker.draining
            assert shield.draining
            await waiting
            await worker.wait_draining()
            await asyncio.sleep(1)
        with Scope("late") as late:
            assert late.draining
        assert not service.cancelled
    assert not Scope.current().draining


@pytest.mark.real_loop
async def test_drain_can_be_asked_from_a_thread() -> None:
    """The loop's thread is the one to change the tree; `drain` may be called from any."""
    with Scope("service") as service:
        thread = threading.Thread(target=service.drain)
        thread.start()
        await service.wait_draining()
        thread.join()


async def test_a_drain_calls_back() -> None:
    """Once, in a turn of its own, early and late; not after the scope was left."""
    called: list[str] = []
    with Scope("service") as service:
        with Scope("call") as call:
            call.when_draining(lambda: called.append("call"))
        with Scope("worker") as worker:
            worker.when_draining(lambda: called.append("worker"))
            service.drain()
            assert called == []
            await turns()
            worker.when_draining(lambda: called.append("late"))
            await turns()
    assert called == ["worker", "late"]


async def test_a_scope_sets_coarse_timers() -> None:
    """Never early, at most a tick late; what is withdrawn is not called, and the end of the scope
    withdraws nothing."""
    loop = asyncio.get_running_loop()
    called: list[float] = []
    began = loop.time()
    with Scope("service"):
        with Scope("call") as call:
            call.call_later(5, lambda: called.append(loop.time() - began))
            call.call_later(5, lambda: called.append(0)).cancel()
        await asyncio.sleep(6)
    assert len(called) == 1
    assert 5 <= called[0] <= 5 + 2 * TICK


async def test_watchers_learn_the_cause() -> None:
    """`wait_cancelled` returns the cause, to any number of watchers, early and late."""
    watched = Scope("watched").open()
    cause = Cancelled("enough")
    watchers = [asyncio.create_task(watched.wait_cancelled()) for _ in range(3)]
    await turns()
    watchers[0].cancel()
    await turns()
    watched.cancel(cause)
    assert await asyncio.gather(*watchers[1:]) == [cause, cause]
    assert await watched.wait_cancelled() is cause
    assert watchers[0].cancelled()
    watched.close()


async def test_a_drain_does_not_wake_those_who_wait_for_the_cancellation() -> None:
    """The two conditions are waited for apart."""
    watched = Scope("watched").open()
    waiting = asyncio.create_task(watched.wait_cancelled())
    await turns()
    watched.drain()
    await turns()
    assert not waiting.done()
    watched.cancel("now")
    assert str(await waiting) == "now"
    watched.close()


async def test_the_repr_tells_the_state() -> None:
    """One line: name, state, and the time left if there is a limit."""
    scope = Scope("call", timeout=5)
    assert repr(scope) == "<Scope 'call' new remaining=5.000>"
    with scope:
        assert repr(scope) == "<Scope 'call' open remaining=5.000>"
        scope.drain()
        assert "draining" in repr(scope)
        scope.cancel()
        assert "cancelled" in repr(scope)
    with Scope("brief") as brief:
        pass
    assert repr(brief) == "<Scope 'brief' left>"


async def test_the_tree_may_be_deeper_than_the_stack() -> None:
    """A chain of 2,000 tasks, each below the one before, is drained, cancelled and waited for."""
    depth = 2000
    seen = []

    async def link(level: int) -> None:
        task = None
        if level:
            task = Scope.current().start(link(level - 1))
        try:
            await forever()
        finally:
            seen.append(Scope.current().cause)
            if task is not None:
                with Scope.current().shield(60):
                    await asyncio.wait([task])

    with pytest.raises(Cancelled, match="all of it"), Scope("top") as top:
        task = top.start(link(depth))
        await turns(depth + 5)
        top.drain()
        assert len(list(top.tasks())) == depth + 2
        top.cancel("all of it")
        try:
            await forever()
        finally:
            with top.shield(60):
                await asyncio.wait([task])
    assert len(seen) == depth + 1
    assert len(set(map(id, seen))) == 1
    assert now() == about(0)


async def test_a_task_is_held_by_the_scope_that_it_works_in() -> None:
    """And not by one that it only knows."""
    task = asyncio.current_task()
    assert task is not None
    with Scope() as scope:
        assert Scope.nearest() is scope
        assert scope.holds(task)
        other = asyncio.create_task(asyncio.sleep(0))
        assert not scope.holds(other)
        await other
    assert not scope.holds(task)
