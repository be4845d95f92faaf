"""Questions about health, and their answers.

``live``: is the process worth keeping? Only the process itself counts: a dead database is no reason
to be killed. ``started``: has the start ended? ``ready``: should new work come here? It is not while
starting or stopping, nor while a resource's ping or a check fails.

The three states are those of Spring Boot's availability and Kubernetes' probes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from mainstay.core.scope import Scope
from mainstay.errors import DeadlineExceeded
from mainstay.service.attempt import attempt

__all__ = ["Check", "CheckResult", "ProbeKind", "ProbeResult", "ask"]

ProbeKind: TypeAlias = Literal["live", "ready", "started"]

_LAST_CHANCE: Final = 0.1
"""Seconds that a cancelled check has to end."""


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """One thing to ask.

    Attributes:
        name: what is asked.
        run: fails by raising.
    """

    name: str
    run: Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One answer.

    Attributes:
        name: what was asked.
        ok: whether it works.
        seconds: how long the answer took.
        reason: why not; empty when it works. For operators: it may name hosts.
    """

    name: str
    ok: bool
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The answer to a probe.

    Attributes:
        kind: which probe.
        ok: whether every check works.
        checks: each answer, in the order of declaration.
    """

    kind: ProbeKind
    ok: bool
    checks: tuple[CheckResult, ...]


async def ask(kind: ProbeKind, checks: Sequence[Check], timeout: float) -> ProbeResult:
    """Ask everything at once, each within `timeout` seconds.

    One that does not end although it was cancelled is left behind, so that the answer comes.
    """
    with Scope(f"probe {kind}") as scope:
        asked = {
            check: scope.start(_ask(check, timeout), f"check {check.name}") for check in checks
        }
        try:
            if asked:
                await asyncio.wait(asked.values(), timeout=timeout + _LAST_CHANCE)
        finally:
            for task in asked.values():
                task.cancel()
    results = tuple(
        task.result() if task.done() else _failed(check, timeout, "it does not end")
        for check, task in asked.items()
    )
    return ProbeResult(kind, all(result.ok for result in results), results)


async def _ask(check: Check, timeout: float) -> CheckResult:
    clock = Scope.current().effects.clock
    started = clock.monotonic()
    own = Scope(check.name, timeout=timeout)
    try:
        with own:
            failure = await attempt(check.run)
    except DeadlineExceeded as error:
        failure = error
    seconds = clock.monotonic() - started
    if failure is None:
        return CheckResult(check.name, ok=True, seconds=seconds)
    if failure is own.cause:
        return _failed(check, seconds, f"no answer within {timeout:g} s")
    return _failed(check, seconds, f"{type(failure).__name__}: {failure}")


def _failed(check: Check, seconds: float, reason: str) -> CheckResult:
    return CheckResult(check.name, ok=False, seconds=seconds, reason=reason)
