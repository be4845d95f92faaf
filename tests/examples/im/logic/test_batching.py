"""Facts about what crosses together."""

from __future__ import annotations

import asyncio

import pytest

from examples.im import api
from examples.im.logic.batching import AT_ONCE, TOGETHER, Batching
from examples.im.logic.outcomes import outcome_of
from mainstay.errors import BrokenError, InvalidRequest, NotFound, Overloaded, Unimplemented


class Far:
    """Where batches go: it answers when it is told to, or at once."""

    def __init__(self) -> None:
        self.carried: list[list[api.Post | api.Mark]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def call(self, batch: api.Batch) -> api.Outcomes:
        self.carried.append([each.what for each in batch.items])
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return api.Outcomes([self._outcome(each.what) for each in batch.items])

    @staticmethod
    def _outcome(what: api.Post | api.Mark) -> api.Outcome:
        if what.conversation == 404:
            return outcome_of(NotFound("there is no conversation 404"))
        return api.Outcome(api.Posted(what.client_id) if isinstance(what, api.Post) else None)


def post(number: int, conversation: int = 1) -> api.Post:
    return api.Post(7, conversation, f"client-{number}", "hello")


async def test_one_goes_alone_and_at_once() -> None:
    """Nothing is waited for."""
    far = Far()
    batching = Batching(far.call)
    assert await batching.post(post(1)) == api.Posted("client-1")
    assert await batching.mark(api.Mark(7, 1, 2, 2)) == api.Done()
    assert far.carried == [[post(1)], [api.Mark(7, 1, 2, 2)]]


async def test_those_of_one_moment_go_together_in_their_order() -> None:
    """And each hears of its own."""
    far = Far()
    batching = Batching(far.call)
    found = await asyncio.gather(*(batching.post(post(number)) for number in range(50)))
    assert [each.client_id for each in found] == [f"client-{number}" for number in range(50)]
    assert far.carried == [[post(number) for number in range(50)]]


async def test_while_calls_are_on_their_way_the_next_one_gathers() -> None:
    """There are `AT_ONCE` of them, and one has `TOGETHER` items at most."""
    far = Far()
    far.open.clear()
    batching = Batching(far.call)
    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(batching.post(post(number)))
            await asyncio.sleep(0.01)
        for number in range(TOGETHER + 20):
            group.create_task(batching.post(post(AT_ONCE + number)))
        await asyncio.sleep(1)
        assert [len(each) for each in far.carried] == [1] * AT_ONCE
        far.open.set()
    assert [len(each) for each in far.carried] == [*[1] * AT_ONCE, TOGETHER, 20]
    said = [each for batch in far.carried for each in batch]
    assert said == [post(number) for number in range(AT_ONCE + TOGETHER + 20)]


async def test_a_refusal_is_that_of_one() -> None:
    """The others are stored."""
    batching = Batching(Far().call)
    found = await asyncio.gather(
        batching.post(post(1)),
        batching.post(post(2, conversation=404)),
        batching.post(post(3)),
        return_exceptions=True,
    )
    assert isinstance(found[1], NotFound)
    assert [found[0], found[2]] == [api.Posted("client-1"), api.Posted("client-3")]


async def test_a_call_that_fails_has_failed_for_all_and_the_next_one_goes() -> None:
    """Whoever is patient says it again."""
    far = Far()
    far.error = BrokenError("nobody answers")
    batching = Batching(far.call)
    found = await asyncio.gather(
        *(batching.post(post(number)) for number in range(3)), return_exceptions=True
    )
    assert [type(each) for each in found] == [BrokenError] * 3
    far.error = None
    assert await batching.post(post(4)) == api.Posted("client-4")


async def test_when_nobody_answers_those_who_wait_hear_of_it_too() -> None:
    """Each has patience of its own, which begins when something is said, and not when it departs."""

    async def silent(batch: api.Batch) -> api.Outcomes:
        await asyncio.sleep(5)
        raise BrokenError("nobody answers")

    loop = asyncio.get_running_loop()
    batching = Batching(silent)
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(TOGETHER * AT_ONCE + 50):

            async def say(number: int) -> None:
                with pytest.raises(BrokenError):
                    await batching.post(post(number))

            group.create_task(say(number))
            await asyncio.sleep(0.001)
    assert loop.time() - began <= 6


async def test_a_call_that_is_refused_is_refused_for_those_in_it() -> None:
    """Somebody answered: who waits behind it goes with the next one."""
    far = Far()
    far.open.clear()
    far.error = Overloaded("too much at once")
    batching = Batching(far.call)
    first = [asyncio.create_task(batching.post(post(number))) for number in range(TOGETHER)]
    others = [asyncio.create_task(batching.post(post(number))) for number in range(TOGETHER * 2)]
    await asyncio.sleep(0.01)
    assert len(far.carried) == AT_ONCE
    far.open.set()
    with pytest.raises(Overloaded):
        await first[0]
    far.error = None
    assert await others[-1] == api.Posted(f"client-{TOGETHER * 2 - 1}")
    await asyncio.gather(*first, *others, return_exceptions=True)


async def test_what_is_wrong_with_a_call_is_nobodys_fault() -> None:
    """A mistake that the gateway makes is none of the users that it carries; and each raises an error
    of its own."""

    async def picky(batch: api.Batch) -> api.Outcomes:
        raise InvalidRequest("what is that?")

    batching = Batching(picky)
    found = await asyncio.gather(
        *(batching.post(post(number)) for number in range(2)), return_exceptions=True
    )
    assert [type(each) for each in found] == [BrokenError] * 2
    assert found[0] is not found[1]
    assert isinstance(found[0], BrokenError)
    assert not found[0].retryable


async def test_a_logic_that_knows_no_batches_is_said_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As in a deployment that began with the gateways."""

    async def older(batch: api.Batch) -> api.Outcomes:
        raise Unimplemented("there is no method Batch")

    with pytest.raises(BrokenError):
        await Batching(older).post(post(1))
    assert "the logic is older than this gateway" in caplog.text


async def test_an_answer_that_misses_one_is_a_failure() -> None:
    """Nobody waits for ever, and nobody gets another one's outcome."""

    async def short(batch: api.Batch) -> api.Outcomes:
        return api.Outcomes([api.Outcome()] * (len(batch.items) - 1))

    with pytest.raises(BrokenError, match="what became of it"):
        await Batching(short).post(post(1))


async def test_who_leaves_has_said_it_all_the_same() -> None:
    """And keeps nobody else from hearing."""
    far = Far()
    far.open.clear()
    batching = Batching(far.call)
    leaving = asyncio.create_task(batching.post(post(1)))
    staying = asyncio.create_task(batching.post(post(2)))
    await asyncio.sleep(0.01)
    leaving.cancel()
    far.open.set()
    assert await staying == api.Posted("client-2")
    assert far.carried == [[post(1), post(2)]]
