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
from typing import Any, Literal, TypeAlias

from mainstay.core.group import Group
from mainstay.core.scope import Scope
from mainstay.errors import DeadlineExceeded

__all__ = ["Check", "CheckResult", "ProbeKind", "ProbeResult", "ask"]

ProbeKind: TypeAlias = Literal["live", "ready", "started"]


@dataclass(frozen=True, slots=True)
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
    """Ask everything at once, each within `timeout` seconds."""
    async with Group(f"probe {kind}") as group:
        tasks = [group.start(_ask(check, timeout)) for check in checks]
    results = tuple(task.result() for task in tasks)
    return ProbeResult(kind, all(result.ok for result in results), results)


async def _ask(check: Check, timeout: float) -> CheckResult:
    clock = Scope.current().effects.clock
    started = clock.monotonic()
    reason = ""
    try:
        with Scope(f"check {check.name}", timeout=timeout):
            await check.run()
    except DeadlineExceeded:
        reason = f"no answer within {timeout:g} s"
    except asyncio.CancelledError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    return CheckResult(check.name, not reason, clock.monotonic() - started, reason)
