"""Facts about `mainstay.service.probes`."""

import asyncio

import pytest

from mainstay.service.probes import Check, ask
from tests.service.parts import FOR_EVER, Stubborn, now, released


async def good() -> None:
    """Works after a second."""
    await asyncio.sleep(1)


async def bad() -> None:
    """Does not."""
    raise ConnectionError("db:5432 refused")


async def hanging() -> None:
    """Does not answer."""
    await asyncio.sleep(FOR_EVER)


async def test_without_checks_all_is_well() -> None:
    """Nothing fails."""
    result = await ask("ready", [], 1)
    assert result.ok
    assert result.checks == ()


async def test_one_failure_is_enough() -> None:
    """Every check is answered all the same, by name and in order, with its reason and its time."""
    result = await ask("ready", [Check("a", good), Check("b", bad), Check("c", good)], 5)
    assert not result.ok
    assert [(each.name, each.ok, each.reason) for each in result.checks] == [
        ("a", True, ""),
        ("b", False, "ConnectionError: db:5432 refused"),
        ("c", True, ""),
    ]
    assert [each.seconds for each in result.checks] == [1, 0, 1]


async def test_checks_are_asked_at_once_each_with_a_timeout() -> None:
    """Many that hang take no longer than one; the others are not lost."""
    checks = [Check(f"hanging {number}", hanging) for number in range(10)]
    result = await ask("live", [*checks, Check("good", good)], 2)
    assert now() == pytest.approx(2, abs=0.1)
    assert [each.ok for each in result.checks] == [False] * 10 + [True]
    assert result.checks[0].reason == "no answer within 2 s"


async def test_a_check_s_own_timeout_is_its_failure() -> None:
    """A `TimeoutError` of a driver is not taken for ours."""

    async def slow() -> None:
        async with asyncio.timeout(1):
            await hanging()

    result = await ask("ready", [Check("slow", slow)], 5)
    assert result.checks[0].reason.startswith("TimeoutError")


async def test_a_check_whose_work_was_cancelled_has_failed() -> None:
    """A ``CancelledError`` from something it waits for is an answer, and not the end of asking."""

    async def stray() -> None:
        raise asyncio.CancelledError

    result = await ask("ready", [Check("stray", stray), Check("good", good)], 5)
    assert [each.ok for each in result.checks] == [False, True]
    assert result.checks[0].reason


async def test_one_that_swallows_cancellation_does_not_hold_the_answer() -> None:
    """A ping that never ends is reported in time."""
    async with released(Stubborn()) as stubborn:
        result = await ask("ready", [Check("stubborn", stubborn.hold), Check("good", good)], 2)
        assert [each.ok for each in result.checks] == [False, True]
        assert now() < 4


async def test_whoever_asks_may_leave() -> None:
    """The checks are cancelled with the asking."""
    asking = asyncio.ensure_future(ask("ready", [Check("hanging", hanging)], FOR_EVER))
    await asyncio.sleep(1)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
