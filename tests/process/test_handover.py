"""Facts about `mainstay.process.handover`: the table and the verdict, and real processes that fail.

Each row of the failure matrix is a test, with load on fresh connections all the while.
"""

import asyncio
import select
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from mainstay.process.handover import TABLE, Act, Event, Handover, HandoverState, judge
from mainstay.process.launch import Launch
from mainstay.process.messages import Listen, Listener, Stopping, Welcome
from mainstay.process.offspring import Answer, Offspring
from mainstay.process.settings import ProcessSettings
from tests.process.world import World, ask, connect, until


def check(world: World) -> None:
    """The invariants that hold whatever has happened."""
    world.watch.stop()
    assert world.watch.most <= 2, "more than two generations"
    until(lambda: not world.zombies(), "somebody is not reaped")


def fails(world: World, reason: str, *, quick: bool = True) -> None:
    """Restart, which fails for `reason`; the old one serves on as if nothing had been."""
    load = world.load()
    load.stop()
    before = until(world.descriptors)
    load = world.load()
    line = world.fail()
    assert reason in line, line
    assert world.alive() == [world.pid]
    load.stop()
    assert not load.faults
    assert set(load.answers) == {world.pid}
    until(lambda: world.descriptors() <= before, "descriptors are left over")
    assert ask(world.address) == world.pid
    check(world)


class TestTable:
    def test_every_state_has_a_way_out_but_the_ends(self) -> None:
        """Failing is possible in each of the others, and always brings the successor to its end."""
        for state in HandoverState:
            ways = {event for before, event in TABLE if before is state}
            assert (Event.FAILED in ways) is not state.over
            if not state.over:
                after, acts = TABLE[state, Event.FAILED]
                assert after is HandoverState.ROLLED_BACK
                assert acts[-1] is Act.END

    def test_the_successor_serves_before_this_one_pauses(self) -> None:
        """And this one accepts again before it ends the successor."""
        assert TABLE[HandoverState.COMMITTED, Event.SERVING][1] == (Act.PAUSE,)
        assert TABLE[HandoverState.PROBATION, Event.FAILED][1] == (Act.RESUME, Act.END)
        pausing = [key for key, (_, acts) in TABLE.items() if Act.PAUSE in acts]
        assert pausing == [(HandoverState.COMMITTED, Event.SERVING)]

    def test_the_way_of_a_restart_that_goes_well(self) -> None:
        """One event after the other, in the order of the states."""
        state, way = HandoverState.SPAWN, []
        for event in (Event.STARTED, Event.PREPARED, Event.AGREED, Event.SERVING, Event.SETTLED):
            state, _ = TABLE[state, event]
            way.append(state)
        assert way == list(HandoverState)[1:6]


@pytest.mark.parametrize(
    ("elapsed", "silent", "leaving", "ended", "event"),
    [
        (0.0, 0.0, None, False, None),
        (9.9, 4.9, None, False, None),
        (10.0, 0.0, None, False, Event.SETTLED),
        (3.0, 5.1, None, False, Event.FAILED),
        (10.0, 5.1, None, False, Event.FAILED),
        (3.0, 0.0, None, True, Event.FAILED),
        (3.0, 0.0, Stopping(0, "SIGTERM"), False, Event.LEFT),
        (3.0, 0.0, Stopping(0, "SIGTERM"), True, Event.LEFT),
        (3.0, 0.0, Stopping(0, "worker failed", True), False, Event.FAILED),
    ],
)
def test_the_judge(
    elapsed: float, silent: float, leaving: Stopping | None, ended: bool, event: Event | None
) -> None:
    """Its own word counts more than its end, its end more than silence, and all more than time."""
    assert (
        judge(
            elapsed=elapsed,
            silent=silent,
            settings=ProcessSettings(),
            leaving=leaving,
            ended=ended,
        )
        is event
    )


