"""The tree of lifetimes against random programs: nested at will with asyncio's own, struck at any moment.

The moments lie on a coarse grid, so that deadlines, timeouts, failures and cancellations often come
in the same instant. Each seed is one program; the laws below hold for all.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from mainstay.core.group import Group
from mainstay.core.scope import Scope
from mainstay.errors import Cancelled, DeadlineExceeded
from tests.core.moments import me, now, turns

SEEDS = 150


class Planned(Exception):
    """What a body raises by plan."""


Around = tuple[Callable[[], bool], ...]
"""For everything that a piece of code is in: whether it wants the code to end."""


class Program:
    """One random program, which checks the laws wherever it can."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.struck: set[asyncio.Task[object]] = set()
        self.scopes: list[Scope] = []
        self.broken: list[str] = []

    def moment(self) -> float:
        return self.chance.randrange(12) * 0.25

    async def blocks(self, depth: int, around: Around) -> None:
        for _ in range(self.chance.randrange(1, 3)):
            await self.block(depth, around)

    async def block(self, depth: int, around: Around) -> None:
        """One random block; it leaves nothing behind, however it ends."""
        task, scope, before = me(), Scope.current(), me().cancelling()
        kinds = [self.scope, self.shield, self.timeout, self.group, self.body]
        if sys.version_info >= (3, 13):
            # Before, it left its own request on a task that failed while it was cancelled.
            kinds.append(self.task_group)
        try:
            await self.chance.choice(kinds if depth else [self.body])(depth - 1, around)
        except asyncio.CancelledError:
            if not (task in self.struck or any(wants() for wants in around)):
                self.broken.append("a cancellation came out that nobody around had asked for")
            raise
        finally:
            if Scope.current() is not scope:
                self.broken.append("a scope stayed current")
            wanted = task in self.struck or any(wants() for wants in around)
            if task.cancelling() != before and not wanted:
                self.broken.append("a request stayed on the task")

    async def body(self, depth: int, around: Around) -> None:
        """Wait, fail, swallow, cancel something, or nothing at all."""
        kind = self.chance.randrange(7)
        if kind == 0:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(self.moment())
        elif kind == 1:
            await asyncio.sleep(self.moment())
            raise Planned
        elif kind == 2 and self.scopes:
            self.chance.choice(self.scopes).cancel("by a body")
        elif kind == 3:
            try:
                await asyncio.sleep(self.moment())
            finally:
                await asyncio.sleep(0.1)
        else:
            await asyncio.sleep(self.moment())

    async def scope(self, depth: int, around: Around) -> None:
        parent = self.chance.choice([*self.scopes[-2:], Scope.current(), Scope.current()])
        scope = Scope(timeout=self.chance.choice([None, self.moment()]), parent=parent)
        self.scopes.append(scope)
        with suppress(Cancelled, DeadlineExceeded), scope:
            await self.blocks(depth, (*around, lambda: scope.cancelled))

    async def shield(self, depth: int, around: Around) -> None:
        shield = Scope.current().shield(2)
        self.scopes.append(shield)
        with suppress(DeadlineExceeded, Cancelled), shield:
            await self.blocks(depth, (*around, lambda: shield.cancelled))

    async def timeout(self, depth: int, around: Around) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.moment()) as timeout:
                # The loop fires timers that are due within the resolution of its clock.
                ends = (timeout.when() or 0.0) - 1e-6
                await self.blocks(depth, (*around, lambda: now() >= ends))

    async def group(self, depth: int, around: Around) -> None:
        with suppress(Cancelled, DeadlineExceeded):
            async with Group(timeout=self.chance.choice([None, self.moment()])) as group:
                self.scopes.append(group.scope)
                around = (*around, lambda: group.scope.cancelled)
                for _ in range(self.chance.randrange(3)):
                    group.start(self.blocks(depth, around))
                await self.blocks(depth, around)

    async def task_group(self, depth: int, around: Around) -> None:
        failed, task = False, me()

        async def child() -> None:
            nonlocal failed
            try:
                await self.blocks(depth, around)
            except Exception:
                failed = True
                raise

        with suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                around = (*around, lambda: failed or task in self.struck)
                for _ in range(self.chance.randrange(3)):
                    group.create_task(child())
                await child()

    async def main(self) -> None:
        """The whole; afterwards the task has the requests of others only."""
        scope = Scope.current()
        try:
            await self.blocks(4, (lambda: scope.cancelled,))
        finally:
            if me().cancelling() != int(me() in self.struck):
                self.broken.append("a request stayed on the main task")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        main: asyncio.Task[object] = Scope.current().start(self.main(), "main")
        if self.chance.random() < 0.5:
            loop.call_later(self.moment(), self._strike, main)
        for _ in range(self.chance.randrange(3)):
            loop.call_later(self.moment(), self._cancel_some_scope)
        await asyncio.wait([main])
        if main.cancelled():
            assert main in self.struck, "the task ended as cancelled and nobody had asked"
        else:
            assert isinstance(main.exception(), Planned | Cancelled | DeadlineExceeded | None)

    def _strike(self, task: asyncio.Task[object]) -> None:
        """Cancel a task as code that knows nothing of scopes does."""
        if not task.done():
            self.struck.add(task)
            task.cancel()

    def _cancel_some_scope(self) -> None:
        if self.scopes:
            self.chance.choice(self.scopes).cancel("by a callback")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_random_program_keeps_the_laws(seed: int) -> None:
    """No request stays on a task, no scope stays current or open, nothing fires early or hangs,
    and a task is cancelled only if somebody asked."""
    program = Program(seed)
    await program.run()
    await turns(5)
    assert program.broken == []
    assert asyncio.all_tasks() == {me()}
    assert me().cancelling() == 0
    assert Scope.current().children() == []
    assert len(Scope.current()._runtime.wheel) == 0
    assert now() < 600
