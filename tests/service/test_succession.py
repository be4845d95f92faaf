"""Facts about `mainstay.service.succession`; whole restarts are in `tests.process.test_handover`."""

import asyncio
import errno
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from mainstay import Service, Settings
from mainstay.http import HttpSettings
from mainstay.interfaces.controlled import Outcome
from mainstay.process.handover import HandoverState
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import Launch
from mainstay.process.settings import ProcessSettings
from mainstay.service.running import State
from mainstay.service.succession import KEPT, Succession, refusal

pytestmark = pytest.mark.real_loop

CHILD: Final = str(Path(__file__).parents[1] / "process/child_program.py")
HELLO: Final = '{"type":"hello","versions":[1],"nonce":"NONCE","pid":PID}'
PREPARED: Final = '{"type":"prepared","addresses":[]}'
GOOD: Final = (HELLO, "wait welcome", PREPARED, "wait commit", '{"type":"serving"}', "wait")

PATIENT: Final = {"commit_timeout": 45.0, "heartbeat": 10.0}
"""Settings under which a script does what it does on any machine, and may be silent meanwhile."""


@pytest.mark.parametrize(
    ("state", "worker", "alone", "busy", "reason"),
    [
        (State.RUNNING, False, True, False, ""),
        (State.STARTING, False, True, False, "the service is starting"),
        (State.STOPPING, False, True, False, "the service is stopping"),
        (State.RUNNING, False, True, True, "a restart is under way"),
        (State.RUNNING, False, False, False, "the generation before has not left yet"),
        (State.RUNNING, True, True, False, "this process is a worker"),
    ],
)
def test_who_may_restart(state: State, worker: bool, alone: bool, busy: bool, reason: str) -> None:
    """One at a time, of a service that runs, and never a third generation."""
    said = refusal(state=state, worker=worker, alone=alone, busy=busy)
    assert said.startswith(reason)
    assert bool(said) is bool(reason)


async def until(what: Callable[[], Any]) -> Any:
    """What `what` returns, as soon as it is true."""
    while not (found := what()):  # noqa: ASYNC110 - it is whatever the test looks at
        await asyncio.sleep(0)
    return found


@asynccontextmanager
async def succession(
    *steps: str,
    role: str = "",
    python: str = sys.executable,
    notifier: HostNotifier | None = None,
    **settings: float,
) -> AsyncIterator[Succession]:
    """Of a service in this process, whose successor is a script that goes through `steps`."""
    service = Service("s")

    @service.get("/")
    async def hello() -> str:
        return "hello"

    chosen = {**PATIENT, "probation": 0.0, "kill_grace": 0.1, **settings}
    process = ProcessSettings(**chosen)  # type: ignore[arg-type]
    http = HttpSettings(listen=("tcp://127.0.0.1:0",))
    async with service.running(settings=Settings(http=http, process=process)) as running:
        launch = Launch((python, "-SI", CHILD, *steps), "/", {})
        made = Succession(running, launch, role=role, generation=3, started=5.0, notifier=notifier)
        try:
            yield made
        finally:
            made.abort("the test is over")
            await made.wait_idle()
            if made.handover is not None:
                made.handover.child.kill()
                await made.handover.child.end("the test is over", 1.0)


class Told(HostNotifier):
    """What a service manager hears of a restart."""

    def __init__(self) -> None:
        super().__init__({})
        self.said: list[str] = []

    def reloading(self, status: str) -> None:
        self.said.append(status)

    def reloaded(self, status: str) -> None:
        self.said.append(status)

    async def succeeded_by(self, pid: int, status: str) -> None:
        self.said.append(status)


@pytest.mark.parametrize(
    ("steps", "end"),
    [(GOOD, "generation 4 serves as"), (("exit 9",), "the restart was rolled back: process")],
)
async def test_a_service_manager_hears_of_it(steps: tuple[str, ...], end: str) -> None:
    """When it begins, and when it has ended, well or not."""
    told = Told()
    async with succession(*steps, notifier=told) as made:
        await made.restart()
        first, last = told.said
        assert first == "restarting into generation 4"
        assert last.startswith(end)


async def test_a_service_manager_hears_that_the_service_stops_in_a_restart() -> None:
    """And not that it serves on; what the restart has changed for it is taken back."""
    told = Told()
    async with succession(*GOOD, notifier=told, probation=3600) as made:
        running = asyncio.ensure_future(made.restart())
        await until(lambda: made.handover and made.handover.state is HandoverState.PROBATION)
        made._running.stop("SIGTERM")
        made.abort("SIGTERM")
        assert not (await running).ok
        assert told.said[1:] == ["stopping: SIGTERM"]


async def test_a_restart_that_goes_well() -> None:
    """The outcome has the successor's generation and pid; this generation hands over."""
    steps: list[str] = []
    async with succession(*GOOD) as made:
        outcome = await made.restart("reload", steps.append)
        assert (outcome.ok, outcome.reason, outcome.kind) == (True, "", "reload")
        assert made.handover is not None
        assert (outcome.generation, outcome.pid) == (4, made.handover.child.pid)
        assert list(made.outcomes) == [outcome]
        assert [each.split()[0] for each in steps] == [
            "started",
            "prepared",
            "serving",
            "confirmed",
        ]
        assert "generation 4 serves as process" in made._running.reason
        assert (await made.restart()).reason.startswith("the service is")