@pytest.mark.parametrize(("elapsed", "event"), [(9.9, None), (10.0, Event.FAILED)])
def test_one_with_trouble_may_mend_it_until_the_end_of_its_probation(
    elapsed: float, event: Event | None
) -> None:
    """Not longer: the old generation would be gone when the last try fails."""
    judged = judge(
        elapsed=elapsed,
        silent=0.0,
        settings=ProcessSettings(),
        leaving=None,
        ended=False,
        trouble="worker 'w' fails: no",
    )
    assert judged is event


PREPARED = (
    '{"type":"hello","versions":[1],"nonce":"NONCE","pid":PID}',
    "wait welcome",
    '{"type":"prepared","addresses":[]}',
)
SERVING = (*PREPARED, "wait commit", '{"type":"serving"}')
FAILING = '{"type":"stopping","left":0,"reason":"a worker failed","failed":true}'


TROUBLE = (
    '{"type":"heartbeat","in_flight":0,"connections":0,"requests":0,"memory":0,'
    '"trouble":"worker \'w\' fails: no"}'
)
"""Said before it serves, so that it is known in the probation, however short that is."""


PATIENT = {"kill_grace": 0.05, "commit_timeout": 45.0, "heartbeat": 10.0}
"""Settings under which a script that does something has the time for it on any machine."""


class Stage:
    """A handover to a script, and what it does to this generation."""

    def __init__(self, *steps: str, **settings: float) -> None:
        program = str(Path(__file__).with_name("child_program.py"))
        launch = Launch((sys.executable, "-SI", program, *steps), "/", {})
        self.child = Offspring(launch, Welcome(0, "successor", 1), self._sockets)
        self.done: list[str] = []
        self.said: list[str] = []
        self.handover = Handover(
            self.child,
            ProcessSettings(**{**PATIENT, **settings}),  # type: ignore[arg-type]
            pause=self._pause,
            resume=lambda: self.done.append(f"resume, it is {self.child.state.value}"),
            progress=self.said.append,
        )

    async def _sockets(self, question: Listen) -> Answer:
        return Listener(question.number, False), []

    async def _pause(self) -> None:
        self.done.append("pause")
        self.child.reopen()  # so that the script knows
        await asyncio.sleep(3600)  # as a handshake that does not end


