"""What an operator may ask of a service in one process: the contract, and what is its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from mainstay import Service
from mainstay.core.effects import Effects
from mainstay.errors import UsageError
from mainstay.process.launch import launched
from mainstay.service.controlling import Controls
from mainstay.service.running import Running
from mainstay.service.succession import Succession
from mainstay.testing.contracts.controlled import ControlledContract
from mainstay.version import VERSION

if TYPE_CHECKING:
    from mainstay.interfaces.controlled import Controlled


class Host:
    """What a `Controls` is given, and what it asked for."""

    def __init__(self) -> None:
        self.running: Running | None = None
        self.succession: Succession | None = None
        self.reopened = 0
        self.controls = Controls(
            "desk",
            "desk:service",
            Effects(),
            running=lambda: self.running,
            succession=lambda: self.succession,
            stop=self.stop,
            reopen=self.reopen,
        )

    def stop(self, reason: str, force: bool) -> None:
        assert self.running is not None
        self.running.stop(reason, force=force)

    def reopen(self) -> None:
        self.reopened += 1


@asynccontextmanager
async def hosted() -> AsyncIterator[Host]:
    """A host whose service runs."""
    host = Host()
    async with Service("desk").running() as running:
        host.running = running
        host.succession = Succession(running, launched(), generation=4, started=1000.0)
        yield host


class TestControls(ControlledContract):
    """A single process keeps the contract."""

    @asynccontextmanager
    async def controlled(self) -> AsyncIterator[Controlled]:
        async with hosted() as host:
            yield host.controls


async def test_all_of_it_is_told() -> None:
    """The process is its own only worker; start and generation are those of the service."""
    async with hosted() as host:
        snapshot = host.controls.status()
        (worker,) = snapshot.workers
        assert (snapshot.role, snapshot.name, snapshot.target) == ("single", "desk", "desk:service")
        assert (snapshot.version, snapshot.pid) == (VERSION, os.getpid())
        assert (snapshot.generation, snapshot.started) == (4, 1000.0)
        assert (worker.pid, worker.generation, worker.state) == (os.getpid(), 4, "serving")
    assert host.controls.status().state == "stopping"


async def test_before_there_is_a_service_it_starts() -> None:
    """It is asked from its first moment on, and cannot be restarted or drained yet."""
    host = Host()
    snapshot = host.controls.status()
    assert (snapshot.state, snapshot.workers[0].state) == ("starting", "starting")
    outcome = await host.controls.restart("restart", lambda text: None)
    assert (outcome.ok, outcome.reason) == (False, "the service is starting")
    with pytest.raises(UsageError, match="the service is starting"):
        host.controls.drain(True)


async def test_logs_are_opened_anew() -> None:
    """That is the host's to do."""
    host = Host()
    host.controls.reopen_logs()
    assert host.reopened == 1


async def test_one_process_has_no_workers() -> None:
    """The message says how to have some."""
    with pytest.raises(UsageError, match="start it with --workers"):
        await Host().controls.scale(2)
