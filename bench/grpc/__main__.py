"""``make bench-grpc``: gRPC servers and clients side by side, and a last line for machines.

``scripts/bench-grpc unary client`` measures some of it; ``--help`` says the rest. The rules are in
docs/decisions/046-how-grpc-is-measured.md.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.grpc.calling import Client
from bench.grpc.environment import PACKAGES, build_go, generate
from bench.grpc.load import load
from bench.grpc.peers import AIO, GO, OURS, clients, servers
from bench.grpc.workloads import STREAM, UNARY, WORKLOADS, Workload, check
from bench.http.__main__ import cores, place
from bench.http.figures import Figures, Sample, figures, ratio, table
from bench.http.load import LoadFailed, missing_tools
from bench.http.peers import Peer
from bench.http.server import NotServing, Server

__all__ = ["main", "summary"]

CLIENTS = {"client": 64, "client-one": 1}
"""Loads of the clients, and how many calls each has at once."""

KEYS = (*(each.key for each in WORKLOADS), *CLIENTS)

Found = Mapping[str, Figures]


def releases() -> Iterator[str]:
    """What is installed of the packages of the peers."""
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def header(server_core: int | None, load_core: int | None, go: Path | None) -> Iterator[str]:
    """Where and on what this is measured."""
    yield from place(server_core, load_core)
    yield f"peers        {', '.join(releases())}"
    if go is not None:
        built = subprocess.run(
            ["go", "version", "-m", go], check=True, capture_output=True, text=True
        ).stdout
        compiler = built.split("\n", 1)[0].rsplit(" ", 1)[1]
        lines = (line.split() for line in built.splitlines())
        release = next(line[2] for line in lines if line[1:2] == ["google.golang.org/grpc"])
        yield f"             grpc-go {release}, {compiler}"
    yield f"date         {time.strftime('%Y-%m-%d')}"


class Measured:
    """A server that answers as it should, and what its answers weigh."""

    def __init__(self, server: Server, sizes: Mapping[str, int]) -> None:
        self.server = server
        self.sizes = sizes


def started(stack: ExitStack, wanted: Sequence[Peer], core: int | None) -> list[Measured]:
    """The servers that start and answer as they should; says of the others why not."""
    found = []
    for peer in wanted:
        try:
            server = stack.enter_context(Server(peer, core))
        except (NotServing, OSError) as error:
            print(f"left out: {peer.key} does not start: {error}")
            continue
        checked = check(server.port)
        if checked.wrong:
            print(f"left out: {peer.key} answers otherwise:", *checked.wrong, sep="\n  ")
            server.stop()
        else:
            found.append(Measured(server, checked.sizes))
    return found


def serve(
    workload: Workload, among: Sequence[Measured], rounds: int, core: int | None, seconds: int
) -> Found:
    """The figures of every server, in rounds that are interleaved."""
    turn = list(among)
    samples: dict[str, list[Sample]] = {each.server.peer.key: [] for each in turn}
    for _ in range(rounds):
        for each in turn:
            server = each.server
            before = server.cpu()
            try:
                answered = load(workload, each.sizes[workload.key], server.port, core, seconds)
            except LoadFailed as error:
                print(f"a round of {server.peer.key} is lost: {error}", flush=True)
                continue
            used = server.cpu() - before
            samples[server.peer.key].append(Sample(used, answered.requests, answered.seconds))
        turn.append(turn.pop(0))
    return {key: figures(found) for key, found in samples.items() if found}


def call(among: Sequence[Client], rounds: int, at_once: int) -> Found:
    """The figures of every client, in rounds that are interleaved."""
    turn = list(among)
    samples: dict[str, list[Sample]] = {each.peer.key: [] for each in turn}
    for _ in range(rounds):
        for each in turn:
            try:
                samples[each.peer.key].append(each.call(1, at_once))
            except LoadFailed as error:
                print(f"a round of {each.peer.key} is lost: {error}", flush=True)
        turn.append(turn.pop(0))
    return {key: figures(found) for key, found in samples.items() if found}


def calling(
    stack: ExitStack, wanted: Sequence[Peer], port: int, core: int | None
) -> Iterator[Client]:
    """The clients that start and call; says of the others why not."""
    for peer in wanted:
        client = stack.enter_context(Client(peer, port, core))
        try:
            client.call(0.1, 1)
        except LoadFailed as error:
            print(f"left out: {peer.key} does not call: {error}", flush=True)
        else:
            yield client


def summary(unary: Found, stream: Found, client: Found) -> str:
    """The line for machines."""
    parts = []
    for name, found, other in (
        ("grpc_vs_go", unary, GO),
        ("grpc_vs_aio", unary, AIO),
        ("stream_vs_go", stream, GO),
        ("client_vs_aio", client, AIO),
    ):
        times = ratio(found, other)
        parts.append(f"{name}={'n/a' if times is None else f'{times:.3f}'}")
    return " ".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    tools = missing_tools()
    if "h2load" in tools:
        raise SystemExit(f"bench: h2load is missing; on Debian: apt-get install {tools['h2load']}")
    began = time.monotonic()
    generate()
    only = options.only.split(",") if options.only else []
    go = build_go() if not only or GO in only else None
    server_core, load_core = cores()
    chosen = options.experiments or KEYS
    rounds = options.rounds or (1 if options.smoke else 3 if options.quick else 8)
    print(*header(server_core, load_core, go), sep="\n", flush=True)
    found: dict[str, Found] = {key: {} for key in KEYS}
    with ExitStack() as stack:
        workloads = [each for each in WORKLOADS if each.key in chosen]
        wanted = [peer for peer in servers(go) if not only or peer.key in only]
        among = started(stack, wanted, server_core) if workloads else []
        for workload in workloads:
            found[workload.key] = serve(workload, among, rounds, load_core, 1)
            title = f"{workload.key}: {workload.title}"
            _show(title, found[workload.key], workload.unit)
    with ExitStack() as stack:
        against = OURS if go is None else GO
        loads = {key: at_once for key, at_once in CLIENTS.items() if key in chosen}
        target = [peer for peer in servers(go) if peer.key == against and loads]
        for each in started(stack, target, load_core):
            wanted = [peer for peer in clients(go) if not only or peer.key in only]
            callers = list(calling(stack, wanted, each.server.port, server_core))
            for key, at_once in loads.items():
                found[key] = call(callers, rounds, at_once)
                title = f"{key}: unary calls, {at_once} at once on a channel, to {against}"
                _show(title, found[key], UNARY.unit)
    print(f"\nmeasured in {time.monotonic() - began:.0f} s")
    print(summary(found[UNARY.key], found[STREAM.key], found["client"]))


def _show(title: str, found: Found, unit: str) -> None:
    if found:
        print("", *table(title, found, unit), sep="\n", flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-grpc",
        description="Measure mainstay beside other gRPC servers and clients. Times are CPU time of "
        "the process for one call or message; ours/it is how many times its time ours is, between "
        "minima.",
    )
    parser.add_argument("experiments", nargs="*", help=f"of {', '.join(KEYS)}; all if none")
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    parser.add_argument("--smoke", action="store_true", help="1 round: does it run?")
    parser.add_argument("--only", help="peers, with commas between them")
    parser.add_argument("--rounds", type=int, help="how many, of one second each")
    options = parser.parse_args(arguments)
    for name in options.experiments:
        if name not in KEYS:
            parser.error(f"there is no {name!r}; choose of {', '.join(KEYS)}")
    return options


if __name__ == "__main__":
    main()
