"""Facts about `mainstay.process.offspring`: real children that say what they are told to."""

import asyncio
import os
import select
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from mainstay.process.launch import Launch
from mainstay.process.messages import FromChild, Heartbeat, Listen, Listener, Stopping, Welcome
from mainstay.process.offspring import Answer, ChildFailed, ChildState, Offspring

pytestmark = pytest.mark.real_loop

PROGRAM: Final = Path(__file__).with_name("child_program.py")
HELLO: Final = '{"type":"hello","versions":[1],"nonce":"NONCE","pid":PID,"name":"hello"}'
PREPARED: Final = '{"type":"prepared","addresses":["tcp://x:1"]}'
SERVING: Final = '{"type":"serving"}'
STOPPING: Final = '{"type":"stopping","left":0,"reason":"SIGTERM"}'
FAILED: Final = '{"type":"failed","reason":"no database","code":3}'
STARTED: Final = (HELLO, "wait welcome", PREPARED)
LONG: Final = 45.0


async def nothing(question: Listen) -> Answer:
    """No socket."""
    return Listener(question.number, False), []


class Ears(list[FromChild]):
    """What a child said besides."""

    def __call__(self, child: Offspring, message: FromChild) -> None:
        self.append(message)


@asynccontextmanager
async def started(*steps: str, ears: Ears | None = None) -> AsyncIterator[Offspring]:
    """A child that goes through `steps`, and is gone afterwards."""
    child = born(*steps, ears=ears)
    child.start()
    try:
        yield child
    finally:
        child.kill()
        await child.wait_ended()


def born(*steps: str, ears: Ears | None = None) -> Offspring:
    """One that is not started."""
    environ = {"PATH": os.environ["PATH"]}
    # Without site packages it starts in 10 ms.
    launch = Launch((sys.executable, "-SI", str(PROGRAM), *steps), "/", environ)
    return Offspring(launch, Welcome(0, "worker", 3), nothing, Ears() if ears is None else ears)


async def test_a_child_from_its_start_to_its_end() -> None:
    """It is told to serve when it is ready, and its exit code is taken."""
    steps = (*STARTED, "wait commit", SERVING, "wait stop", "exit 5")
    async with started(*steps) as child:
        assert (child.state, child.pid > 0) == (ChildState.STARTING, True)
        await child.wait_prepared(LONG, LONG)
        assert (child.name, child.addresses) == ("hello", ["tcp://x:1"])
        assert child.welcome.version == 1
        child.commit()
        await child.wait_serving(LONG)
        child.stop("over")
        assert await child.wait_ended() == 5
        assert (child.state, child.exit_code) == (ChildState.ENDED, 5)


async def test_a_child_gets_the_sockets_that_it_asks_for() -> None:
    """Each by its question; what fails is told to it."""
    listen = '{"type":"listen","number":1,"address":"tcp://x:0","backlog":5}'
    child = born(HELLO, "wait welcome", listen, "wait listener", "sleep")
    with socket.create_server(("127.0.0.1", 0)) as held:

        async def sockets(question: Listen) -> Answer:
            assert question.address == "tcp://x:0"
            return Listener(question.number, True), [held.fileno()]

        child._sockets = sockets
        child.start()
        while str(held.getsockname()[1]) not in child.progress:
            await child.wait_news(LONG)
        child.kill()
        await child.wait_ended()


async def test_a_failure_of_the_sockets_is_an_answer() -> None:
    """The child is told why, and nothing hangs."""
    listen = '{"type":"listen","number":1,"address":"tcp://x:0","backlog":5}'
    child = born(HELLO, "wait welcome", listen, "wait", "exit 6")

    async def sockets(question: Listen) -> Answer:
        raise OSError("there is none")

    child._sockets = sockets
    child.start()
    assert await child.wait_ended() == 6


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (("exit 7",), "ended with exit code 7"),
        (("kill",), "was killed by SIGKILL"),
        (('{"type":"failed","reason":"no module app","code":4}', "exit 4"), "no module app"),
        ((HELLO, '{"type":"stopping","left":0,"reason":"SIGTERM"}', "sleep"), "stops: SIGTERM"),
        (("close", "sleep"), "has left its channel"),
        (('{"type":"surprise"}', "sleep"), "cannot be understood"),
        ((HELLO.replace("NONCE", "guess"), "sleep"), "does not know its nonce"),
        ((HELLO.replace("NONCE", "gueß"), "sleep"), "does not know its nonce"),
        ((HELLO.replace("PID", "1"), "sleep"), "does not know its nonce"),
        ((HELLO.replace("[1]", "[7]"), "sleep"), "it speaks version 7 of the hand-over"),
    ],
)
async def test_a_child_that_fails(steps: tuple[str, ...], reason: str) -> None:
    """Is noticed at once, with the best reason that there is."""
    async with started(*steps) as child:
        with pytest.raises(ChildFailed, match=reason):
            await child.wait_prepared(LONG, LONG)


@pytest.mark.parametrize(
    ("steps", "asked"),
    [
        (("exit 143",), True),
        (("exit 130",), True),
        (("exit 1",), False),
        ((HELLO, STOPPING, "exit 0"), True),
        ((HELLO, STOPPING.replace("}", ',"failed":true}'), "exit 0"), False),
        ((HELLO, FAILED, STOPPING, "exit 143"), False),
    ],
)
async def test_whether_somebody_has_asked_it_to_end(steps: tuple[str, ...], asked: bool) -> None:
    """It says so, or a signal has ended it; not if something was wrong with it."""
    async with started(*steps) as child:
        await child.wait_ended()
        assert child.asked is asked


