"""One subject under load: without restarts, then with them, then with restarts that fail."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bench.restart.load import ON_THE_WIRE, QUICK
from bench.restart.outcomes import Outcome, Tally, quantile
from bench.restart.processes import Family
from bench.restart.subjects import ROOT, Mainstay, NotRestarted, Subject

__all__ = ["BASELINE", "FAILING", "RESTARTS", "Found", "Plan", "run"]

BASELINE: Final = "baseline"
RESTARTS: Final = "restarts"
FAILING: Final = "failing"

MOMENTS: Final = ("import", "resource", "exit", "config")
"""At which a restart that is to fail does."""

WARM_UP: Final = 2.0
SETTLE: Final = 0.3
"""Seconds after a burst, so that its calls are under way when the restart begins."""

BETWEEN_BURSTS: Final = 4.0


@dataclass(frozen=True)
class Plan:
    """What to do to a subject.

    Attributes:
        title: of the run.
        restarts: how many.
        failing: how many restarts that fail, afterwards.
        baseline: seconds of load without restarts, to compare with.
        bursts: a burst of long calls goes before every so many restarts.
        factor: of all rates.
        pause: seconds between two restarts.
        rounds: how often all of that is done, until something is lost.
    """

    title: str
    restarts: int
    failing: int = 0
    baseline: float = 20.0
    bursts: int = 10
    factor: float = 1.0
    pause: float = 0.0
    rounds: int = 1


@dataclass
class Found:
    """What a run has shown.

    Attributes:
        title: of the run.
        tallies: by phase and kind.
        failures: what is known of the first ones.
        restarts: that succeeded.
        rolled_back: that failed, as they were told to.
        broken: what is known of each restart that did not do what it should.
        seconds: that each restart took.
        answered: processes that the load has met.
        late: 99th percentile of the seconds by which the load itself was late, by phase.
        reminders: signals that had to be sent again.
    """

    title: str
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    restarts: int = 0
    rolled_back: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    late: dict[str, float] = field(default_factory=dict)
    reminders: int = 0

    @property
    def requests(self) -> int:
        """All, of every phase; those that the tap has seen are counted where they were sent."""
        return sum(
            tally.requests for (_, kind), tally in self.tallies.items() if kind != ON_THE_WIRE
        )

    @property
    def failed(self) -> int:
        """Of those, the ones that were lost."""
        return sum(tally.failed for tally in self.tallies.values())

    @property
    def idle_closed(self) -> int:
        """Requests on connections that were being closed."""
        return sum(tally.outcomes[Outcome.IDLE_CLOSED] for tally in self.tallies.values())

    def p99_added(self) -> float:
        """Milliseconds that restarts add to the 99th percentile of the kind they hit worst."""
        return max(
            (self.added(kind) for kind in QUICK if (RESTARTS, kind) in self.tallies), default=0
        )

    def added(self, kind: str) -> float:
        """Milliseconds that restarts add to the 99th percentile of that kind."""
        without = self.tallies.get((BASELINE, kind), Tally())
        during = self.tallies.get((RESTARTS, kind), Tally())
        return (quantile(during.seconds, 0.99) - quantile(without.seconds, 0.99)) * 1000

    def add(self, said: dict[str, Any]) -> None:
        """What one generator has counted."""
        for each in said["tallies"]:
            self.tallies[each["phase"], each["kind"]] = Tally.from_dict(each)
        self.failures += said["failures"]
        self.answered.update(said["pids"])
        for phase, late in said["late"].items():
            self.late[phase] = max(late, self.late.get(phase, 0.0))


class Generators:
    """The processes that make the load. Args: as the command line of `bench.restart.load`."""

    def __init__(self, subject: Subject, factor: float) -> None:
        self._subject = subject
        self._factor = factor
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self, family: Family) -> None:
        """Start them; gRPC in one of its own, as its client has threads."""
        parts = [each for each in self._subject.parts if each != "grpc"]
        await self._start(parts, family)
        if "grpc" in self._subject.parts:
            await self._start(["grpc"], family)

    async def _start(self, parts: Sequence[str], family: Family) -> None:
        endpoint = self._subject.endpoint
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.restart.load", str(endpoint), *parts),
            *("--factor", str(self._factor), "--authority", endpoint.authority),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**28,
        )
        family.ignore(process.pid)
        self._processes.append(process)

    def say(self, command: str) -> None:
        """Tell all of them."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(command.encode() + b"\n")

    async def lost(self) -> int:
        """How many requests have failed so far."""
        self.say("lost")
        return sum([int(await self._line(process)) for process in self._processes])

    async def _line(self, process: asyncio.subprocess.Process) -> bytes:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        if not line:
            raise RuntimeError("a load generator ended without a result")
        return line

    async def collect(self, found: Found) -> None:
        """End them, and add what they have counted. Raises: RuntimeError when one broke."""
        self.say("end")
        for process in self._processes:
            found.add(json.loads(await self._line(process)))
            await process.wait()

    def kill(self) -> None:
        """End them at once."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()


async def run(subject: Subject, plan: Plan, family: Family) -> Found:
    """Do it, and return what came out. Raises: NotRestarted when the subject does not start."""
    found = Found(plan.title)
    await subject.start()
    generators = Generators(subject, plan.factor)
    try:
        await generators.start(family)
        await asyncio.sleep(WARM_UP)
        generators.say(f"phase {BASELINE}")
        await _baseline(plan, generators)
        generators.say(f"phase {RESTARTS}")
        for _ in range(plan.rounds):
            await _restarts(subject, plan, generators, found)
            if plan.rounds > 1 and await generators.lost():
                break
        if plan.failing and isinstance(subject, Mainstay):
            generators.say(f"phase {FAILING}")
            await _failing(subject, plan, found)
        generators.say("phase cool-down")
        await asyncio.sleep(0.5)
        await generators.collect(found)
    finally:
        generators.kill()
        await subject.stop()
        left = family.alive()
        if left:
            found.broken.append(f"processes {sorted(left)} did not end")
            family.end()
    if isinstance(subject, Mainstay):
        found.reminders = subject.reminders
    return found


async def _baseline(plan: Plan, generators: Generators) -> None:
    left = plan.baseline
    while left > 0:
        generators.say("burst")
        await asyncio.sleep(min(left, BETWEEN_BURSTS))
        left -= BETWEEN_BURSTS


async def _restarts(subject: Subject, plan: Plan, generators: Generators, found: Found) -> None:
    began = time.monotonic()
    for number in range(plan.restarts):
        burst = number % plan.bursts == plan.bursts // 2
        if burst:
            generators.say("burst")
            await asyncio.sleep(SETTLE)
        started = time.monotonic()
        try:
            await subject.restart()
        except NotRestarted as error:
            found.broken.append(f"restart {number + 1}: {error}")
            return
        found.restarts += 1
        found.seconds.append(time.monotonic() - started)
        await asyncio.sleep(plan.pause)
        if (number + 1) % 50 == 0:
            took = time.monotonic() - began
            print(f"  {plan.title}: {number + 1} restarts in {took:.0f} s", flush=True)


async def _failing(subject: Mainstay, plan: Plan, found: Found) -> None:
    for number in range(plan.failing):
        moment = MOMENTS[number % len(MOMENTS)]
        try:
            await subject.fail_to_restart(moment)
        except NotRestarted as error:
            found.broken.append(f"restart {number + 1} that fails ({moment}): {error}")
            return
        found.rolled_back += 1