@pytest.mark.real_loop
class TestOnStage:
    async def test_this_generation_accepts_again_before_the_successor_is_gone(self) -> None:
        """It fails and lives on: nobody waits for its end, nor for a pause that takes long."""
        stage = Stage("deaf", *SERVING, "wait reopen", FAILING, "sleep")
        verdict = await stage.handover.run()
        assert verdict.state is HandoverState.ROLLED_BACK
        assert verdict.reason.endswith("stops: a worker failed")
        assert stage.done == ["pause", "resume, it is stopping"]
        assert stage.child.status == -signal.SIGKILL

    async def test_what_still_fails_at_the_end_of_the_probation_takes_it_back(self) -> None:
        """Though the process serves; the reason is what fails."""
        stage = Stage(*PREPARED, "wait commit", TROUBLE, '{"type":"serving"}', "sleep", probation=0)
        verdict = await stage.handover.run()
        assert verdict.state is HandoverState.ROLLED_BACK
        assert verdict.reason == "worker 'w' fails: no"
        assert stage.done == ["pause", "resume, it is serving"]
        assert stage.child.status is not None

    async def test_what_was_mended_in_the_probation_is_forgotten(self) -> None:
        """Its last word counts."""
        well = TROUBLE.partition(',"trouble"')[0] + "}"
        serve = ("wait commit", TROUBLE, well, '{"type":"serving"}')
        stage = Stage(*PREPARED, *serve, "sleep", probation=0)
        verdict = await stage.handover.run()
        stage.child.kill()
        await stage.child.wait_ended()
        assert (verdict.state, verdict.reason) == (HandoverState.DONE, "")

    async def test_before_it_serves_nothing_is_paused(self) -> None:
        """So there is nothing to resume."""
        stage = Stage(*PREPARED, "wait commit", "exit 3")
        verdict = await stage.handover.run()
        assert (verdict.state, verdict.code) == (HandoverState.ROLLED_BACK, 3)
        assert stage.done == []

    async def test_a_successor_that_does_not_heed_its_word_to_serve(self) -> None:
        """It has a time of its own."""
        stage = Stage(*PREPARED, "sleep", commit_timeout=0.1)
        verdict = await stage.handover.run()
        assert "did not serve within 0.1 s" in verdict.reason
        assert stage.done == []

    @pytest.mark.parametrize("steps", [(), PREPARED, SERVING], ids=["start", "commit", "serve"])
    async def test_it_can_be_aborted_at_any_time(self, steps: tuple[str, ...]) -> None:
        """Before its first step, and wherever it waits."""
        stage = Stage(*steps, "sleep")
        running = asyncio.ensure_future(stage.handover.run())
        while steps and stage.handover.state.value not in ("committed", "probation"):
            await stage.child.wait_news(0.01) if stage.child.pid else await asyncio.sleep(0)
        stage.handover.abort("SIGTERM")
        stage.handover.abort("again")
        verdict = await running
        assert (verdict.state, verdict.reason) == (HandoverState.ROLLED_BACK, "SIGTERM")
        assert (stage.child.pid == 0) is not bool(steps)
        assert stage.said[-1] == "rolled back: SIGTERM"

    async def test_a_blocked_generation_does_not_blame_a_healthy_successor(self) -> None:
        """What arrived while a call blocked this loop is heard before the verdict."""
        stage = Stage(*SERVING, "beat", heartbeat=0.1, probation=1.0)
        wait_news, catch_up = stage.child.wait_news, stage.child.catch_up

        async def blocked(timeout: float) -> float:
            if stage.handover.state is not HandoverState.PROBATION:
                return await wait_news(timeout)
            threading.Event().wait(0.7)  # more than the silence that is suffered
            return 0.0

        def once_it_beats() -> None:
            if stage.handover.state is HandoverState.PROBATION:
                assert stage.child._channel is not None
                select.select([stage.child._channel._end], [], [])
            catch_up()

        stage.child.wait_news = blocked  # type: ignore[method-assign]
        stage.child.catch_up = once_it_beats  # type: ignore[method-assign]
        verdict = await stage.handover.run()
        stage.child.kill()
        await stage.child.wait_ended()
        assert (verdict.state, verdict.reason) == (HandoverState.DONE, "")

    async def test_what_drives_it_is_cancelled(self) -> None:
        """The successor does not outlive that."""
        stage = Stage("sleep")
        running = asyncio.ensure_future(stage.handover.run())
        while not stage.child.pid:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        running.cancel()
        assert await stage.child.wait_ended() == -signal.SIGKILL


