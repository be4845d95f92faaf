"""Facts about `mainstay.service.running`: the start, its failures, and what the embedder sees."""

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstay import Background, Running, Scope, Service, Settings
from mainstay.core.call import Handler
from mainstay.errors import (
    DeadlineExceeded,
    ShuttingDown,
    StartError,
    UsageError,
    WiringError,
)
from mainstay.service.running import State
from tests.service.parts import (
    FOR_EVER,
    Cache,
    Database,
    Events,
    FakeServer,
    Session,
    Stubborn,
    make,
    now,
    released,
    resource,
    running,
)
from tests.unseen import listen


def everything(events: Events, failing: str = "") -> Service:
    """A service with two components of every kind, of which the one called `failing` fails."""
    service = Service("s")

    def fails(name: str) -> str:
        return "open" if failing == name else ""

    service.resource(resource(events, "first", Database, fail=fails("first")))
    service.resource(resource(events, "second", Cache, fail=fails("second")))
    service.resource(resource(events, "third", Session, fail=fails("third")))

    def hook(name: str) -> Callable[[], Any]:
        async def run() -> None:
            if failing == name:
                raise ValueError(f"{name} went wrong")
            events(f"start {name}")

        run.__qualname__ = name
        return run

    service.on_start(hook("hook 1"))
    service.on_start(hook("hook 2"))
    service.add_server(FakeServer(events, "one", fail=fails("server one")))
    service.add_server(FakeServer(events, "two", fail=fails("server two")))

    @service.on_drain
    async def drain() -> None:
        events("drain hook")

    @service.on_stop
    async def stop() -> None:
        events("stop hook")

    @service.worker
    async def work() -> None:
        events("worker")
        await asyncio.sleep(FOR_EVER)

    return service


OPENED = ["open first", "open second", "open third", "start hook 1", "start hook 2"]
CLOSED = ["close third", "close second", "close first"]


