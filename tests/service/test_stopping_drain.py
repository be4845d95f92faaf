"""Facts about `mainstay.service.stopping`: what the drain waits for, and what it cuts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from mainstay import Background, Running, Scope, Service, Settings
from mainstay.errors import ShuttingDown
from mainstay.service.settings import ShutdownSettings
from tests.service.parts import (
    FOR_EVER,
    Events,
    begun,
    notes,
    now,
)


class TestDrain:
    async def test_calls_and_streams_are_told_when_it_begins(self) -> None:
        """A stream that would last for ever says goodbye and leaves: nothing is cut."""
        service = Service("s")

        @service.handler("feed")
        async def feed(scope: Scope) -> AsyncIterator[str]:
            yield "hello"
            await scope.wait_draining()
            yield "goodbye"

        @service.handler("thread")
        def thread(scope: Scope) -> str:
            while not scope.draining:
                scope.sleep(1)
            return "told"

        life = await begun(service)

        async def listen() -> list[str]:
            return [message async for message in life.stream("feed")]

        listening = asyncio.ensure_future(listen())
        calling = asyncio.ensure_future(life.call("thread"))
        await asyncio.sleep(5)
        report = await life.finish()
        assert await listening == ["hello", "goodbye"]
        assert await calling == "told"
        assert report.exit_code == 0
        assert now() <= 6

    async def test_a_task_of_a_worker_with_a_scope_of_its_own_ends_without_a_word(self) -> None:
        """It ends with the cause of its cancellation, as a stream of a channel does: no failure."""
        service = Service("s")

        async def follow() -> None:
            with Scope("stream"):
                await asyncio.sleep(FOR_EVER)

        @service.worker
        async def reader() -> None:
            await asyncio.wait([asyncio.create_task(follow(), name="stream")])

        life = await begun(service)
        await asyncio.sleep(1)
        report = await life.finish()
        assert (report.exit_code, report.failure, notes(report)) == (0, None, "")

    async def test_a_call_that_is_cut_says_why(self) -> None:
        """`ShuttingDown` to a caller in process: never a bare ``CancelledError``."""
        service = Service("s")

        @service.handler("call")
        async def hang() -> None:
            await asyncio.sleep(FOR_EVER)

        @service.handler("thread")
        def block(scope: Scope) -> None:
            scope.sleep(FOR_EVER)

        @service.handler("stream")
        async def feed() -> AsyncIterator[int]:
            yield 1
            await asyncio.sleep(FOR_EVER)

        life = await begun(service, Settings(call_timeout=None))

        async def listen() -> None:
            async for _ in life.stream("stream"):
                pass

        work = [life.call("call"), life.call("thread"), listen()]
        tasks = [asyncio.ensure_future(each) for each in work]
        await asyncio.sleep(1)
        report = await life.finish()
        await asyncio.wait(tasks)
        for task in tasks:
            assert isinstance(task.exception(), ShuttingDown)
        assert report.exit_code == 124
        assert "cut" in notes(report)

    async def test_calls_from_outside_are_refused_and_from_within_allowed(self) -> None:
        """What is begun may need other handlers to be finished, from calls, jobs, background and
        workers alike; new work goes elsewhere."""
        events = Events()
        service = Service("s")

        @service.handler("inner")
        async def inner(who: str) -> None:
            events(f"inner for {who}")

        @service.handler("outer")
        async def outer(life: Running, background: Background) -> None:
            background.start(late(life, "background", 4), "late")
            await late(life, "call", 2)

        async def late(life: Running, who: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            await life.call("inner", who)

        @service.worker(drain=True)
        async def work(life: Running) -> None:
            await late(life, "worker", 6)

        @service.every(1)
        async def tick(life: Running) -> None:
            await late(life, "job", 2)

        life = await begun(service)
        call = asyncio.ensure_future(life.call("outer"))
        await asyncio.sleep(1.5)
        ending = asyncio.ensure_future(life.finish())
        await asyncio.sleep(0.1)
        with pytest.raises(ShuttingDown, match="s is stopping and takes no new calls"):
            await life.call("inner", "outside")
        report = await ending
        await call
        assert set(events) == {f"inner for {w}" for w in ("call", "background", "worker", "job")}
        assert report.exit_code == 0

    async def test_work_that_begins_work_is_waited_for(self) -> None:
        """Background work may begin more of it while there is time."""
        events = Events()
        service = Service("s")

        async def step(background: Background, left: int) -> None:
            await asyncio.sleep(1)
            events(f"step {left}")
            if left:
                background.start(step(background, left - 1), f"step {left}")

        @service.handler("m")
        async def begin(background: Background) -> None:
            background.start(step(background, 3), "first")

        @service.worker(drain=True)
        async def work(scope: Scope, background: Background) -> None:
            await scope.wait_draining()
            await asyncio.sleep(6)
            background.start(step(background, 0), "by a worker")

        life = await begun(service)
        await life.call("m")
        report = await life.finish()
        assert events == ["step 3", "step 2", "step 1", "step 0", "step 0"]
        assert (report.exit_code, notes(report)) == (0, "")

    async def test_jobs_stop_first(self) -> None:
        """None is begun once the stop has begun; one that runs may end."""
        events = Events()
        service = Service("s")

        @service.every(1)
        async def tick() -> None:
            events(f"begin {now()}")
            await asyncio.sleep(2.5)
            events(f"end {now()}")

        life = await begun(service, Settings(shutdown=ShutdownSettings(pre_stop_delay=4)))
        await asyncio.sleep(1.5)
        report = await life.finish()
        assert events == ["begin 1.0", "end 3.5"]
        assert report.exit_code == 0

    async def test_workers_are_cancelled_after_the_last_call(self) -> None:
        """A call may depend on what a worker does: it goes on for as long as calls do."""
        events = Events()
        service = Service("s")
        beats: asyncio.Queue[float] = asyncio.Queue()

        @service.worker
        async def beat() -> None:
            while True:
                await asyncio.sleep(1)
                beats.put_nowait(now())

        @service.handler("m")
        async def count() -> None:
            for _ in range(5):
                events(str(await beats.get()))

        life = await begun(service)
        call = asyncio.ensure_future(life.call("m"))
        await asyncio.sleep(1.5)
        report = await life.finish()
        await call
        assert events == ["1.0", "2.0", "3.0", "4.0", "5.0"]
        assert report.exit_code == 0

    async def test_a_worker_that_ignores_the_drain_is_cut(self) -> None:
        """A worker said to end by itself that does not is cancelled at the end of the drain."""
        service = Service("s")

        @service.worker(drain=True)
        async def deaf() -> None:
            await asyncio.sleep(FOR_EVER)

        life = await begun(service)
        report = await life.finish()
        assert report.exit_code == 124
        assert "1 cut: deaf" in notes(report)
        assert now() == pytest.approx(16, abs=0.1)

    async def test_work_is_not_begun_after_its_end(self) -> None:
        """A stop hook that starts background work is told, and the work is not lost silently."""
        events = Events()
        service = Service("s")

        async def work() -> None:
            events("never")

        @service.on_stop
        async def late(background: Background) -> None:
            with suppress(ShuttingDown):
                background.start(work())
                events("never")

        life = await begun(service)
        assert (await life.finish()).exit_code == 0
        await asyncio.sleep(1)
        assert events == []
