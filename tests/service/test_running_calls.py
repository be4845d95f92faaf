"""Facts about `mainstay.service.running`: calls in process, and probes."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from mainstay import Background, Effects, Metadata, Running, Scope, Service, Settings
from mainstay.core.threads import THREADS
from mainstay.errors import (
    DeadlineExceeded,
    Unimplemented,
)
from mainstay.service.settings import ShutdownSettings
from tests.service.parts import (
    FOR_EVER,
    Cache,
    Database,
    Events,
    FakeServer,
    make,
    now,
    resource,
    running,
    within,
)


class TestCalls:
    async def test_values_that_everyone_can_ask_for(self) -> None:
        """The settings, the effects, the life itself, the background."""
        service = Service("s")

        @service.handler("m")
        async def ask(
            settings: Settings, effects: Effects, life: Running, background: Background
        ) -> list[object]:
            return [settings, effects, life, background]

        settings = within(5)
        async with running(service, settings=settings) as life:
            got = await life.call("m")
        assert got[:3] == [settings, Scope.current().effects, life]

    async def test_the_tighter_deadline_counts(self) -> None:
        """The caller's or the call's own."""
        service = Service("s")

        @service.handler("m")
        async def ask(scope: Scope) -> float:
            return scope.remaining()

        @service.handler("thread")
        def block(scope: Scope) -> None:
            scope.sleep(FOR_EVER)

        async with running(service) as life:
            assert await life.call("m") == 30
            assert await life.call("m", timeout=60) == 60
            with Scope("caller", timeout=9):
                assert await life.call("m") == 9
                assert await life.call("m", timeout=5) == 5
                assert await life.call("m", timeout=15) == 9
            with pytest.raises(DeadlineExceeded, match="3 s"):
                await life.call("thread", timeout=3)
            says = pytest.raises(DeadlineExceeded, match="'caller' was given 2 s")
            with says, Scope("caller", timeout=2):
                await life.call("thread")

    async def test_metadata_and_peer_come_along(self) -> None:
        """As they would from any transport."""
        service = Service("s")

        @service.handler("m")
        async def ask(scope: Scope) -> list[object]:
            assert scope.peer is not None
            return [scope.metadata, scope.peer.address]

        metadata = Metadata([("user", "ada")])
        async with running(service) as life:
            assert await life.call("m", metadata=metadata) == [metadata, "local"]

    async def test_streams(self) -> None:
        """Out, in, and both ways; a single message is also the request."""
        service = Service("s")

        @service.handler("count")
        async def count(number: int) -> AsyncIterator[int]:
            for each in range(number):
                yield each

        @service.handler("total")
        async def total(numbers: AsyncIterator[int]) -> int:
            return sum([each async for each in numbers])

        @service.handler("double")
        async def double(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
            async for each in numbers:
                yield 2 * each

        async with running(service) as life:
            assert [each async for each in life.stream("count", 3)] == [0, 1, 2]
            assert [each async for each in life.stream("total", 1, 2, 3)] == [6]
            assert [each async for each in life.stream("double", 1, 2, 3)] == [2, 4, 6]
            assert life.in_flight == 0

    async def test_a_stream_has_a_deadline_if_it_is_given_one(self) -> None:
        """And its end is the caller's `DeadlineExceeded`, not a bare cancellation."""
        service = Service("s")

        @service.handler("feed")
        async def feed() -> AsyncIterator[int]:
            yield 1
            await asyncio.sleep(FOR_EVER)

        async with running(service) as life:
            got = []
            with pytest.raises(DeadlineExceeded, match="'feed' was given 5 s"):
                async for each in life.stream("feed", timeout=5):
                    got.append(each)  # noqa: PERF401 - the error comes in between
            assert got == [1]
            assert life.in_flight == 0

    async def test_unknown_methods_in_both_shapes(self) -> None:
        """Unary and streaming."""
        async with running(Service("s")) as life:
            with pytest.raises(Unimplemented):
                await life.call("m")
            with pytest.raises(Unimplemented):
                async for _ in life.stream("m"):
                    raise AssertionError

    async def test_a_server_s_calls_are_part_of_the_service(self) -> None:
        """They are counted, waited for, and have its default deadline and values."""
        events = Events()
        server = FakeServer(events)
        service = Service("s")
        service.add_server(server)

        @service.handler("m")
        async def ask(seconds: float, scope: Scope) -> float:
            await asyncio.sleep(seconds)
            return scope.remaining()

        life = make(service)
        await life.start()
        call = asyncio.ensure_future(server.call("m", 5))
        await asyncio.sleep(1)
        assert life.in_flight == 1
        report = await life.finish()
        assert call.result() == 25
        assert report.exit_code == 0

    @pytest.mark.real_loop
    async def test_threads_are_bounded(self) -> None:
        """`Settings.threads` blocking handlers at a time; the others wait their turn."""
        service = Service("s")
        release = threading.Event()

        @service.handler("m")
        def block() -> None:
            release.wait(60)

        async with service.running(settings=Settings(threads=3)) as life:
            calls = asyncio.gather(*(life.call("m") for _ in range(9)))
            pool = life.scope.get(THREADS)
            assert pool is not None
            seen = pool.statistics()
            while (len(seen.running), seen.queued) != (3, 6):
                await asyncio.sleep(0)
                seen = pool.statistics()
                assert len(seen.running) <= 3
            release.set()
            await calls

    async def test_it_shows_its_state(self) -> None:
        """In one line."""
        life = make(Service("s"))
        assert repr(life) == "<Running 's' new in_flight=0>"
        await life.finish()
        assert repr(life) == "<Running 's' stopped in_flight=0>"


