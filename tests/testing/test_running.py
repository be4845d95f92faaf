"""Facts about `mainstay.testing.running`."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import Code, RpcError, UsageError
from mainstay.testing import FakeProcess, run


async def left_behind() -> asyncio.Task[None]:
    """Start a task that nobody waits for."""
    return asyncio.create_task(asyncio.sleep(3600), name="orphan")


def test_the_result_comes_back() -> None:
    """`run` returns what the coroutine returns."""

    async def main() -> str:
        await asyncio.sleep(1)
        return "answer"

    assert run(main()) == "answer"


def test_a_leaked_task_is_an_error_and_is_cancelled() -> None:
    """A task that outlives the coroutine is named in the error, and has ended."""
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        tasks.append(await left_behind())

    with pytest.raises(UsageError, match=r"task 'orphan'") as caught:
        run(main())
    assert caught.value.reason == "TASKS_LEAKED"
    assert tasks[0].cancelled()


def test_a_leak_does_not_hide_the_failure() -> None:
    """When the coroutine fails, its error comes out, with the leak as a note."""

    async def main() -> None:
        await left_behind()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(main())
    assert "'orphan'" in caught.value.__notes__[0]


@pytest.mark.parametrize("silent", [True, False])
def test_a_timeout_that_came_too_early_is_explained(silent: bool) -> None:
    """Where the clock has jumped although somebody outside may have been about to answer."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            loop = asyncio.get_running_loop()
            if not silent:
                await asyncio.wait_for(asyncio.Event().wait(), 3600)
            await asyncio.wait_for(loop.sock_recv(ours, 1), 3600)

    with pytest.raises(TimeoutError) as caught:
        run(main())
    notes = getattr(caught.value, "__notes__", [])
    assert [note for note in notes if "real_loop" in note] == notes
    assert bool(notes) is silent


def test_a_deadline_of_a_peer_is_explained_as_well() -> None:
    """It is no `TimeoutError` by its class; other failures are left as they are."""

    async def main(code: Code) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 1), 0.5)
            raise RpcError(code, "no answer")

    for code, notes in ((Code.DEADLINE_EXCEEDED, 1), (Code.NOT_FOUND, 0)):
        with pytest.raises(RpcError) as caught:
            run(main(code))
        assert len(getattr(caught.value, "__notes__", [])) == notes


def test_a_task_that_is_about_to_end_is_no_leak() -> None:
    """A task that needs no more than a few turns of the loop may outlive the coroutine."""

    async def main() -> None:
        asyncio.create_task(asyncio.sleep(0))  # noqa: RUF006

    run(main())


def test_the_scope_carries_the_virtual_world() -> None:
    """The root scope's effects are virtual: seed, environment and process are the given ones."""
    process = FakeProcess(pid=7)

    async def main() -> tuple[float, str, int]:
        effects = Scope.current().effects
        return effects.random.random(), effects.environ["NAME"], effects.process.pid()

    first = run(main(), seed=3, environ={"NAME": "value"}, process=process)
    assert first == run(main(), seed=3, environ={"NAME": "value"}, process=process)
    assert first[1:] == ("value", 7)


def test_another_loop_runs_in_real_time() -> None:
    """With a loop of asyncio's the time and the effects are real."""

    async def main() -> float:
        return Scope.current().effects.clock.monotonic()

    before = time.monotonic()
    assert before <= run(main(), loop_factory=asyncio.new_event_loop) <= time.monotonic()
