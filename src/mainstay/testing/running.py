"""Run a coroutine to its end in a world of its own, and leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from mainstay.core.effects import Effects, Process
from mainstay.core.scope import Scope
from mainstay.core.stacks import task_stack
from mainstay.errors import Code, Error, UsageError
from mainstay.testing.clock import VirtualLoop
from mainstay.testing.effects import virtual_effects

__all__ = ["run"]

T = TypeVar("T")

_EMPTY: Mapping[str, str] = MappingProxyType({})

_OUTRAN: Final = (
    "the clock of this test is virtual (mainstay.testing), and has jumped while a socket or a pipe "
    "was silent: it does not see what other processes and a driver's own threads do; mark a test "
    "that waits for them with real_loop"
)

# How many turns of the loop a task that has nothing to wait for may take to end after the main one.
_TURNS = 10


def run(
    main: Coroutine[Any, Any, T],
    *,
    name: str = "test",
    seed: int = 0,
    environ: Mapping[str, str] = _EMPTY,
    process: Process | None = None,
    effects: Effects | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop,
) -> T:
    """Run `main` on a fresh loop, in a root scope, and return its result.

    On the `VirtualLoop` the scope's effects are `virtual_effects`, made from `seed`, `environ` and
    `process`; on another loop they are the real ones. `effects` replaces them all.

    Args:
        main: what to run.
        name: of the root scope.
        seed: of the source of randomness.
        environ: the environment variables.
        process: what to signal; a `FakeProcess` unless given.
        effects: the whole world, instead of the three above.
        loop_factory: makes the loop; give another one to run in real time.

    Raises: what `main` raises; UsageError TASKS_LEAKED when tasks that `main` started outlive it
    (they are cancelled); UsageError DEADLOCK, on the virtual loop, when nothing can happen any
    more.
    """
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        if effects is None and isinstance(loop, VirtualLoop):
            effects = virtual_effects(loop, seed=seed, environ=environ, process=process)
        return runner.run(_in_scope(main, name, effects))


async def _in_scope(main: Coroutine[Any, Any, T], name: str, effects: Effects | None) -> T:
    before = asyncio.all_tasks()
    try:
        with Scope(name, parent=None, effects=effects):
            result = await main
    except BaseException as error:
        leaked = await _end_tasks(before)
        if leaked:
            error.add_note(f"tasks were left behind as well:\n{leaked}")
        loop = asyncio.get_running_loop()
        if _is_late(error) and isinstance(loop, VirtualLoop) and loop.outran:
            error.add_note(_OUTRAN)
        raise
    leaked = await _end_tasks(before)
    if leaked:
        raise UsageError(
            f"whoever starts a task waits for it, but these were left behind:\n{leaked}",
            reason="TASKS_LEAKED",
        )
    return result


def _is_late(error: BaseException) -> bool:
    late = isinstance(error, Error) and error.code is Code.DEADLINE_EXCEEDED
    return late or isinstance(error, TimeoutError)


async def _end_tasks(before: set[asyncio.Task[Any]]) -> str:
    """Cancel what is left and wait for its end; returns their stacks."""
    left = asyncio.all_tasks() - before
    for _ in range(_TURNS):
        if not left:
            return ""
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - before
    if not left:
        return ""
    leaked = "\n".join(map(task_stack, left))
    for task in left:
        task.cancel()
    await asyncio.wait(left, timeout=1)
    return leaked
