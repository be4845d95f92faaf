"""Facts about `examples.im.gateway.patience`."""

from __future__ import annotations

import asyncio

import pytest

from examples.im.gateway.patience import patiently
from mainstay.errors import BrokenError, NotFound, Overloaded
from mainstay.rpc import Code, DeadlineExceededFailure, RpcFailed, UnavailableFailure


class Oracle:
    """Fails some times, and then answers."""

    def __init__(self, error: Exception, times: int = 3) -> None:
        self.error = error
        self.asked = 0
        self._times = times

    async def __call__(self) -> int:
        self.asked += 1
        if self.asked <= self._times:
            raise self.error
        return 42


def failed(kind: type[RpcFailed], code: Code) -> RpcFailed:
    error = kind("nobody answers")
    assert error.code is code
    return error


@pytest.mark.parametrize(
    "error",
    [
        BrokenError("away"),
        failed(UnavailableFailure, Code.UNAVAILABLE),
        failed(DeadlineExceededFailure, Code.DEADLINE_EXCEEDED),
    ],
)
async def test_who_is_away_is_asked_again(error: Exception) -> None:
    """Soon, as most absences are short."""
    oracle = Oracle(error)
    assert await patiently(oracle, 10) == 42
    assert asyncio.get_running_loop().time() < 1


@pytest.mark.parametrize("error", [NotFound("no"), Overloaded("not so fast"), ValueError("bug")])
async def test_an_answer_is_an_answer(error: Exception) -> None:
    """A no is told at once."""
    oracle = Oracle(error)
    with pytest.raises(type(error)):
        await patiently(oracle, 10)
    assert oracle.asked == 1


async def test_patience_has_an_end() -> None:
    """The last failure is raised within the time, and the pauses keep the number of questions low."""
    oracle = Oracle(BrokenError("away"), times=1000)
    with pytest.raises(BrokenError):
        await patiently(oracle, 10)
    assert 8 < asyncio.get_running_loop().time() <= 10
    assert oracle.asked < 25
