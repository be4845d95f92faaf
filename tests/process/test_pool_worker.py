"""Facts about `mainstay.process.pool_worker`, with a process that says what it is told to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mainstay.process.launch import Launch
from mainstay.process.messages import Listen, Listener, Welcome
from mainstay.process.offspring import ChildFailed, Offspring
from mainstay.process.pool_worker import Worker
from mainstay.process.settings import ProcessSettings
from tests.process.crew import alive, environment

pytestmark = pytest.mark.real_loop

SERVES = """
import json, os, signal, socket, time
number, _, nonce = os.environ["MAINSTAY_PARENT"].partition(":")
end = socket.socket(fileno=int(number))
say = lambda **words: end.send(json.dumps(words).encode())
say(type="hello", versions=[1], nonce=nonce, pid=os.getpid(), name="tiny")
end.recv(65536)
say(type="prepared", addresses=[])
end.recv(65536)
say(type="serving")
say(type="heartbeat", in_flight=1, connections=2, requests=3, memory=4, paused=True)
time.sleep(3600)
"""

DEAF = """
import os, signal, socket, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = socket.socket(fileno=int(os.environ["MAINSTAY_PARENT"].partition(":")[0]))
end.send(b'{"type": "progress", "text": "deaf"}')
time.sleep(3600)
"""

SETTINGS = ProcessSettings(commit_timeout=45.0)


def made(code: str) -> Worker:
    """A worker that runs `code`."""

    async def answer(question: Listen) -> tuple[Listener, list[int]]:
        raise AssertionError(question)

    launch = Launch((sys.executable, "-c", code), str(Path.cwd()), environment())
    return Worker(3, 7, Offspring(launch, Welcome(0, "worker", 7, 3), answer))


async def test_it_serves_when_it_is_let(caplog: pytest.LogCaptureFixture) -> None:
    """What it says stands in its snapshot; one that does not listen to its end is killed."""
    worker = made(SERVES)
    assert worker.snapshot().state == "starting"
    await worker.prepare(SETTINGS)
    assert worker.runs
    assert worker.snapshot().state == "prepared"
    assert worker.snapshot().memory > 4
    await worker.serve(SETTINGS)
    while worker.offspring.beat is None:
        await worker.offspring.wait_news(1.0)
    snapshot = worker.snapshot()
    assert (snapshot.index, snapshot.generation, snapshot.state) == (3, 7, "paused")
    assert (snapshot.in_flight, snapshot.connections, snapshot.requests) == (1, 2, 3)
    worker.leave("enough", None, handover=False, patience=60.0)
    # Harder is possible, softer is not.
    worker.leave("now", None, handover=False, patience=0.05, force=True)
    worker.leave("later", None, handover=False, patience=60.0)
    assert await worker.wait_ended() == -9
    assert "did not end in time" in caplog.text


async def test_one_that_fails_is_gone_before_it_is_of_use() -> None:
    """The error says how it ended; to discard it then is nothing."""
    worker = made("raise SystemExit(9)")
    with pytest.raises(ChildFailed, match="exit code 9"):
        await worker.prepare(SETTINGS)
    await worker.discard("it failed", 5.0)
    assert worker.offspring.exit_code == 9
    assert not worker.runs


async def test_one_that_hangs_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    """It says nothing within the patience, and is killed when it ignores SIGTERM."""
    worker = made(DEAF)
    child = worker.offspring
    child.start()
    while not child.progress:
        await child.wait_news(1.0)
    with pytest.raises(ChildFailed, match="hangs in its start: nothing was heard of it"):
        await child.wait_prepared(0.1, 60.0)
    await worker.discard("it hangs", 0.1)
    assert not alive(child.pid)
    assert "killing it" in caplog.text
