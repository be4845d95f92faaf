"""``make restart-proof``: restarts back to back under load, and controls that must lose requests.

``scripts/restart-proof --restarts 20`` is a short one; ``--help`` says the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.environment import processor
from bench.restart.endpoint import Endpoint
from bench.restart.processes import Family
from bench.restart.report import last_line, lines
from bench.restart.run import Found, Plan, run
from bench.restart.subjects import (
    GoServer,
    Mainstay,
    NotRestarted,
    ReusePort,
    Stopped,
    Subject,
    build_go,
    free_port,
)

__all__ = ["main"]

WORKERS: Final = 2
ROUNDS: Final = 5
"""A control that has lost nothing is tried so often: what it loses depends on luck."""

GO_FACTOR: Final = 5
"""So many times as often the control in Go is restarted, since each takes a hundredth of a second."""

WITH_WORKERS: Final = 5
"""Every so many restarts are done with workers, if both ways are asked for."""


def _endpoint(options: argparse.Namespace, folder: Path) -> tuple[Endpoint, str, str]:
    """Where to serve, and the files of certificate and key."""
    path = str(folder / "subject.sock") if options.unix else ""
    port = 0 if options.unix else free_port()
    if not options.tls:
        return Endpoint(port, path), "", ""
    import trustme  # noqa: PLC0415 - with TLS only

    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    files = [str(folder / name) for name in ("authority.pem", "certificate.pem", "key.pem")]
    authority.cert_pem.write_to_path(files[0])
    for blob in issued.cert_chain_pems:
        blob.write_to_path(files[1], append=True)
    issued.private_key_pem.write_to_path(files[2])
    return Endpoint(port, path, files[0]), files[1], files[2]


def _plans(options: argparse.Namespace) -> Iterator[tuple[int, Plan]]:
    """Workers and plan of each run."""
    both = options.only is None
    baseline = options.baseline
    shares = {
        0: options.restarts - options.restarts // WITH_WORKERS if both else options.restarts,
        WORKERS: options.restarts // WITH_WORKERS if both else options.restarts,
    }
    if options.only != "workers":
        yield 0, Plan("one process", shares[0], options.failing, baseline, factor=options.factor)
    if options.only != "single" and shares[WORKERS]:
        failing = options.failing if options.only == "workers" else options.failing // WITH_WORKERS
        title = f"{WORKERS} workers"
        yield WORKERS, Plan(title, shares[WORKERS], failing, baseline, factor=options.factor)


def _controls(family: Family, folder: Path) -> Iterator[tuple[str, Subject]]:
    yield "control: SO_REUSEPORT, a stall", ReusePort(family, Endpoint(free_port()))
    yield "control: ended and started", Stopped(family, folder, Endpoint(free_port()))
    program = build_go()
    if program is None:
        print("control: Go's net/http is left out, as there is no Go here", flush=True)
    else:
        yield "control: Go's net/http", GoServer(family, Endpoint(free_port()), program)


async def _run_ours(
    options: argparse.Namespace, folder: Path, family: Family, workers: int, plan: Plan
) -> Found:
    endpoint, certificate, key = _endpoint(options, folder)
    subject = Mainstay(family, folder, endpoint, workers=workers, certificate=certificate, key=key)
    found = await run(subject, plan, family)
    if endpoint.path and os.path.exists(endpoint.path):  # noqa: ASYNC240, PTH110
        found.broken.append(f"{endpoint.path} was left behind")
    print("", *lines(found), sep="\n", flush=True)
    return found


def prove(options: argparse.Namespace) -> int:
    """Run everything; the exit code."""
    with (
        tempfile.TemporaryDirectory() as name,
        Path(options.log).open("ab", buffering=0) as log,
    ):
        return asyncio.run(_prove(options, Path(name), Family(log)))


async def _prove(options: argparse.Namespace, folder: Path, family: Family) -> int:
    print(f"machine      {processor()}, {os.cpu_count()} cores; CPython {sys.version.split()[0]}")
    proofs: list[Found] = []
    blind: list[str] = []
    try:
        for workers, plan in _plans(options):
            proofs.append(await _run_ours(options, folder, family, workers, plan))
        for title, control in _controls(family, folder) if options.controls else ():
            quick = isinstance(control, GoServer)
            plan = Plan(
                title,
                options.controls * (GO_FACTOR if quick else 1),
                baseline=2.0,
                factor=options.factor,
                pause=0.05 if quick else 0.0,
                rounds=ROUNDS,
            )
            found = await run(control, plan, family)
            print("", *lines(found), sep="\n", flush=True)
            if not found.failed:
                blind.append(title)
    except NotRestarted as error:
        print(f"restart-proof: {error}; see {options.log}", file=sys.stderr)
        return 1
    finally:
        family.end()
    print()
    for title in blind:
        print(f"BLIND: {title!r} has lost nothing, so this load cannot see what it looks for")
    print(last_line(proofs))
    broken = [each for found in proofs for each in found.broken]
    return 1 if blind or broken or any(found.failed for found in proofs) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it; 0 when nothing was lost and every control has lost something."""
    parser = argparse.ArgumentParser(prog="scripts/restart-proof", description=__doc__)
    parser.add_argument("--restarts", type=int, default=1000, help="default 1000")
    parser.add_argument("--failing", type=int, default=100, help="that fail; default 100")
    parser.add_argument("--controls", type=int, default=30, help="restarts of each; 0 for none")
    parser.add_argument("--only", choices=("single", "workers"), help="default: both")
    parser.add_argument("--baseline", type=float, default=20.0, help="seconds without restarts")
    parser.add_argument("--factor", type=float, default=1.0, help="of all rates; default 1")
    parser.add_argument("--unix", action="store_true", help="serve on a Unix socket")
    parser.add_argument("--tls", action="store_true", help="serve with TLS")
    parser.add_argument("--log", default=os.devnull, help="file for the output of the services")
    return prove(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