class TestWell:
    def test_restarts_in_a_row_lose_nothing(self, tmp_path: Path) -> None:
        """Three of them, under load; the port that 0 became stays."""
        with World(tmp_path) as world:
            load, address, seen = world.load(), world.address, [world.pid]
            for _ in range(3):
                seen.append(world.restart())
                until(lambda: load.answers[world.pid])
            load.stop()
            assert not load.faults
            assert set(load.answers) == set(seen)
            assert world.address == address
            check(world)
            world.send(signal.SIGTERM)
            assert world.gone(world.pid) == 0

    def test_a_unix_path_survives_until_the_last_generation(self, tmp_path: Path) -> None:
        """The same file all the time, also after a restart that failed; then it is removed."""
        path = tmp_path / "socket"
        # In the probation it has the time to crash.
        with World(tmp_path, listen=(f"unix:{path}",), probation=5.0) as world:
            inode = path.stat().st_ino
            load = world.load()
            world.set("crash", "fail")
            (tmp_path / "now").touch()
            world.fail()
            world.unset("crash")
            assert path.stat().st_ino == inode
            world.restart()
            assert path.stat().st_ino == inode
            load.stop()
            assert not load.faults
            world.send(signal.SIGTERM)
            world.gone(world.pid)
            assert not path.exists()

    def test_an_address_that_is_new_and_one_that_is_gone(self, tmp_path: Path) -> None:
        """The successor binds the first by itself; the other ends with this generation."""
        kept, gone, new = (tmp_path / name for name in ("kept", "gone", "new"))
        with World(tmp_path, listen=(f"unix:{kept}", f"unix:{gone}")) as world:
            load = world.load()
            world.configure((f"unix:{kept}", f"unix:{new}"))
            pid = world.restart()
            load.stop()
            assert not load.faults
            assert ask(f"unix:{new}") == ask(f"unix:{kept}") == pid
            assert not gone.exists()

    def test_calls_under_way_are_finished_by_the_old_one(self, tmp_path: Path) -> None:
        """It leaves when they are answered."""
        with (
            World(tmp_path) as world,
            socket.create_connection(("127.0.0.1", int(world.address.rpartition(":")[2]))) as sock,
        ):
            sock.sendall(b"GET /held HTTP/1.1\r\nhost: world\r\n\r\n")
            until((tmp_path / "holding").exists)
            old = world.pid
            world.send(signal.SIGHUP)
            world.wait_said("stopping: generation 1 serves")
            (tmp_path / "release").touch()
            reply = sock.recv(65536)
            assert b"connection: close" in reply.lower()
            assert reply.endswith(str(old).encode())


STARTS = {
    # What goes wrong: what the log of the old one says about it.
    "fail at import": "the table is gone",
    "exit at import": "exit code 7",
    "fail at start": "the table is gone",
    "no descriptors": "ulimit -n",
}


@pytest.mark.parametrize(("knob", "reason"), STARTS.items(), ids=list(STARTS))
def test_a_successor_that_does_not_start(tmp_path: Path, knob: str, reason: str) -> None:
    """The old one serves on, all descriptors are closed, and the reason is in its log."""
    with World(tmp_path) as world:
        world.set(knob, "the table is gone")
        fails(world, reason)


def test_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    """Every fault is in the log of the old one; after it is mended, a restart succeeds."""
    with World(tmp_path) as world:
        world.configure(("tcp://127.0.0.1:0",), "probatoin = 3")
        fails(world, "probatoin")
        world.configure(("tcp://127.0.0.1:0",))
        world.restart()


def test_an_address_that_cannot_be_had(tmp_path: Path) -> None:
    """A new address that somebody else has: refused with its name."""
    with World(tmp_path) as world, socket.create_server(("127.0.0.1", 0)) as taken:
        there = f"127.0.0.1:{taken.getsockname()[1]}"
        world.configure(("tcp://127.0.0.1:0", f"tcp://{there}"))
        fails(world, there)


def test_a_program_that_is_gone(tmp_path: Path) -> None:
    """The folder it was started in, as a release that was removed: refused at once."""
    folder = tmp_path / "release"
    folder.mkdir()
    with World(folder) as world:
        load = world.load()
        folder.rename(tmp_path / "moved")
        world.move(tmp_path / "moved")
        assert "cannot be started" in world.fail()
        load.stop()
        assert not load.faults
        check(world)


@pytest.mark.parametrize("how", ["garbage", "unknown version", "wrong nonce"])
def test_a_successor_that_speaks_otherwise(tmp_path: Path, how: str) -> None:
    """It is given up at its first word, long before it would count as hanging."""
    reasons = {
        "garbage": "cannot be understood",
        "unknown version": "it speaks version 98, 99 of the hand-over, and this release 1",
        "wrong nonce": "does not know its nonce",
    }
    with World(tmp_path, child_timeout=3600) as world:
        world.set("say", how)
        fails(world, reasons[how])


