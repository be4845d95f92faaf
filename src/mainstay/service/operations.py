"""What every service answers for its operators: probes and metrics, by HTTP.

``/livez``, ``/readyz`` and ``/startedz`` are Kubernetes' names; the answer is 200 or 503 with a line
a check, so a probe's log shows what failed. ``/metrics`` is for Prometheus. They stand outside of
the service's middleware: a probe has no password.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Awaitable, Callable, Container
from pathlib import Path
from typing import TypeAlias

from mainstay.core.exposition import CONTENT_TYPE, render
from mainstay.http.response import Response
from mainstay.http.routes import Routes
from mainstay.service.probes import ProbeKind, ProbeResult

__all__ = ["Ask", "operations", "process_metrics"]

Ask: TypeAlias = Callable[[ProbeKind], Awaitable[ProbeResult]]

_KIB = 1024


def operations(ask: Ask, metrics: Callable[[], str], taken: Container[str] = ()) -> Routes:
    """The routes.

    Args:
        ask: asks a probe.
        metrics: what is counted, in the text format of Prometheus.
        taken: paths at which the service has something of its own.
    """
    routes = Routes(tags=["operations"], documented=False)

    async def livez() -> Response:
        return await _probe(ask, "live")

    async def readyz() -> Response:
        return await _probe(ask, "ready")

    async def startedz() -> Response:
        return await _probe(ask, "started")

    async def read_metrics() -> Response:
        return Response(metrics() + process_metrics(), content_type=CONTENT_TYPE)

    answers = {
        "/livez": livez,
        "/readyz": readyz,
        "/startedz": startedz,
        "/metrics": read_metrics,
    }
    for path, answer in answers.items():
        if path not in taken:
            routes.get(path, name=f"operations.{path[1:]}", vital=True)(answer)
    return routes


async def _probe(ask: Ask, kind: ProbeKind) -> Response:
    result = await ask(kind)
    lines = [f"{'ok' if each.ok else 'FAILED'} {each.name}" for each in result.checks]
    text = "\n".join([*lines, "ok" if result.ok else "not ok", ""])
    # Checks' errors stay in the log: a probe is often open to the world.
    return Response(text, 200 if result.ok else 503, {"cache-control": "no-store"})


def process_metrics() -> str:
    """What the process costs; the names of Prometheus' own clients."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    scale = 1 if sys.platform == "darwin" else _KIB
    text = render(
        "process_cpu_seconds_total",
        "counter",
        "User and system time.",
        [({}, usage.ru_utime + usage.ru_stime)],
    )
    text += render(
        "process_max_resident_memory_bytes",
        "gauge",
        "The most memory it had.",
        [({}, usage.ru_maxrss * scale)],
    )
    text += render("process_threads", "gauge", "Threads.", [({}, threading.active_count())])
    statm = Path("/proc/self/statm")
    if statm.exists():
        pages = int(statm.read_text("ascii").split()[1])
        text += render(
            "process_resident_memory_bytes",
            "gauge",
            "Memory it has.",
            [({}, pages * os.sysconf("SC_PAGE_SIZE"))],
        )
        text += render(
            "process_open_fds",
            "gauge",
            "Open descriptors.",
            [({}, len(os.listdir("/proc/self/fd")))],  # noqa: PTH208 - the quickest way
        )
    return text
