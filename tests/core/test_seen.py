"""Facts about `mainstay.core.seen`."""

import asyncio

import pytest

from mainstay.core.seen import failure_of, see
from tests.unseen import listen


@pytest.mark.parametrize("seen", [True, False])
async def test_the_loop_complains_of_what_nobody_has_seen(seen: bool) -> None:
    """And of nothing else."""
    complaints = listen()

    async def work() -> None:
        raise ValueError("no")

    task = asyncio.create_task(work())
    if seen:
        task.add_done_callback(see)
    await asyncio.wait([task])
    del task
    said = "Task exception was never retrieved: ValueError('no')"
    assert complaints() == ([] if seen else [said])


async def test_what_was_cancelled_or_went_well_has_nothing_to_show() -> None:
    """Asking a cancelled future for its exception would raise."""
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    see(cancelled)
    see(done)
    assert (failure_of(cancelled), failure_of(done)) == (None, None)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(error := ValueError("no"))
    assert failure_of(failed) is error