class Forgetful(HostNotifier):
    """A notifier that cannot tell anybody, as there are no descriptors left."""

    def __init__(self) -> None:
        super().__init__({})

    async def succeeded_by(self, pid: int, status: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


async def test_after_the_verdict_this_generation_leaves_whatever_fails() -> None:
    """The new one has proved itself, so there must not be two of them."""
    async with succession(*GOOD, notifier=Forgetful()) as made:
        outcome = await made.restart()
        assert outcome.ok
        assert made._running.reason == f"generation 4 serves as process {outcome.pid}"


async def test_logs_are_opened_anew_by_the_one_that_is_coming() -> None:
    """In its start as well as on probation; else it would write to what was moved away."""
    steps = (HELLO, "wait welcome", "wait reopen", PREPARED, "wait commit", '{"type":"serving"}')
    async with succession(*steps, "wait reopen", "exit 7", probation=3600) as made:
        made.reopen()  # there is nobody yet
        running = asyncio.ensure_future(made.restart())
        await until(lambda: made.handover and made.handover.child.welcome.version)
        assert made.handover is not None
        assert made.handover.state is HandoverState.STARTING
        made.reopen()
        await until(lambda: made.handover and made.handover.state is HandoverState.PROBATION)
        made.reopen()
        assert (await running).reason.endswith("ended with exit code 7")


async def test_a_restart_that_fails() -> None:
    """The outcome has the reason, and the generation and pid of this one."""
    async with succession("exit 9") as made:
        outcome = await made.restart()
        assert not outcome.ok
        assert "exit code 9" in outcome.reason
        assert outcome.generation == 3
        assert made._running.state is State.RUNNING
        assert not made._running.listeners.shared


async def test_outcomes_are_kept_and_forgotten() -> None:
    """Failed ones count, too: an operator wants to know that they tried."""
    async with succession(python="/no/such/python") as made:
        for _ in range(KEPT + 2):
            assert "cannot be started" in (await made.restart()).reason
        assert len(made.outcomes) == KEPT


async def test_the_second_of_two_restarts_is_refused() -> None:
    """At once; giving up the wait for the first does not end it."""
    async with succession("sleep") as made:
        first = asyncio.ensure_future(made.restart())
        await until(lambda: made.busy)
        second: Outcome = await made.restart()
        assert (second.ok, second.reason) == (False, "a restart is under way")
        assert not made.outcomes
        first.cancel()
        await asyncio.wait([first])
        assert made.busy


async def test_a_wish_that_comes_too_early_is_remembered_once() -> None:
    """And obeyed as soon as the restart that is under way has failed."""
    async with succession("sleep") as made:
        made.wish("SIGHUP")
        first = made.handover
        for _ in range(3):
            made.wish("SIGHUP")
        await asyncio.sleep(0)
        made.abort("the test ends it")
        await until(lambda: made.outcomes and made.busy)
        assert made.handover is not first
        made.abort("the test ends it")
        await made.wait_idle()
        await asyncio.sleep(0)
        assert made.refusal() == ""
        assert len(made.outcomes) == 2


async def test_a_successor_waits_for_the_generation_before() -> None:
    """What a signal wished is done when that has left; the listeners are its own then."""
    async with succession("exit 9", role="successor") as made:
        refused = await made.restart()
        assert refused.reason == "the generation before has not left yet"
        assert not made.outcomes
        made.wish("SIGHUP")
        assert made.handover is None
        [(_, listener)] = made._running.listeners
        made._running.listeners.shared.add(listener)
        made.freed()
        assert made.busy
        await made.wait_idle()
        assert "exit code 9" in made.outcomes[-1].reason


async def test_a_worker_is_not_restarted_by_itself() -> None:
    """Its supervisor does that."""
    async with succession("exit 9", role="worker") as made:
        made.wish("SIGHUP")
        assert not made.busy
        assert "its supervisor" in (await made.restart()).reason


async def test_a_successor_gets_what_it_asks_for() -> None:
    """By the configured address; what is not here it binds by itself."""
    listen = '{{"type":"listen","number":1,"address":"{}","backlog":5}}'
    known = listen.format("tcp://127.0.0.1:0")
    steps = (HELLO, "wait welcome", known, "wait listener", listen.format("tcp://x:1"), "wait")
    async with succession(*steps, PREPARED, "exit 9") as made:
        task = asyncio.ensure_future(made.restart())
        child = await until(lambda: made.handover and made.handover.child)
        await until(lambda: "laddr" in child.progress)
        port = made._running.addresses[0].rpartition(":")[2]
        assert f"'127.0.0.1', {port}" in child.progress
        await task
        assert not made._running.listeners.shared
