"""Facts about `mainstay.service.stopping`: the law of the end, phase by phase."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from mainstay import Background, Scope, Service, Settings
from mainstay.errors import Error, ShuttingDown
from mainstay.service.phases import Phase
from mainstay.service.running import State
from mainstay.service.settings import ShutdownSettings
from tests.service.parts import (
    FOR_EVER,
    Cache,
    Database,
    Events,
    FakeServer,
    Session,
    Stubborn,
    begun,
    notes,
    now,
    released,
    resource,
    stall,
    within,
)


async def test_the_phases_in_order_and_in_time() -> None:
    """S1, all well: who is told, asked, waited for and closed, in which order, and when."""
    events = Events()
    service = Service("s")
    service.add_server(FakeServer(events, slow={"drain": 1}))
    service.resource(resource(events, "first", Database))
    service.resource(resource(events, "second", Cache))

    @service.handler("call")
    async def answer(seconds: float, background: Background) -> str:
        await asyncio.sleep(seconds)
        background.start(after(), "after")
        return "reply"

    async def after() -> None:
        await asyncio.sleep(2)
        events("background ended")

    @service.worker(drain=True)
    async def told(scope: Scope) -> None:
        await scope.wait_draining()
        events("draining worker told")
        await asyncio.sleep(4)
        events("draining worker ended")

    @service.worker
    async def plain() -> None:
        try:
            await asyncio.sleep(FOR_EVER)
        finally:
            events("plain worker ended")

    @service.every(1)
    async def tick() -> None:
        events("job ran")

    @service.on_drain
    async def drain() -> None:
        events("drain hook")

    @service.on_stop
    async def stop_1() -> None:
        events("stop hook 1")

    @service.on_stop
    async def stop_2() -> None:
        events("stop hook 2")

    life = await begun(service, Settings(shutdown=ShutdownSettings(pre_stop_delay=3)))
    call = asyncio.ensure_future(life.call("call", 6.0))
    await asyncio.sleep(0.5)
    events.clear()
    report = await life.finish()
    assert await call == "reply"
    assert {what: events.times[what] - 0.5 for what in events} == {
        "server stop_accepting": 3,
        "drain hook": 3,
        "draining worker told": 3,
        "server drain": 4,
        "draining worker ended": 7,
        "background ended": 7.5,
        "plain worker ended": 7.5,
        "server aclose": 7.5,
        "stop hook 2": 7.5,
        "stop hook 1": 7.5,
        "close second": 7.5,
        "close first": 7.5,
    }
    assert events[-7:] == [
        "background ended",
        "plain worker ended",
        "server aclose",
        "stop hook 2",
        "stop hook 1",
        "close second",
        "close first",
    ]
    assert [each.phase for each in report.phases] == list(Phase)
    seconds = {each.phase: each.seconds for each in report.phases if each.seconds}
    assert seconds == {Phase.PROPAGATE: 3, Phase.DRAIN: 4.5}
    assert all(each.in_time for each in report.phases)
    assert (report.exit_code, report.cut, notes(report)) == (0, False, "")


def told_never_to_end(
    service: Service, events: Events, stubborn: Stubborn, thread: threading.Event
) -> None:
    """Everything that can hang, and between them hooks and resources that must still run."""

    @service.resource
    async def below() -> AsyncIterator[Database]:
        yield Database()
        events("below closed")

    @service.resource
    async def hangs(database: Database) -> AsyncIterator[Cache]:
        yield Cache()
        await asyncio.sleep(FOR_EVER)

    @service.resource
    async def swallows(cache: Cache) -> AsyncIterator[Session]:
        yield Session()
        await stubborn.hold()

    @service.resource
    def blocks(session: Session) -> Iterator[list[int]]:
        yield []
        Scope.current().effects.clock.wait(thread, None)

    @service.resource
    async def above(numbers: list[int]) -> AsyncIterator[dict[str, int]]:
        yield {}
        events("above closed")

    @service.handler("swallow")
    @service.worker
    @service.worker(drain=True)
    @service.every(0.1)
    async def swallow() -> None:
        await stubborn.hold()

    @service.on_drain
    async def drain() -> None:
        await stubborn.hold()

    @service.on_stop
    async def last() -> None:
        events("last stop hook")

    @service.on_stop
    async def hang_hook() -> None:
        await asyncio.sleep(FOR_EVER)

    @service.on_stop
    async def swallow_hook() -> None:
        await stubborn.hold()

    @service.on_stop
    def block_hook(scope: Scope) -> None:
        scope.effects.clock.wait(thread, None)

    @service.on_stop
    async def first() -> None:
        events("first stop hook")


@pytest.mark.parametrize("timeout", [1, 5, 25])
async def test_nothing_hangs(timeout: float, caplog: pytest.LogCaptureFixture) -> None:
    """S1, all ill: tasks and hooks that swallow cancellation, hang or block a thread for ever.

    The end comes within the timeout and 2 s; every other hook and closing still ran; 124.
    """
    events, thread = Events(), threading.Event()
    service = Service("s")
    async with released(Stubborn()) as stubborn:
        told_never_to_end(service, events, stubborn, thread)
        life = await begun(service, within(timeout))
        background = Background(life.scope.child("background"))
        call = asyncio.ensure_future(life.call("swallow"))
        await asyncio.sleep(1)
        began = now()
        report = await life.finish()
        assert now() - began <= timeout + 2
        assert report.exit_code == 124
        assert events == ["first stop hook", "last stop hook", "above closed", "below closed"]
        assert life.state is State.STOPPED
        assert len(background) == 0
        assert stubborn.cancellations > 2
        for name in ("swallow", "swallow_hook", "block_hook", "'swallows'", "'hangs'", "'blocks'"):
            assert name in notes(report)
        assert "parts.py" in caplog.text
        assert "does not end and is left behind" in caplog.text
        cancel = report.phases[_index(Phase.CANCEL)]
        assert cancel.seconds == pytest.approx(min(2, 0.08 * timeout), abs=0.001)
        thread.set()
    await asyncio.wait([call])
    await asyncio.sleep(1)


@pytest.mark.parametrize("timeout", [1, 5, 25])
async def test_many_that_hang_take_no_longer_than_one(timeout: float) -> None:
    """The budget is divided: fifty hanging hooks and a resource that closes after them."""
    events = Events()
    service = Service("s")
    service.resource(resource(events, "database", Database))
    async with released(Stubborn()) as stubborn:
        for _ in range(50):
            service.on_stop(stubborn.hold)
        life = await begun(service, within(timeout))
        began = now()
        report = await life.finish()
        assert now() - began <= timeout
        assert events[-1] == "close database"
        assert report.exit_code == 124


async def test_a_hanging_hook_leaves_the_others_their_share() -> None:
    """A resource that needs a second to close gets it, though a hook before it hangs."""
    events = Events()
    service = Service("s")
    service.resource(resource(events, "database", Database, closing=1))
    service.resource(resource(events, "cache", Cache, closing=1))

    @service.on_stop
    async def hang() -> None:
        await asyncio.sleep(FOR_EVER)

    life = await begun(service)
    report = await life.finish()
    assert events[2:] == ["close cache", "close database"]
    assert "hang' not closed in time" in notes(report)
    assert "database" not in notes(report)


async def test_time_that_one_does_not_need_is_the_next_one_s() -> None:
    """A resource may take nearly all of the closing phase if the others are quick."""
    events = Events()
    service = Service("s")
    service.resource(resource(events, "database", Database, closing=4.5))
    for _ in range(9):
        service.on_stop(lambda: None)
    life = await begun(service)
    report = await life.finish()
    assert events[-1] == "close database"
    assert report.exit_code == 0


# When to force, with a shutdown of 25 s, a delay of 3 s, and something in every phase that takes
# all that it is given; and which phase that moment is in.
MOMENTS = {
    0.0: Phase.UNREADY,
    1.0: Phase.PROPAGATE,
    3.02: Phase.STOP_ACCEPTING,
    10.0: Phase.DRAIN,
    17.0: Phase.CANCEL,
    20.0: Phase.CLOSE,
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_forced_stop_at_each_phase(moment: float) -> None:
    """No more drain, at most 4 s more, and every other hook and closing still ran."""
    events, thread = Events(), threading.Event()
    service = Service("s")
    service.add_server(FakeServer(events, slow={"stop_accepting": 0.05}))
    settings = Settings(shutdown=ShutdownSettings(pre_stop_delay=3))
    async with released(Stubborn()) as stubborn:
        told_never_to_end(service, events, stubborn, thread)
        life = await begun(service, settings)
        call = asyncio.ensure_future(life.call("swallow"))
        await asyncio.sleep(1)
        events.clear()
        ending = asyncio.ensure_future(life.finish())
        await asyncio.wait([ending], timeout=moment)
        life.stop("again", force=True)
        report = await ending
        assert now() - 1 <= min(moment + 4.01, 25.01)
        ran = [event for event in events if not event.startswith("server")]
        assert ran == ["first stop hook", "last stop hook", "above closed", "below closed"]
        assert report.exit_code == 124
        entered = sum(each.seconds for each in report.phases[: _index(MOMENTS[moment])])
        assert entered <= moment + 0.01
        thread.set()
    await asyncio.wait([call])
    await asyncio.sleep(1)


def _index(phase: Phase) -> int:
    return list(Phase).index(phase)


async def test_forcing_a_quiet_service_cuts_nothing() -> None:
    """The exit code is about work, not about manners."""
    events = Events()
    service = Service("s")
    service.resource(resource(events, "database", Database))
    life = await begun(service)
    life.stop("QUIT", force=True)
    life.stop("again", force=True)
    report = await life.finish()
    assert events == ["open database", "close database"]
    assert (report.reason, report.exit_code) == ("QUIT", 0)


async def test_a_cancelled_caller_makes_it_hurry() -> None:
    """The drain is skipped, the rest is done, and then the cancellation goes on."""
    events = Events()
    service = Service("s")
    service.resource(resource(events, "database", Database, closing=0.2))

    @service.handler("m")
    async def hang() -> None:
        await asyncio.sleep(FOR_EVER)

    life = await begun(service)
    call = asyncio.ensure_future(life.call("m"))
    await asyncio.sleep(1)
    ending = asyncio.ensure_future(life.finish())
    await asyncio.sleep(1)
    ending.cancel()
    await asyncio.wait([ending])
    assert ending.cancelled()
    assert events[-1] == "close database"
    assert now() < 3
    assert life.state is State.STOPPED
    assert isinstance(call.exception(), ShuttingDown)


async def test_every_caller_gets_the_same_report() -> None:
    """At once or later; the phases run once."""
    events = Events()
    service = Service("s")
    service.on_stop(lambda: events.append("stop hook"))
    life = await begun(service)
    first, second = await asyncio.gather(life.finish(), life.finish())
    assert first is second is await life.finish()
    assert events == ["stop hook"]


@pytest.mark.parametrize("step", ["stop_accepting", "drain", "aclose"])
async def test_a_server_that_fails_stops_nothing_else(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Noted and logged; the other server and the resources are closed."""
    events = Events()
    service = Service("s")
    service.resource(resource(events, "database", Database))
    service.add_server(FakeServer(events, "one", fail=step))
    service.add_server(FakeServer(events, "two"))
    life = await begun(service)
    report = await life.finish()
    assert f"{step} went wrong" in notes(report)
    assert "failed while stopping" in caplog.text
    steps = {f"{name} {each}" for name in ("one", "two") for each in ("drain", "aclose")}
    assert steps - {f"one {step}"} <= set(events)
    assert events[-1] == "close database"