async def test_a_child_without_a_common_version_is_told_to_end() -> None:
    """Before anything else."""
    async with started(HELLO.replace("[1]", "[7]"), "wait abort", "exit 75") as child:
        assert await child.wait_ended() == 75


@pytest.mark.parametrize(
    ("patience", "most", "reason"),
    [(0.1, LONG, "nothing was heard of it for 0.1 s"), (LONG, 0.1, "not ready after 0.1 s")],
)
async def test_a_child_that_hangs(patience: float, most: float, reason: str) -> None:
    """There is a bound for its silence, and one for all of it."""
    async with started("sleep") as child:
        with pytest.raises(ChildFailed, match=reason):
            await child.wait_prepared(patience, most)


async def test_a_child_that_does_not_serve() -> None:
    """Though it was told to: a bound, and its own end."""
    async with started(*STARTED, "wait commit", "wait", "exit 3") as child:
        await child.wait_prepared(LONG, LONG)
        child.commit()
        with pytest.raises(ChildFailed, match=r"did not serve within 0\.1 s"):
            await child.wait_serving(0.1)
        child.pause()
        with pytest.raises(ChildFailed, match="exit code 3"):
            await child.wait_serving(LONG)


def has_said_something(child: Offspring, before: ChildState) -> None:
    """Wait in the way that a call blocks a loop, until the child has said something, unless it was
    so quick that the loop has heard it already."""
    assert child._channel is not None
    if child.state is not before:
        return
    ready, _, _ = select.select([child._channel._end], [], [], LONG)
    assert ready


async def test_what_has_arrived_counts_though_nobody_has_read_it() -> None:
    """This process was blocked until the time of the child was over: its word is heard first."""
    async with started(*STARTED, "wait commit", SERVING, "sleep") as child:
        while not child.name:
            await child.wait_news(LONG)
        has_said_something(child, ChildState.STARTING)
        await child.wait_prepared(0.0, 0.0)
        child.commit()
        has_said_something(child, ChildState.COMMITTED)
        await child.wait_serving(0.0)


async def test_the_time_in_which_nobody_listened_is_no_silence() -> None:
    """A wait that was longer than planned, as this process was stopped, is taken away from it."""
    async with started(HELLO, "wait welcome", "sleep") as child:
        while not child.name:
            await child.wait_news(LONG)
        heard = child.heard
        asyncio.get_running_loop().call_soon(time.sleep, 0.4)
        late = await child.wait_news(0.1)
        assert late >= 0.2
        assert child.heard == pytest.approx(heard + late)


@pytest.mark.parametrize("command", ["/no/such/python", str(PROGRAM)])
async def test_a_program_that_cannot_be_started(command: str) -> None:
    """It is not there, or no program: told at once, and nothing stays open."""
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    child = Offspring(Launch((command,), "/", {}), Welcome(0, "worker", 0), nothing)
    with pytest.raises(ChildFailed, match=f"{command} cannot be started: "):
        child.start()
    # Fewer, when what others have left is collected meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
    await child.end("it has never begun", 1.0)


async def test_the_mild_end() -> None:
    """An abort, and SIGTERM, which a program that has no handler for it dies of."""
    async with started(*STARTED, "sleep") as child:
        await child.wait_prepared(LONG, LONG)
        await child.end("over", LONG)
        assert child.status == -signal.SIGTERM


async def test_the_hard_end() -> None:
    """It does not heed SIGTERM, or has been stopped: SIGKILL, and it is reaped."""
    async with started("deaf", *STARTED, "sleep") as child:
        await child.wait_prepared(LONG, LONG)
        child.kill(signal.SIGSTOP)
        await child.end("over", 0.05)
        assert child.status == -signal.SIGKILL
        with pytest.raises(ChildProcessError):
            os.waitpid(child.pid, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
        child.kill()  # does nothing to whoever has the number now
        await child.end("again", LONG)


async def test_what_it_says_besides_is_passed_on() -> None:
    """Signs of life, and that it begins to stop."""
    ears = Ears()
    beat = '{"type":"heartbeat","in_flight":1,"connections":2,"requests":3,"memory":4}'
    stopping = '{"type":"stopping","left":5,"reason":"SIGTERM","failed":false}'
    async with started(*STARTED, beat, stopping, "exit 0", ears=ears) as child:
        await child.wait_ended()
        assert ears == [Heartbeat(1, 2, 3, 4), Stopping(5, "SIGTERM")]
        assert (child.beat, child.leaving) == (ears[0], ears[1])


async def test_what_it_said_last_is_heard_before_its_end() -> None:
    """A reason that was sent just before the exit is never lost to the exit code."""
    for _ in range(5):
        async with started('{"type":"failed","reason":"why","code":78}', "exit 78") as child:
            await child.wait_ended()
            assert (str(child.failure()), child.exit_code) == ("why", 78)


async def test_a_child_that_is_left_goes_on() -> None:
    """It sees the end of the channel; nobody here looks at it any more."""
    async with started(*STARTED, "wait", "exit 1") as child:
        await child.wait_prepared(LONG, LONG)
        pid = child.pid
        child.leave()
        status = await asyncio.to_thread(os.waitpid, pid, 0)
        assert os.waitstatus_to_exitcode(status[1]) == 75
        child._ended.set_result(None)
        child.status = 75
