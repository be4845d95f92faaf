"""``make bench``: every experiment, one after the other, and a last line for machines.

``scripts/bench group call`` runs some of them; ``--help`` says the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import uvloop

from bench import calls, channels, deadlines, groups, imports, memory, middleware, ready, scopes
from bench import routes as route_matches
from bench import threads as thread_calls
from bench.environment import described, processor
from bench.harness import Experiment, Figures, NewLoop, measure, on_one_core, table

__all__ = ["EXPERIMENTS", "main"]

EXPERIMENTS: Final = (
    scopes.EXPERIMENT,
    deadlines.FIRES,
    deadlines.CANCEL,
    *groups.EXPERIMENTS,
    *channels.EXPERIMENTS,
    thread_calls.EXPERIMENT,
    middleware.EXPERIMENT,
    calls.EXPERIMENT,
    *route_matches.EXPERIMENTS,
    memory.EXPERIMENT,
    imports.EXPERIMENT,
    ready.EXPERIMENT,
)

IMPORT_BUDGET: Final = 60
READY_BUDGET: Final = 300

All = Mapping[str, Mapping[str, Figures]]


def header(loop: str, core: int | None) -> Iterator[str]:
    """Where and on what this is measured."""
    record = Path(sys.prefix, "bench.json")
    if record.exists():
        lines = list(described(json.loads(record.read_text())))
    else:
        lines = [f"CPython {platform.python_version()}, not chosen by the bench"]
    yield f"interpreter  {lines[0]}"
    yield from (f"             {line}" for line in lines[1:])
    pinned = "not pinned" if core is None else f"pinned to core {core}"
    yield f"machine      {processor()}, {os.cpu_count()} cores, {platform.system()}, {pinned}"
    peers = ", ".join(f"{name} {version(name)}" for name in ("anyio", "uvloop"))
    yield f"peers        asyncio of the interpreter, {peers}; all on the loop of {loop}"
    yield f"date         {time.strftime('%Y-%m-%d')}"


def ratio(figures: Mapping[str, Figures], ours: str, theirs: str) -> float:
    """How many times theirs ours is."""
    return figures[ours].least / figures[theirs].least


def summary(found: All) -> Iterator[str]:
    """The numbers that are watched over time, of what was measured."""
    if "scope" in found:
        scope = found["scope"]
        yield f"scope_ns={scope['Scope()'].least * 1e9:.0f}"
        times = ratio(scope, "Scope(timeout=30)", "asyncio.timeout(30)")
        yield f"scope_timeout_vs_asyncio={times:.2f}"
    if "group-10" in found:
        yield f"group_task_vs_asyncio={ratio(found['group-10'], 'Group', 'asyncio.TaskGroup'):.2f}"
    if "middleware" in found:
        yield f"middleware_ns={middleware.cost(found['middleware']) * 1e9:.0f}"
    if "import" in found:
        yield f"import_ms={found['import']['from mainstay import Service'].least * 1e3:.1f}"
    if "ready" in found:
        yield f"ready_ms={found['ready']['mainstay run examples.hello'].least * 1e3:.0f}"


def budgets(found: All) -> Iterator[str]:
    """What was promised, beside what is."""
    if "import" in found:
        took = found["import"]["from mainstay import Service"].least * 1e3
        yield f"import of Service: {took:.0f} ms of the {IMPORT_BUDGET} ms it may take"
    if "ready" in found:
        took = found["ready"]["mainstay run examples.hello"].least * 1e3
        yield f"time to ready: {took:.0f} ms of the {READY_BUDGET} ms it may take"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    if options.importtime:
        for statement in ("from mainstay import Service", "import mainstay.service.hosting"):
            print(*imports.most_expensive(statement), sep="\n")
        return
    began = time.monotonic()
    new_loop: NewLoop = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}[
        options.loop
    ]
    found: dict[str, dict[str, Figures]] = {}
    with on_one_core() as core:
        print(*header(options.loop, core), sep="\n")
        for experiment in _chosen(options.experiments):
            found[experiment.key] = measure(experiment, new_loop, rounds=options.rounds)
            print("", *table(experiment, found[experiment.key]), sep="\n", flush=True)
    print("", *budgets(found), f"measured in {time.monotonic() - began:.0f} s", sep="\n")
    print(*summary(found))


def _chosen(keys: Sequence[str]) -> Sequence[Experiment]:
    """Those whose key begins with one of `keys`; all when there are none."""
    return [each for each in EXPERIMENTS if not keys or each.key.startswith(tuple(keys))]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure mainstay beside asyncio and anyio. Times are CPU time for one "
        "operation, ratios are between minima, garbage is objects in cycles per operation.",
        epilog=f"Experiments: {', '.join(each.key for each in EXPERIMENTS)}.",
    )
    parser.add_argument(
        "experiments", nargs="*", help="how their names begin; all if none is given"
    )
    parser.add_argument("--rounds", type=int, help="instead of each experiment's own number")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument(
        "--importtime", action="store_true", help="print what takes longest to import, and end"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
