"""Facts about `mainstay.service.hosting`, in this process. With real ones: test_hosting_signals."""

import asyncio
import json
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
import pytest

from mainstay import Background, Effects, Running, Scope, Service
from mainstay.errors import BrokenError, UsageError
from mainstay.process.launch import Launch
from mainstay.service import running
from mainstay.service.hosting import host
from mainstay.service.signals import SIGNALS
from mainstay.service.wiring import Wiring
from mainstay.testing import FakeProcess
from tests.service.parts import FOR_EVER, Database

FLAGS = ("mainstay.log.format=json",)


class Ended(FakeProcess):
    """A process whose end ends the thread that asks for it, silently."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.ended = threading.Event()

    def exit(self, code: int) -> NoReturn:
        self.exit_code = code
        self.ended.set()
        raise SystemExit


def hosted(
    service: Service,
    *flags: str,
    process: FakeProcess | None = None,
    environ: dict[str, str] | None = None,
) -> int:
    """Host `service` in this process, without touching the signals of the test."""
    effects = Effects(process=process or FakeProcess(), environ=environ or {})
    return host(service.declaration, files=[], flags=[*FLAGS, *flags], effects=effects)


def stopping_at_once() -> Service:
    """A service that asks to stop as soon as it runs."""
    service = Service("s")

    @service.worker
    async def stop(life: Running) -> None:
        life.stop("a test ends it")

    return service


@contextmanager
def told(part: str) -> Iterator[threading.Event]:
    """Set as soon as something of ours logs a message with `part` in it."""
    said = threading.Event()

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if part in record.getMessage():
                said.set()

    ears = Ears()
    logging.getLogger("mainstay").addHandler(ears)
    try:
        yield said
    finally:
        logging.getLogger("mainstay").removeHandler(ears)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of the log."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class TestExitCodes:
    def test_0_when_it_stopped_well(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The last line of the log says so."""
        assert hosted(stopping_at_once()) == 0
        messages = [line["message"] for line in logged(capsys)]
        assert messages[-1].startswith("s stopped in ")
        assert messages[-1].endswith("exit code 0")
        assert "stopping: a test ends it" in messages

    def test_1_when_a_component_failed(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Named in the log, with the trace."""
        service = Service("s")

        @service.worker(restart="never")
        async def work() -> None:
            raise ValueError("no")

        assert hosted(service) == 1
        lines = logged(capsys)
        assert any("worker 'work' failed" in line["message"] for line in lines)
        assert any(line.get("exception", {}).get("type") == "ValueError" for line in lines)

    @pytest.mark.parametrize("seconds", [0.0, 0.2])
    def test_3_when_it_did_not_start(
        self, capsys: pytest.CaptureFixture[str], seconds: float
    ) -> None:
        """Whatever had opened is closed, however long that takes; the log names the component."""
        service = Service("s")
        events = []

        @service.resource
        async def database() -> AsyncIterator[Database]:
            yield Database()
            with Scope("closing") as scope, pytest.raises(TimeoutError):
                await asyncio.wait_for(scope.wait_cancelled(), seconds)
            events.append("closed")

        @service.on_start
        async def fail() -> None:
            raise ValueError("no")

        assert hosted(service) == 3
        assert events == ["closed"]
        line = logged(capsys)[-1]
        assert "fail' could not be started: no" in line["message"]
        assert line["exception"]["type"] == "ValueError"

    def test_3_when_it_cannot_be_put_together(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The user's fault, so no trace."""
        service = Service("s")

        @service.worker
        async def work(database: Database) -> None: ...

        assert hosted(service) == 3
        line = logged(capsys)[-1]
        assert "nothing provides Database" in line["message"]
        assert "exception" not in line

    def test_78_when_the_configuration_is_wrong(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Every fault is listed, on stderr, before any log."""
        flags = ("mainstay.threads=0", "mainstay.shutdown.tiemout=4")
        assert hosted(Service("s"), *flags) == 78
        said = capsys.readouterr().err
        assert "threads" in said
        assert "tiemout" in said

    def test_124_when_work_was_cut(self, capsys: pytest.CaptureFixture[str]) -> None:
        """And the log says what."""
        service = stopping_at_once()

        @service.worker(drain=True)
        async def deaf() -> None:
            await asyncio.sleep(FOR_EVER)

        assert hosted(service, "mainstay.shutdown.timeout=0.2") == 124
        assert any("1 cut: deaf" in line["message"] for line in logged(capsys))


class TestWhatItLeavesBehind:
    def test_the_process_is_as_it_was(self) -> None:
        """Signals, loggers, the current loop, threads: also after a start that failed."""

        def state() -> list[object]:
            root = logging.getLogger()
            numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
            return [
                [signal.getsignal(number) for number in numbers],
                [root.level, *root.handlers],
                signal.set_wakeup_fd(-1),
                type(asyncio.get_event_loop_policy()),
            ]

        broken = Service("s")

        @broken.on_start
        async def fail() -> None:
            raise ValueError

        before = state()
        assert host(stopping_at_once().declaration, files=[], flags=FLAGS) == 0
        assert state() == before
        assert host(broken.declaration, files=[], flags=FLAGS) == 3
        assert state() == before
        names = [thread.name for thread in threading.enumerate()]
        assert "mainstay-watchdog" not in names
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()

    def test_the_watchdog_says_nothing_of_the_wiring(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It imports, in one piece, before anybody waits; a start hook that blocks is told."""
        service = stopping_at_once()

        class Slow(Wiring):
            def __init__(self, *args: Any, **more: Any) -> None:
                threading.Event().wait(0.2)  # that nothing is said takes real time to prove
                super().__init__(*args, **more)

        monkeypatch.setattr(running, "Wiring", Slow)
        flags = ("mainstay.watchdog.threshold=0.05",)
        assert hosted(service, *flags) == 0
        assert not [line for line in logged(capsys) if "Slow.__init__" in line.get("stack", "")]

        @service.on_start
        async def block() -> None:
            assert said.wait(60)

        with told(".block") as said:
            assert hosted(service, *flags) == 0
        assert [line for line in logged(capsys) if line["message"].endswith(".block")]

    def test_a_service_may_be_hosted_again(self) -> None:
        """In the same process."""
        service = stopping_at_once()
        assert [hosted(service) for _ in range(3)] == [0, 0, 0]

    def test_its_signals_are_its_own(self) -> None:
        """Those it handles, from before the start to after the stop, and none that was ignored."""
        process = FakeProcess(ignored=[signal.SIGHUP])
        handled: list[frozenset[int]] = []
        service = stopping_at_once()
        service.on_start(lambda: handled.append(process.handled))
        service.on_stop(lambda: handled.append(process.handled))
        assert hosted(service, process=process) == 0
        wanted = frozenset(SIGNALS) - {signal.SIGHUP}
        assert handled == [wanted, wanted]
        assert process.handled == frozenset()


@pytest.mark.parametrize("error", [SystemExit(5), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("kind", ["worker", "thread", "call"])
def test_an_exit_from_within_is_a_failure_and_an_orderly_stop(
    kind: str, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """``sys.exit()`` in a handler, a worker or a thread: resources are closed, and the code is 1."""
    process = Ended()
    service = Service("s")
    closed = []

    @service.resource
    async def database() -> AsyncIterator[Database]:
        yield Database()
        closed.append("database")

    async def leave() -> None:
        raise error

    def leave_in_a_thread() -> None:
        raise error

    @service.handler("m")
    async def answer() -> None:
        raise error

    async def call(life: Running, background: Background) -> None:
        background.start(life.call("m"))

    kinds: dict[str, Callable[..., object]] = {
        "worker": leave,
        "thread": leave_in_a_thread,
        "call": call,
    }
    service.worker(kinds[kind])
    assert hosted(service, process=process) == 1
    assert closed == ["database"]
    lines = logged(capsys)
    assert lines[-1]["message"].endswith("exit code 1")
    assert any(line["message"].endswith("; stopping") for line in lines)
    assert process.handled == frozenset()
    assert process.exit_code is None


def test_it_needs_the_main_thread() -> None:
    """The error says what to use instead."""
    with ThreadPoolExecutor() as pool:
        failure = pool.submit(stopping_at_once().run).exception()
    assert isinstance(failure, UsageError)
    assert "running()" in failure.message


def test_the_configuration_comes_from_everywhere() -> None:
    """Flags before the environment."""

    class Own(msgspec.Struct):
        greeting: str = "hello"
        name: str = "you"

    service = Service("s", config=Own)
    got = []

    @service.worker
    async def work(own: Own, life: Running) -> None:
        got.append((own.greeting, own.name))
        life.stop()

    environ = {"S__GREETING": "servus", "S__NAME": "Ada"}
    assert hosted(service, "name=Bob", environ=environ) == 0
    assert got == [("servus", "Bob")]


@pytest.mark.parametrize(("worker", "times"), [(None, 1), ("0", 1), ("1", 0)])
def test_what_is_not_read_is_told_once(
    worker: str | None, times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the first of several workers."""
    place = {} if worker is None else {"MAINSTAY_WORKER": worker}
    assert hosted(stopping_at_once(), environ={"MAINSTAY_LOG_LEVEL": "debug", **place}) == 0
    messages = [line["message"] for line in logged(capsys)]
    said = "MAINSTAY_LOG_LEVEL is not read; did you mean MAINSTAY__LOG__LEVEL?"
    assert messages.count(said) == times


def test_tasks_that_the_program_leaves_are_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """Cancelled at the end, without a complaint from the interpreter."""
    service = stopping_at_once()
    ended = []

    async def stray() -> None:
        try:
            await asyncio.sleep(FOR_EVER)
        finally:
            ended.append("stray")

    @service.on_start
    async def begin() -> None:
        service.task = asyncio.ensure_future(stray())  # type: ignore[attr-defined]

    assert hosted(service) == 0
    assert ended == ["stray"]


class TestSignals:
    def send_when_running(self, service: Service, process: FakeProcess, *numbers: int) -> None:
        """Let the service send itself signals when it runs."""

        @service.worker
        async def send() -> None:
            for number in numbers:
                process.send(number)
            await asyncio.sleep(FOR_EVER)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_one_stops_it(self, number: int, capsys: pytest.CaptureFixture[str]) -> None:
        """By its name in the log; a hang-up where there is a terminal."""
        process = FakeProcess(terminal=True)
        service = Service("s")
        self.send_when_running(service, process, number)
        assert hosted(service, process=process) == 0
        name = signal.Signals(number).name
        assert f"stopping: {name}" in [line["message"] for line in logged(capsys)]

    def test_a_restart_that_comes_too_early_or_too_late(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It waits for the end of the start; while the service stops there is none."""
        nothing = Launch(("/no/such/python",), "/", {})
        monkeypatch.setattr("mainstay.service.lineage.launched", lambda: nothing)
        process = FakeProcess()
        service = Service("s")
        service.on_start(lambda: process.send(signal.SIGHUP))
        service.on_drain(lambda: process.send(signal.SIGUSR2))

        @service.worker
        async def stop() -> None:
            while not tried.is_set():  # noqa: ASYNC110 - a thread may set it
                await asyncio.sleep(0)
            process.send(signal.SIGTERM)

        with told("cannot be started") as tried:
            assert hosted(service, process=process) == 0
        said = [line["message"] for line in logged(capsys)]
        assert "SIGHUP: the service is starting; a restart follows" in said
        assert any("/no/such/python cannot be started" in line for line in said)
        assert "SIGUSR2: no restart, because the service is stopping" in said

    def test_one_before_the_loop_runs_is_not_lost(self) -> None:
        """It arrives while the service is imported and set up: the start is over at once."""

        class Early(FakeProcess):
            def on_signal(self, number: int, handler: Callable[[int], None]) -> Callable[[], None]:
                restore = super().on_signal(number, handler)
                if number == signal.SIGTERM:
                    self.send(number)
                return restore

        service = Service("s")

        @service.on_start
        async def hang() -> None:
            await asyncio.sleep(FOR_EVER)

        assert hosted(service, process=Early()) == 0

    def test_quit_shows_what_everything_does(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Threads and tasks, in the log, before anything is cancelled."""
        process = FakeProcess()
        service = Service("s")
        self.send_when_running(service, process, signal.SIGQUIT)
        assert hosted(service, process=process) in (0, 124)
        said = [line["message"] for line in logged(capsys)]
        stacks = next(line for line in said if line.startswith("SIGQUIT: what everything"))
        assert "thread MainThread" in stacks
        assert "TestSignals.send_when_running.<locals>.send" in stacks

    def test_two_together_are_one(self) -> None:
        """A group's and a parent's: nothing is forced, and nothing killed."""
        process = Ended()
        service = Service("s")
        self.send_when_running(service, process, signal.SIGINT, signal.SIGTERM, signal.SIGINT)
        assert hosted(service, process=process) == 0
        assert process.exit_code is None


@pytest.mark.parametrize(
    ("cause", "shown"), [(BrokenError("somebody listens there"), False), (OSError("odd"), True)]
)
def test_a_cause_that_says_what_to_do_has_no_traceback(
    cause: Exception, shown: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the user is at fault the message is enough; anything unforeseen keeps its story."""
    service = Service("s")

    @service.on_start
    async def listen() -> None:
        raise cause

    assert service.run(files=[], flags=["mainstay.log.format=json"]) == 3
    said = capfd.readouterr().err
    assert f"start hook '{listen.__qualname__}' could not be started: {cause}" in said
    assert ("Traceback" in said) is shown
    (told,) = [line for line in said.splitlines() if "could not be started" in line]
    assert json.loads(told)["level"] == "critical"
