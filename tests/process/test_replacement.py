"""Facts about `mainstay.process.replacement`; with whole processes: test_supervisor_signals."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path

import pytest

from mainstay.process.host_notifier import HostNotifier
from tests.process.crew import PATIENCE, alive, children, crew, get, until

pytestmark = pytest.mark.real_loop(timeout=240)


def nothing(text: str) -> None:
    """Let nobody hear of the progress."""


class Forgetful(HostNotifier):
    """A notifier that cannot tell anybody, as there are no descriptors left."""

    def __init__(self) -> None:
        super().__init__({})

    async def succeeded_by(self, pid: int, status: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


async def test_after_the_verdict_there_is_one_supervisor_whatever_fails(tmp_path: Path) -> None:
    """The new one has proved itself, so the old one leaves, and takes its workers along."""
    async with crew(tmp_path, 1, Forgetful(), heartbeat=5.0) as running:
        await running.wait_ready()
        address = running.supervisor.status().listeners[0]
        old = running.pids()
        outcome = await running.supervisor.restart("replace", nothing)
        try:
            assert outcome.ok, outcome
            async with asyncio.timeout(PATIENCE):
                assert await running.ended == 0
            assert not any(alive(pid) for pid in old)
            answer = await get(address, "/who")
            assert int(answer.split()[0]) in children(outcome.pid)
        finally:
            os.kill(outcome.pid, signal.SIGTERM)
            await until(lambda: os.waitpid(outcome.pid, os.WNOHANG)[0] == outcome.pid)