def test_a_successor_that_leaves_its_channel(tmp_path: Path) -> None:
    """And lives: it is ended, as nobody could tell it to serve."""
    with World(tmp_path, child_timeout=3600) as world:
        world.set("say", "hang up")
        fails(world, "has left its channel")


@pytest.mark.parametrize("how", ["deaf", "mild"])
def test_a_successor_that_hangs_and_says_nothing(tmp_path: Path, how: str) -> None:
    """It is ended after its time: by SIGTERM, or by SIGKILL if it does not heed that."""
    with World(tmp_path, child_timeout=1.0) as world:
        world.set("hang at import", how)
        fails(world, "nothing was heard of it for 1 s")


def test_a_successor_that_goes_on_for_ever(tmp_path: Path) -> None:
    """It says that it starts, again and again: there is a bound for that, too."""
    with World(tmp_path, child_timeout=3600, child_timeout_most=2.0) as world:
        world.set("hang at start")
        fails(world, "it was not ready after 2 s")


def test_a_successor_that_was_stopped(tmp_path: Path) -> None:
    """By SIGSTOP while it starts: it is killed, though it hears of no SIGTERM."""
    with World(tmp_path, child_timeout=2.0) as world:
        world.set("stop at start")
        load = world.load()
        world.send(signal.SIGHUP)
        assert "nothing was heard" in world.wait_said("was rolled back")
        assert world.alive() == [world.pid]
        load.stop()
        assert not load.faults
        check(world)


CRASHES = {
    "kill": "was killed by SIGKILL",
    "fail": "the new code does not work",
    "exit": "exit code 9",
    "stop": "nothing was heard of process",
}


@pytest.mark.parametrize(("how", "reason"), CRASHES.items(), ids=list(CRASHES))
def test_a_successor_that_fails_on_probation(tmp_path: Path, how: str, reason: str) -> None:
    """The old one accepts again at once; what waits in the queue is answered by it.

    Only what the successor had accepted can be lost, one request a user here.
    """
    heartbeat = 3.0 if how == "stop" else 10.0
    with World(tmp_path, probation=3600, heartbeat=heartbeat) as world:
        world.set("crash", how)
        load = world.load(users=2)
        world.send(signal.SIGHUP)
        child = world.successor()
        until(lambda: load.answers[child])
        (tmp_path / "now").touch()
        assert reason in world.wait_said("was rolled back")
        before = load.answers[world.pid]
        until(lambda: load.answers[world.pid] > before)
        load.stop()
        assert sum(load.faults.values()) <= 2
        assert "refused" not in load.faults
        assert world.alive() == [world.pid]
        check(world)


def test_a_successor_that_is_asked_to_stop_on_probation(tmp_path: Path) -> None:
    """The service was meant: both generations end, and the path is removed."""
    path = tmp_path / "socket"
    with World(tmp_path, listen=(f"unix:{path}",), probation=3600) as world:
        world.send(signal.SIGHUP)
        world.wait_said("restart: serving")
        child = world.successor()
        until(lambda: ask(f"unix:{path}") == child)
        world.send(signal.SIGTERM, child)
        assert world.gone(world.pid) == 0
        world.gone(child)
        assert not path.exists()


@pytest.mark.parametrize("serving", [False, True])
def test_a_stop_during_a_restart(tmp_path: Path, serving: bool) -> None:
    """SIGTERM to the old one ends the successor, however far it is, and then the service; the path
    is removed, and nobody is told that a generation serves on."""
    path = tmp_path / "socket"
    with World(tmp_path, listen=(f"unix:{path}",), probation=3600) as world:
        if not serving:
            world.set("hang at start")
        world.send(signal.SIGHUP)
        child = world.successor()
        if serving:
            until(lambda: ask(f"unix:{path}") == child)
        world.send(signal.SIGTERM)
        assert world.gone(world.pid) == 0
        assert child not in world.alive()
        assert not path.exists()
        assert "the restart was given up after" in world.log()
        assert "serves on" not in world.log().replace("serves on unix:", "")
        check(world)