class TestProbes:
    async def test_through_the_whole_life(self) -> None:
        """`live` always; `started` once it has; `ready` while it runs, and not from the first
        phase of the stop on, while calls still work."""
        service = Service("s")
        seen: dict[str, str] = {}

        async def look(when: str) -> None:
            kinds = ("live", "started", "ready")
            seen[when] = " ".join([kind for kind in kinds if (await life.probe(kind)).ok])  # type: ignore[arg-type]

        @service.resource
        async def database() -> AsyncIterator[Database]:
            await look("opening")
            yield Database()
            await look("closing")

        @service.on_start
        async def begin() -> None:
            await look("start hook")

        @service.handler("m")
        async def answer() -> str:
            return "reply"

        @service.on_drain
        async def drain() -> None:
            await look("drain hook")

        life = make(service, settings=Settings(shutdown=ShutdownSettings(pre_stop_delay=3)))
        await look("new")
        await life.start()
        await look("running")
        ending = asyncio.ensure_future(life.finish())
        await asyncio.sleep(1)
        await look("propagating")
        assert await life.call("m") == "reply"
        await ending
        await look("stopped")
        assert seen == {
            "new": "live",
            "opening": "live",
            "start hook": "live",
            "running": "live started ready",
            "propagating": "live started",
            "drain hook": "live started",
            "closing": "live started",
            "stopped": "live started",
        }

    async def test_a_failing_ping_names_its_resource(self) -> None:
        """The service is not ready, and alive; the reason is for operators."""
        service = Service("s")

        def ping(database: Database) -> None:
            raise ConnectionError("refused")

        service.resource(ping=ping)(resource(Events(), "database", Database))  # type: ignore[arg-type]
        async with running(service) as life:
            result = await life.probe("ready")
            assert not result.ok
            assert [check.name for check in result.checks] == ["state", "database"]
            assert result.checks[1].reason == "ConnectionError: refused"
            assert (await life.probe("live")).ok

    async def test_a_hanging_ping_has_a_timeout(self) -> None:
        """`Settings.probe_timeout`, for all of them at once."""
        service = Service("s")

        async def ping(database: object) -> None:
            await asyncio.sleep(FOR_EVER)

        service.resource(ping=ping)(resource(Events(), "database", Database))
        service.resource(ping=ping)(resource(Events(), "cache", Cache))
        async with running(service, settings=Settings(probe_timeout=3)) as life:
            result = await life.probe("ready")
        assert [check.reason for check in result.checks[1:]] == ["no answer within 3 s"] * 2
        assert now() == pytest.approx(3, abs=0.1)

    async def test_own_checks(self) -> None:
        """Of each kind; a failing ``live`` is how a service asks to be restarted."""
        service = Service("s")

        @service.probe("live")
        async def stuck() -> None:
            raise ValueError("deadlocked")

        @service.probe("ready")
        def warm(scope: Scope) -> None: ...

        async with running(service) as life:
            assert not (await life.probe("live")).ok
            assert (await life.probe("ready")).ok