async def test_a_server_that_hangs_stops_nothing_else() -> None:
    """At each of its steps: cut when the phase is over."""
    events = Events()
    service = Service("s")
    for step in ("stop_accepting", "drain", "aclose"):
        service.add_server(FakeServer(events, step, slow={step: FOR_EVER}))
    service.resource(resource(events, "database", Database))
    life = await begun(service)
    report = await life.finish()
    assert now() <= 25
    assert {"drain stop_accepting", "drain aclose", "stop_accepting drain"} <= set(events)
    assert events[-1] == "close database"
    assert report.exit_code == 124


@pytest.mark.parametrize("kind", ["drain hook", "stop hook", "resource"])
async def test_what_fails_while_stopping_stops_nothing_else(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Noted and logged with its trace; the others run."""
    events = Events()
    service = Service("s")
    service.resource(resource(events, "database", Database))
    service.resource(resource(events, "cache", Cache, fail="close" if kind == "resource" else ""))

    async def fail() -> None:
        raise ValueError("it went wrong")

    if kind == "drain hook":
        service.on_drain(fail)
    if kind == "stop hook":
        service.on_stop(fail)
    service.on_stop(lambda: events.append("stop hook"))
    life = await begun(service)
    report = await life.finish()
    assert events[2:] == ["stop hook", "close cache", "close database"]
    assert "went wrong" in notes(report)
    assert "failed while stopping" in caplog.text
    assert report.cut is False


class TestStragglers:
    async def test_a_task_that_ends_in_the_grace_is_cut_and_not_left_behind(self) -> None:
        """It swallows twice, and gets what it was asked for at the third."""
        service = Service("s")
        swallowed = []

        @service.handler("m")
        async def twice() -> None:
            for _ in range(2):
                try:
                    await asyncio.sleep(FOR_EVER)
                except asyncio.CancelledError:
                    swallowed.append(now())
            await asyncio.sleep(FOR_EVER)

        life = await begun(service, Settings(call_timeout=None))
        call = asyncio.ensure_future(life.call("m"))
        await asyncio.sleep(1)
        report = await life.finish()
        assert len(swallowed) == 2
        assert isinstance(call.exception(), ShuttingDown)
        assert "left behind" not in notes(report)

    async def test_a_machine_that_stalls_is_no_reason_to_blame_anybody(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The time of all is over before one of them could end; they would, in a few turns."""
        service = Service("s")

        async def work() -> None:
            try:
                await asyncio.sleep(FOR_EVER)
            finally:
                stall(1000)
                for _ in range(5):
                    await asyncio.sleep(0)

        @service.handler("m")
        async def answer() -> None:
            await work()

        service.on_stop(work)
        life = await begun(service, within(2, call_timeout=None))
        call = asyncio.ensure_future(life.call("m"))
        await asyncio.sleep(1)
        report = await life.finish()
        await asyncio.wait([call])
        assert isinstance(call.exception(), ShuttingDown)
        assert "cut: call 'm'" in notes(report)
        assert "not closed in time" in notes(report)
        assert "left behind" not in notes(report)
        assert "left behind" not in caplog.text

    async def test_a_thread_that_never_ends_is_named(self) -> None:
        """The function by its name; the service stops without it, with 124."""
        release = threading.Event()
        service = Service("s")

        @service.handler("m")
        def stuck(scope: Scope) -> None:
            scope.effects.clock.wait(release, None)

        life = await begun(service)
        with pytest.raises(Error, match="given 1 s"):
            await life.call("m", timeout=1)
        report = await life.finish()
        assert "threads still running" in notes(report)
        assert "stuck" in notes(report)
        assert report.exit_code == 124
        release.set()

    @pytest.mark.real_loop
    async def test_a_thread_that_has_ended_is_not_taken_for_one_that_runs(self) -> None:
        """Closing in a thread is over when its result is there: a hundred stops are all clean."""
        service = Service("s")

        @service.resource
        def database() -> Iterator[Database]:
            yield Database()

        codes = []
        for _ in range(100):
            async with AsyncExitStack() as stack:
                life = await stack.enter_async_context(service.running())
            codes.append((await life.finish()).exit_code)
        assert codes == [0] * 100


async def test_every_phase_is_logged_with_its_time(caplog: pytest.LogCaptureFixture) -> None:
    """For the operator who wonders where a stop spends its time; one with nothing to do only if
    details are asked for."""
    caplog.set_level("DEBUG")
    life = await begun(Service("s"), Settings(shutdown=ShutdownSettings(pre_stop_delay=2)))
    life.stop("a test ends it")
    await life.finish()
    lines = [record.getMessage() for record in caplog.records]
    assert "stopping: a test ends it" in lines
    said = [line for line in lines if line.startswith("phase ")]
    assert [line.split(" took ")[0] for line in said] == [f"phase {p.value}" for p in Phase]
    assert "phase propagate took 2.000 s" in said


async def test_what_fails_while_stopping_is_not_a_clean_end() -> None:
    """A stop hook or a draining worker that fails may have lost what it was to finish: code 1."""
    for kind in ("hook", "worker"):
        service = Service("s")

        async def fails() -> None:
            raise ValueError("lost")

        async def letters(scope: Scope) -> None:
            await scope.wait_draining()
            raise ValueError("lost")

        if kind == "hook":
            service.on_stop(fails)
        else:
            service.worker(drain=True)(letters)
        life = await begun(service)
        report = await life.finish()
        assert report.exit_code == 1
        assert isinstance(report.failure, ValueError)


async def test_what_was_cut_is_named_by_its_method() -> None:
    """An operator knows calls by their methods, and not by the names of tasks."""
    service = Service("s")

    @service.handler("stubborn")
    async def stubborn() -> None:
        await asyncio.sleep(3600)

    life = await begun(service, Settings(shutdown=ShutdownSettings(timeout=5)))
    call = asyncio.ensure_future(life.call("stubborn", timeout=7200))
    await asyncio.sleep(1)
    report = await life.finish()
    with pytest.raises(ShuttingDown):
        await call
    drain = next(each for each in report.phases if each.phase is Phase.DRAIN)
    assert "1 cut: call 'stubborn'" in drain.notes