def test_two_restarts_at_once(tmp_path: Path) -> None:
    """The second waits until the successor is alone, however often it was asked for."""
    with World(tmp_path) as world:
        load = world.load()
        world.set("hold")
        world.send(signal.SIGHUP)
        world.successor()
        for times in (1, 2, 3):
            world.send(signal.SIGUSR2)
            world.wait_said("SIGUSR2: a restart is under way; another restart follows", times)
        world.unset("hold")
        assert "generation 2 serves" in world.wait_said("restarted in", 2)
        until(lambda: len(world.alive()) == 1)
        load.stop()
        assert not load.faults
        assert len(load.answers) <= 3
        check(world)


class TestOrphans:
    def test_before_it_is_prepared(self, tmp_path: Path) -> None:
        """It ends with 75, long before its start would be over."""
        with World(tmp_path) as world:
            world.set("hang at start")
            world.send(signal.SIGHUP)
            child = world.successor()
            until((tmp_path / "hanging").exists)
            world.send(signal.SIGKILL)
            world.gone(world.pid)
            assert world.gone(child) == 75

    def test_when_it_is_prepared(self, tmp_path: Path) -> None:
        """Its word to serve never comes: it takes over, and the queue is answered."""
        with World(tmp_path) as world:
            world.set("hold")
            world.send(signal.SIGHUP)
            child = world.successor()
            until((tmp_path / "held").exists)
            world.send(signal.SIGSTOP)
            until(world.paused)
            load = world.load(wait=False)
            world.unset("hold")
            world.wait_said("prepared, and waiting for the word to serve")
            world.send(signal.SIGKILL)
            until(lambda: load.answers[child])
            load.stop()
            assert not load.faults
            world.wait_said("the parent is gone; taking over")
            world.gone(world.pid)
            world.pid = child
            world.restart()  # it is a generation as any other

    def test_after_the_commit(self, tmp_path: Path) -> None:
        """It goes on by itself, and can be restarted."""
        with World(tmp_path, probation=3600) as world:
            load = world.load(users=1)
            world.send(signal.SIGHUP)
            child = world.successor()
            # From then on the old one accepts nothing; and once the user has had an answer of the
            # new one, there is nothing that dies with the old one.
            world.wait_said("restart: serving")
            before = load.answers[child]
            until(lambda: load.answers[child] > before)
            world.send(signal.SIGKILL)
            world.gone(world.pid)
            before = load.answers[child]
            until(lambda: load.answers[child] > before)
            load.stop()
            assert not load.faults

    def test_both_killed(self, tmp_path: Path) -> None:
        """Nobody holds the queue any more: the port is free, and a new start works."""
        with World(tmp_path, probation=3600) as world:
            world.send(signal.SIGHUP)
            child = world.successor()
            world.wait_said("restart: serving")
            address = world.address
            for pid in (world.pid, child):
                world.send(signal.SIGKILL, pid)
            world.gone(world.pid)
            assert world.gone(child) == -signal.SIGKILL
            with pytest.raises(ConnectionRefusedError):
                ask(address)


def test_one_generation_at_a_time(tmp_path: Path) -> None:
    """A successor is not restarted before the one before it has left, but then it is."""
    with World(tmp_path) as world, connect(world.address) as sock:
        # A call under way keeps the one before.
        sock.sendall(b"GET /held HTTP/1.1\r\nhost: world\r\n\r\n")
        until((tmp_path / "holding").exists)
        world.send(signal.SIGHUP)
        world.wait_said("restart: serving")
        child = world.successor()
        until(lambda: ask(world.address) == child)
        world.send(signal.SIGHUP, child)
        world.wait_said("SIGHUP: the generation before has not left yet")
        (tmp_path / "release").touch()
        world.wait_said("restarted in", 2)
        until(lambda: len(world.alive()) == 1)
        check(world)
