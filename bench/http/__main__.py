"""``make bench-http``: HTTP servers side by side, and a last line for machines.

``scripts/bench-http json memory`` measures some of it; ``--help`` says the rest. The rules are in
docs/decisions/032-how-http-is-measured.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from bench.environment import described, processor
from bench.http import connections as crowds
from bench.http.environment import PACKAGES, build_gin
from bench.http.figures import Figures, Sample, figures, summary, table
from bench.http.load import LoadFailed, load, missing_tools
from bench.http.peers import Peer, peers
from bench.http.server import NotServing, Server
from bench.http.workloads import JSON, WORKLOADS, Workload, differences

__all__ = ["cores", "main", "place"]

ROUND = 1
"""Seconds of one round, the shortest that wrk knows."""

EXTRAS = ("memory", "connections")


def cores() -> tuple[int | None, int | None]:
    """Where the server runs, and where the load does; None where that cannot be said."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def place(server_core: int | None, load_core: int | None) -> Iterator[str]:
    """Lines about the interpreter and the machine."""
    record = Path(sys.prefix, "bench.json")
    if record.exists():
        first, *rest = described(json.loads(record.read_text()))
        yield f"interpreter  {first}"
        yield from (f"             {line}" for line in rest)
    pinned = "nothing pinned"
    if server_core is not None:
        pinned = f"server on core {server_core}, load on core {load_core}"
    yield f"machine      {processor()}, {os.cpu_count()} cores; {pinned}"


def header(server_core: int | None, load_core: int | None, gin: Path | None) -> Iterator[str]:
    """Where and on what this is measured."""
    yield from place(server_core, load_core)
    yield f"peers        {', '.join(f'{name} {version(name)}' for name in PACKAGES)}"
    if gin is not None:
        built = subprocess.run(
            ["go", "version", "-m", gin], check=True, capture_output=True, text=True
        ).stdout
        go = built.split("\n", 1)[0].rsplit(" ", 1)[1]
        release = next(line.split()[2] for line in built.splitlines() if "gin-gonic/gin" in line)
        yield f"             gin {release}, {go}"
    yield f"date         {time.strftime('%Y-%m-%d')}"


def started(stack: ExitStack, wanted: Sequence[Peer], core: int | None) -> list[Server]:
    """The servers that start and answer as they should; says of the others why not."""
    servers = []
    for peer in wanted:
        try:
            server = stack.enter_context(Server(peer, core))
        except (NotServing, OSError) as error:
            print(f"left out: {peer.key} does not start: {error}")
            continue
        wrong = list(differences(server.port))
        if wrong:
            print(f"left out: {peer.key} answers otherwise:", *wrong, sep="\n  ")
            server.stop()
        else:
            servers.append(server)
    return servers


def measure(
    workload: Workload, servers: Sequence[Server], rounds: int, core: int | None
) -> dict[str, Figures]:
    """The figures of every server that can do it, in rounds that are interleaved."""
    turn = [each for each in servers if each.peer.http2 or not workload.http2]
    samples: dict[str, list[Sample]] = {each.peer.key: [] for each in turn}
    for _ in range(rounds):
        for server in turn:
            before = server.cpu()
            try:
                answered = load(workload, server.port, core, ROUND)
            except LoadFailed as error:
                print(f"a round of {server.peer.key} is lost: {error}", flush=True)
                continue
            used = server.cpu() - before
            samples[server.peer.key].append(Sample(used, answered.requests, answered.seconds))
        turn.append(turn.pop(0))
    return {key: figures(found) for key, found in samples.items() if found}


def weigh(wanted: Sequence[Peer], core: int | None, count: int) -> None:
    """Print the memory of idle connections, each peer in a process of its own."""
    found: dict[str, tuple[float, float | None]] = {}
    for peer in wanted:
        sizes: list[float] = []
        for http2 in (False, True) if peer.http2 else (False,):
            try:
                with Server(peer, core) as server:
                    sizes.append(crowds.idle_memory(server, count, http2=http2))
            except (NotServing, OSError) as error:
                print(f"left out: {peer.key}: {error}")
        if sizes:
            found[peer.key] = (sizes[0], sizes[1] if len(sizes) > 1 else None)
    print(f"\nmemory of a connection that is open and idle after a request, {count:,} of them")
    print(*crowds.memory_lines(found), sep="\n", flush=True)


def crowd(wanted: Sequence[Peer], server_core: int | None, core: int | None, count: int) -> None:
    """Print the throughput of few and of many connections."""
    found: dict[str, tuple[crowds.Rate, crowds.Rate]] = {}
    for peer in wanted:
        try:
            with Server(peer, server_core) as server:
                few = crowds.rate_with(server, crowds.FEW, core)
                found[peer.key] = (few, crowds.rate_with(server, count, core))
        except (NotServing, LoadFailed, OSError) as error:
            print(f"left out: {peer.key}: {error}")
    print(f"\nconnections: requests/s of the JSON route with {crowds.FEW} and with {count:,}")
    print(*crowds.rate_lines(found, count), sep="\n", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    for tool, package in missing_tools().items():
        raise SystemExit(f"bench: {tool} is missing; on Debian: apt-get install {package}")
    began = time.monotonic()
    gin = build_gin()
    count = crowds.allow_many()
    server_core, load_core = cores()
    if load_core is not None:
        # The client that opens connections is load too.
        os.sched_setaffinity(0, {load_core, *([] if server_core is None else [server_core])})
    wanted = [
        peer for peer in peers(gin) if not options.only or peer.key in options.only.split(",")
    ]
    chosen = options.experiments or ([JSON.key] if options.quick else _keys())
    rounds = options.rounds or (3 if options.quick else 8)
    print(*header(server_core, load_core, gin), sep="\n", flush=True)
    main_figures: dict[str, Figures] = {}
    with ExitStack() as stack:
        workloads = [each for each in WORKLOADS if each.key in chosen]
        servers = started(stack, wanted, server_core) if workloads else []
        for workload in workloads:
            found = measure(workload, servers, rounds, load_core)
            if workload is JSON:
                main_figures = found
            if found:
                print("", *table(f"{workload.key}: {workload.title}", found), sep="\n", flush=True)
    if "memory" in chosen:
        weigh(wanted, server_core, count)
    if "connections" in chosen:
        crowd(wanted, server_core, load_core, count)
    print(f"\nmeasured in {time.monotonic() - began:.0f} s")
    print(summary(main_figures))


def _keys() -> list[str]:
    return [*(each.key for each in WORKLOADS), *EXTRAS]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-http",
        description="Measure mainstay beside other HTTP servers. Times are CPU time of the server "
        "for one request; ours/it is how many times its time ours is, between minima.",
    )
    parser.add_argument("experiments", nargs="*", help=f"of {', '.join(_keys())}; all if none")
    parser.add_argument(
        "--quick", action="store_true", help="3 rounds, of the JSON route unless named"
    )
    parser.add_argument("--only", help="peers, with commas between them")
    parser.add_argument("--rounds", type=int, help="how many, of one second each")
    options = parser.parse_args(arguments)
    for name in options.experiments:
        if name not in _keys():
            parser.error(f"there is no {name!r}; choose of {', '.join(_keys())}")
    return options


if __name__ == "__main__":
    main()
