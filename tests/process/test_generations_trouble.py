"""Facts about `mainstay.process.generations`, and its pools, when something in a worker fails.

The workers are scripts that say so before they serve, so that it is known however short the
probation is.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mainstay.process.generations import Generations
from mainstay.process.launch import Launch
from mainstay.process.offspring import ChildFailed
from mainstay.process.sockets import Sockets
from tests.process.crew import PATIENCE

pytestmark = pytest.mark.real_loop(timeout=240)

SETTINGS = {"probation": 0.0, "heartbeat": 60.0, "commit_timeout": 45.0, "hang_timeout": None}
BEAT = {"type": "heartbeat", "in_flight": 0, "connections": 0, "requests": 0, "memory": 0}


def worker(trouble: str) -> Launch:
    """One that has this trouble, and ends when it is told to."""
    program = str(Path(__file__).with_name("child_program.py"))
    settings = json.dumps(SETTINGS)
    steps = (
        '{"type":"hello","versions":[1],"nonce":"NONCE","pid":PID,"settings":' + settings + "}",
        "wait welcome",
        '{"type":"prepared","addresses":[]}',
        "wait commit",
        json.dumps({**BEAT, "trouble": trouble}),
        '{"type":"serving"}',
        "until stop",
    )
    return Launch((sys.executable, "-SI", program, *steps), "/", {})


@asynccontextmanager
async def generations(size: int) -> AsyncIterator[Generations]:
    """The first one serves and is well."""
    sockets = Sockets()
    made = Generations(
        worker(""), sockets, gave_up=lambda reason, code: None, said=lambda settings: None
    )
    pool = made.begin(size)
    pool.supervise()
    async with asyncio.timeout(PATIENCE):
        await pool.wait_ready(size)
    try:
        yield made
    finally:
        async with asyncio.timeout(PATIENCE):
            await made.end("the test is over", handover=False, force=False)
        sockets.close()


def pids(made: Generations) -> list[int]:
    """Those that serve in the current one."""
    assert made.current is not None
    return [each.pid for each in made.current.snapshot() if each.state == "serving"]


def nothing(text: str) -> None:
    """Let nobody hear of the progress."""


@pytest.mark.parametrize("kind", ["restart", "reload"])
async def test_a_new_generation_with_trouble_is_not_confirmed(kind: str) -> None:
    """The old one serves on, and the reason is what fails in the new one."""
    async with generations(2) as made:
        old = pids(made)
        assert made.current is not None
        made._worker = made.current._launch = worker("worker 'w' fails: no broker")
        with pytest.raises(ChildFailed, match="worker 'w' fails: no broker") as caught:
            await getattr(made, kind)(nothing)
        assert "worker 0 (process" in str(caught.value)
        assert made.number == 0
        assert pids(made) == old


@pytest.mark.parametrize("kind", ["restart", "reload"])
async def test_one_that_is_well_is_confirmed(kind: str) -> None:
    """Whatever trouble the old one had: that is what a restart is to mend."""
    async with generations(2) as made:
        old = pids(made)
        assert made.current is not None
        for each in made.current._places.values():
            assert each.offspring.beat is not None
            each.offspring.beat.trouble = "worker 'w' fails: no broker"
        assert made.numbers().trouble.endswith(": worker 'w' fails: no broker")
        async with asyncio.timeout(PATIENCE):
            await getattr(made, kind)(nothing)
        assert not set(pids(made)) & set(old)
        assert made.current.failing == ""