class TestStart:
    async def test_the_order(self) -> None:
        """Resources, start hooks, servers bound, workers, and only then calls are accepted."""
        events = Events()
        life = make(everything(events))
        states = [life.state]
        await life.start()
        states.append(life.state)
        await asyncio.sleep(0)
        events.remove("worker")
        assert events == [*OPENED, "one open", "two open", "one accept", "two accept"]
        assert life.addresses == ["fake://one", "fake://two"]
        await life.finish()
        assert [*states, life.state] == [State.NEW, State.RUNNING, State.STOPPED]

    @pytest.mark.parametrize(
        ("failing", "component", "ran"),
        [
            ("first", "resource 'first'", []),
            ("second", "resource 'second'", [OPENED[0], "close first"]),
            ("third", "resource 'third'", [*OPENED[:2], *CLOSED[1:]]),
            ("hook 1", "start hook 'hook 1'", [*OPENED[:3], *CLOSED]),
            ("hook 2", "start hook 'hook 2'", [*OPENED[:4], *CLOSED]),
            ("server one", "server 'one'", [*OPENED, "drain hook", "stop hook", *CLOSED]),
            (
                "server two",
                "server 'two'",
                [
                    *OPENED,
                    *("one open", "one stop_accepting", "drain hook", "one drain", "one aclose"),
                    *("stop hook", *CLOSED),
                ],
            ),
        ],
    )
    async def test_it_fails_whole(self, failing: str, component: str, ran: list[str]) -> None:
        """What had started is stopped in reverse, nothing after is started, and the error names
        the component and keeps its cause."""
        events = Events()
        with pytest.raises(StartError, match=r"not be started: .* went wrong") as caught:
            async with running(everything(events, failing)):
                raise AssertionError
        assert caught.value.component == component
        assert caught.value.__cause__ is not None
        assert events == ran

    async def test_wiring_fails_before_anything_opens(self) -> None:
        """A handler that asks for nothing that there is."""
        events = Events()
        service = everything(events)

        @service.handler("m")
        async def ask(first: str, second: str) -> None: ...

        with pytest.raises(WiringError, match="ask"):
            async with running(service):
                raise AssertionError
        assert events == []

    async def test_a_server_that_cannot_accept_fails_the_start(self) -> None:
        """It is named, as anything else."""
        events = Events()
        service = everything(events)

        class Broken(FakeServer):
            def accept(self) -> None:
                raise ValueError("accept went wrong")

        service.add_server(Broken(events, "broken"))
        with pytest.raises(StartError, match="accept went wrong") as caught:
            async with running(service):
                raise AssertionError
        assert caught.value.component == "server 'broken'"
        assert events[-3:] == CLOSED

    async def test_a_stray_cancellation_is_a_failure(self) -> None:
        """A start hook whose connection is cancelled has failed; nobody cancelled the start."""
        events = Events()
        service = everything(events)

        @service.on_start
        async def stray() -> None:
            raise asyncio.CancelledError

        with pytest.raises(StartError, match="stray"):
            async with running(service):
                raise AssertionError
        assert events[-3:] == CLOSED

    @pytest.mark.parametrize("kind", ["resource", "start hook", "server"])
    async def test_what_hangs_is_given_up(self, kind: str) -> None:
        """After `Settings.start_timeout` seconds, each for itself."""
        events = Events()
        service = Service("s")
        service.resource(resource(events, "first", Database))

        async def hang() -> Cache:
            await asyncio.sleep(FOR_EVER)
            return Cache()

        add: dict[str, Callable[[], object]] = {
            "resource": lambda: service.resource(hang),
            "start hook": lambda: service.on_start(hang),
            "server": lambda: service.add_server(FakeServer(events, slow={"open": FOR_EVER})),
        }
        add[kind]()
        with pytest.raises(StartError, match="7 s") as caught:
            async with running(service, settings=Settings(start_timeout=7)):
                raise AssertionError
        assert caught.value.component.startswith(kind)
        assert now() == pytest.approx(7, abs=0.2)
        assert events == ["open first", "close first"]

    @pytest.mark.parametrize("kind", ["resource", "start hook"])
    async def test_what_swallows_its_cancellation_is_left_behind(
        self, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The start fails in time all the same; the log has the stack of what does not end."""
        events = Events()
        service = Service("s")
        service.resource(resource(events, "first", Database))
        async with released(Stubborn()) as stubborn:

            async def hold() -> Cache:
                await stubborn.hold()
                return Cache()

            (service.resource if kind == "resource" else service.on_start)(hold)
            with pytest.raises(StartError, match="hold"):
                async with running(service, settings=Settings(start_timeout=7)):
                    raise AssertionError
            assert now() < 10
            assert events == ["open first", "close first"]
            assert "parts.py" in caplog.text
            assert stubborn.cancellations > 0
        await asyncio.sleep(1)

    async def test_a_cancelled_start_stops_what_had_started(self) -> None:
        """In reverse, and the cancellation goes on when that is done."""
        events = Events()
        service = everything(events)

        @service.on_start
        async def hang() -> None:
            await asyncio.sleep(FOR_EVER)

        life = make(service)
        starting = asyncio.ensure_future(life.start())
        await asyncio.sleep(1)
        starting.cancel()
        await asyncio.wait([starting])
        assert starting.cancelled()
        assert events == [*OPENED, *CLOSED]
        assert life.state is State.STOPPED

    @pytest.mark.parametrize("turns", range(8))
    async def test_a_server_that_has_opened_as_the_start_is_cancelled_is_closed(
        self, turns: int
    ) -> None:
        """In whichever turn of the loop: it has its sockets, and nobody else would let go of them."""
        events, gate = Events(), asyncio.Event()

        class Gated(FakeServer):
            async def open(self, handler: Handler, scope: Scope) -> list[str]:
                await gate.wait()
                return await super().open(handler, scope)

        service = Service("s")
        service.add_server(Gated(events))
        life = make(service)
        starting = asyncio.ensure_future(life.start())
        await asyncio.sleep(1)
        gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
        await life.finish()
        assert ("server aclose" in events) is ("server open" in events)

    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("kind", ["resource", "start hook"])
    async def test_what_is_opening_when_a_stop_is_asked_is_closed_too(
        self, kind: str, force: bool
    ) -> None:
        """A stop that comes from within the start, or beside it, forgets nothing."""
        events = Events()
        service = Service("s")

        @service.resource
        async def first(life: Running) -> AsyncIterator[Database]:
            events("open first")
            if kind == "resource":
                life.stop("already", force=force)
            yield Database()
            events("close first")

        @service.resource
        async def second(database: Database) -> AsyncIterator[Cache]:
            yield Cache()
            events("close second")

        @service.on_start
        async def hook(life: Running) -> None:
            if kind == "start hook":
                life.stop("already", force=force)

        async with running(service) as life:
            await life.wait_stop_asked()
        assert events == ["open first", "close second", "close first"]
        assert (await life.finish()).reason == "already"

    async def test_a_life_is_started_once(self) -> None:
        """It is not a service, which may run again."""
        life = make(Service("s"))
        with pytest.raises(UsageError, match="has not started; call it inside"):
            await life.call("m")
        await life.start()
        with pytest.raises(UsageError, match="cannot be started again; make a new one"):
            await life.start()
        await life.finish()
        with pytest.raises(ShuttingDown):
            await life.call("m")


class TestComponentsThatEnd:
    async def test_a_resource_that_ends_on_its_own_ends_the_service(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Its connection was lost: exit code 1, its name in the log, the others closed."""
        events = Events()
        service = Service("s")
        service.resource(resource(events, "first", Database))

        @service.resource
        async def lost(database: Database) -> AsyncIterator[Cache]:
            async with asyncio.TaskGroup() as group:
                group.create_task(lose())
                yield Cache()

        async def lose() -> None:
            await asyncio.sleep(5)
            raise ConnectionError("gone")

        life = make(service)
        await life.start()
        await life.wait_stop_asked()
        assert now() == 5
        report = await life.finish()
        assert report.exit_code == 1
        assert "resource 'lost' failed" in report.reason
        assert "resource 'lost' failed" in caplog.text
        assert events[-1] == "close first"

    async def test_one_that_ends_while_another_opens_is_told(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Also when that one then fails, and the start with it."""
        complaints = listen()
        service = Service("s")

        @service.resource
        async def lost() -> AsyncIterator[Database]:
            async with asyncio.TaskGroup() as group:
                group.create_task(lose())
                yield Database()

        async def lose() -> None:
            await asyncio.sleep(1)
            raise ConnectionError("gone")

        @service.resource
        async def slow(database: Database) -> Cache:
            await asyncio.sleep(2)
            raise ValueError("no")

        life = make(service)
        with pytest.raises(StartError, match="'slow' could not be started: no"):
            await life.start()
        assert "resource 'lost' failed" in life.reason
        assert "resource 'lost' failed" in caplog.text
        caplog.clear()
        del life
        assert complaints() == []

    async def test_a_cancelled_resource_has_ended_too(self) -> None:
        """Whoever cancelled its task did not mean to leave a dead service."""
        service = Service("s")
        service.resource(resource(Events(), "first", Database))
        life = make(service)
        await life.start()
        for task in asyncio.all_tasks():
            if task.get_name() == "resource 'first'":
                task.cancel()
        await life.wait_stop_asked()
        report = await life.finish()
        assert report.exit_code == 1
        assert "resource 'first' ended on its own" in report.reason

    async def test_a_worker_that_is_given_up_ends_the_service(self) -> None:
        """With exit code 1 and the worker's own error."""
        service = Service("s")

        @service.worker(give_up_after=3)
        async def work() -> None:
            raise ValueError("no")

        life = make(service)
        await life.start()
        await life.wait_stop_asked()
        report = await life.finish()
        assert report.exit_code == 1
        assert report.reason == "worker 'work' failed: ValueError('no')"
        assert isinstance(report.failure, ValueError)

    async def test_a_cancelled_worker_ends_the_service(self) -> None:
        """A service whose worker is dead only looks alive."""
        service = Service("s")

        @service.worker
        async def work() -> None:
            await asyncio.sleep(FOR_EVER)

        life = make(service)
        await life.start()
        await asyncio.sleep(1)
        for task in asyncio.all_tasks():
            if task.get_name() == "work":
                task.cancel()
        await life.wait_stop_asked()
        assert (await life.finish()).exit_code == 1

    async def test_a_worker_that_is_done_ends_nothing(self) -> None:
        """It may have been meant to run once."""
        service = Service("s")

        @service.worker
        async def work() -> None: ...

        async with running(service) as life:
            await asyncio.sleep(1)
            assert life.state is State.RUNNING

    async def test_the_embedder_is_told(self) -> None:
        """At the end of the block, with the component's own error."""
        service = Service("s")

        @service.worker(restart="never")
        async def work() -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            async with running(service) as life:
                await life.wait_stop_asked()

    async def test_one_that_fails_while_others_start(self) -> None:
        """The start is not interrupted, but the stop is asked for before anything else happens."""
        events = Events()
        service = Service("s")

        @service.resource
        async def lost() -> AsyncIterator[Database]:
            async with asyncio.timeout(1):
                yield Database()
                await asyncio.sleep(FOR_EVER)

        @service.resource
        async def slow(database: Database) -> AsyncIterator[Cache]:
            await asyncio.sleep(5)
            yield Cache()
            events("close slow")

        with pytest.raises(TimeoutError):
            async with running(service) as life:
                await life.wait_stop_asked()
        assert now() == 5
        assert events == ["close slow"]


def world() -> list[object]:
    """What an embedded service must not touch."""
    loggers = [logging.getLogger(name) for name in ("", "mainstay", "mainstay.service", "asyncio")]
    return [
        [signal.getsignal(number) for number in signal.valid_signals()],
        [(each.level, list(each.handlers), each.disabled, each.propagate) for each in loggers],
        signal.set_wakeup_fd(-1),
        asyncio.get_running_loop().get_exception_handler(),
        dict(os.environ),
    ]


class TestEmbedding:
    async def test_it_touches_no_signal_and_no_logging(self) -> None:
        """Before, during and after, they are the same."""
        before = world()
        async with running(everything(Events())):
            assert world() == before
        assert world() == before

    async def test_a_body_that_raises(self) -> None:
        """The service stops cleanly, and the error is the body's."""
        events = Events()
        with pytest.raises(KeyError, match="mine"):
            async with running(everything(events)):
                raise KeyError("mine")
        assert events[-3:] == CLOSED

    async def test_a_body_that_is_cancelled(self) -> None:
        """The service stops cleanly, and the cancellation goes on."""
        events = Events()

        async def embed() -> None:
            async with running(everything(events)):
                await asyncio.sleep(FOR_EVER)

        task = asyncio.ensure_future(embed())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert events[-3:] == CLOSED
        assert now() < 2

    async def test_a_body_whose_scope_ends(self) -> None:
        """Its deadline is what it raises; the service stops cleanly first."""
        events = Events()
        with pytest.raises(DeadlineExceeded), Scope("embedder", timeout=5):
            async with running(everything(events)):
                await asyncio.sleep(FOR_EVER)
        assert events[-3:] == CLOSED

    async def test_twice_in_sequence(self) -> None:
        """A service may run again: each life has its own resources."""
        events = Events()
        service = everything(events)
        for _ in range(2):
            events.clear()
            async with running(service):
                assert events[:5] == OPENED
            assert events[-3:] == CLOSED

    async def test_two_at_once_in_one_loop(self) -> None:
        """One calls the other; each has its own scopes, and stops for itself."""
        inner, outer = Service("inner"), Service("outer")

        @inner.handler("m")
        async def deep(scope: Scope) -> float:
            return scope.remaining()

        async with running(inner) as other:

            @outer.handler("m")
            async def ask() -> object:
                return await other.call("m")

            async with running(outer) as life:
                assert await life.call("m", timeout=7) == 7
            assert other.state is State.RUNNING
            assert await other.call("m") == 30

    async def test_the_same_service_twice_at_once(self) -> None:
        """Two lives, two databases."""
        service = Service("s")

        @service.resource
        async def database() -> Database:
            return Database()

        @service.handler("m")
        async def ask(database: Database) -> Database:
            return database

        async with running(service) as one, running(service) as two:
            assert await one.call("m") is not await two.call("m")

    async def test_the_world_is_the_embedder_s(self) -> None:
        """Without effects of its own, it takes those of the scope around it: a test's clock."""
        service = Service("s")
        async with service.running() as life:
            assert life.scope.effects is Scope.current().effects

    async def test_a_server_that_cannot_stop_accepting_is_told(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nobody waits for the pause of an operator or a restart; the other servers do stop."""
        events = Events()
        service = Service("s")
        service.add_server(FakeServer(events, "ill", fail="stop_accepting"))
        service.add_server(FakeServer(events, "well", slow={"stop_accepting": 1}))
        life = make(service)
        await life.start()
        await life.pause()
        assert "well stop_accepting" in events
        assert "server 'ill' still accepts: it failed to stop" in caplog.text
        await life.finish()

    async def test_a_thousand_lives_leave_nothing_behind(self) -> None:
        """No thread, no task, no descriptor, no memory that grows."""
        service = Service("s")

        @service.resource
        async def database() -> AsyncIterator[Database]:
            yield Database()

        @service.resource
        def cache(database: Database) -> Iterator[Cache]:
            yield Cache()

        @service.worker
        @service.every(1)
        async def work() -> None:
            await asyncio.sleep(FOR_EVER)

        @service.handler("m")
        async def answer(cache: Cache, background: Background) -> str:
            background.start(asyncio.sleep(0))
            return "reply"

        async def live(times: int) -> None:
            for _ in range(times):
                async with running(service) as life:
                    assert await life.call("m") == "reply"
            # Timers of deadlines that were kept hold little, and only until their time.
            await asyncio.sleep(120)
            gc.collect()

        logging.getLogger("mainstay").setLevel(logging.WARNING)
        await live(50)
        before, objects = _held(), len(gc.get_objects())
        await live(950)
        grown = len(gc.get_objects()) - objects
        logging.getLogger("mainstay").setLevel(logging.NOTSET)
        assert _held() == before
        assert grown < 100


def _held() -> dict[str, int]:
    alive = [t for t in threading.enumerate() if t.name.startswith("mainstay")]
    for thread in alive:
        thread.join(1)
    return {
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(list(Path("/proc/self/fd").glob("*"))),
    }
