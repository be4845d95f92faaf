"""``mainstay status``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import click

from mainstay.cli.controlling import connected, find_place, place_options
from mainstay.cli.exits import Command, Exit
from mainstay.interfaces.controlled import Outcome, Snapshot, WorkerSnapshot
from mainstay.process.control_client import as_json

__all__ = ["command", "duration", "memory", "page"]

_SHOWN: Final = 5
"""Restarts on the page."""

_FAULTS: Final = 3
"""Lines of a reason that are shown of those that its first line announces."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KIB: Final = 1024


@click.command("status", cls=Command, exits=[Exit.UNREACHABLE])
@click.option("--json", "in_json", is_flag=True, help="Print everything as JSON.")
@place_options
def command(target: str | None, control: Path | None, pidfile: Path | None, in_json: bool) -> None:
    """Show how a running service is: its processes, what they do, and how restarts went."""
    place = find_place(target, control, pidfile)
    with connected(place) as client:
        snapshot = client.status()
    click.echo(as_json(snapshot) if in_json else page(snapshot, time.time(), str(place.path)))


def page(snapshot: Snapshot, now: float, control: str = "") -> str:
    """The status for people.

    Args:
        snapshot: of the service.
        now: seconds since the epoch.
        control: path of the socket that it answered at.
    """
    role = "supervisor" if snapshot.role == "supervisor" else "process"
    title = snapshot.name or snapshot.target or "a service"
    facts = [
        ("state", snapshot.state),
        (role, str(snapshot.pid)),
        ("workers", _workers(snapshot)),
        ("generation", str(snapshot.generation)),
        ("up", duration(max(now - snapshot.started, 0))),
        ("listening", ", ".join(snapshot.listeners) or "nowhere"),
        ("target", snapshot.target),
        ("control", control),
        ("mainstay", snapshot.version),
        ("trouble", snapshot.trouble),
    ]
    lines = [title, *(f"  {name:<12}{value}" for name, value in facts if value)]
    if snapshot.workers:
        lines += ["", *_table(snapshot.workers)]
    if snapshot.restarts:
        lines += ["", "restarts", *(_restart(each, now) for each in snapshot.restarts[-_SHOWN:])]
    return "\n".join(lines)


def _workers(snapshot: Snapshot) -> str:
    """How many there are, and how many there are to be if those are more; empty without any."""
    if snapshot.serving < snapshot.wanted:
        return f"{snapshot.serving} of {snapshot.wanted}"
    return str(snapshot.wanted or "")


def _table(workers: Iterable[WorkerSnapshot]) -> list[str]:
    head = ("gen", "#", "pid", "state", "up", "in flight", "connections", "requests", "memory")
    rows = [
        (
            str(each.generation),
            str(each.index),
            str(each.pid),
            each.state,
            duration(each.uptime) if each.uptime else "",
            str(each.in_flight),
            str(each.connections),
            str(each.requests),
            memory(each.memory),
        )
        for each in sorted(workers, key=lambda each: (each.generation, each.index))
    ]
    return _columns([head, *rows], left={3})


def _columns(rows: Sequence[Sequence[str]], left: set[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            text.ljust(width) if number in left else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _restart(outcome: Outcome, now: float) -> str:
    ago = duration(max(now - outcome.time, 0))
    failed = f"failed: {_short(outcome.reason)}"
    end = f"generation {outcome.generation} serves" if outcome.ok else failed
    return f"  {ago} ago  {outcome.kind}, {outcome.seconds:.1f} s  {end}"


def _short(reason: str) -> str:
    """The first line of a reason; where that announces those after it, the first of them too."""
    first, *rest = reason.splitlines() or [""]
    if not first.endswith(":"):
        return first
    shown = [each.strip() for each in rest[:_FAULTS]] + ["…"] * (len(rest) > _FAULTS)
    return f"{first} {'; '.join(shown)}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units, such as ``2 h 5 min``."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def memory(octets: int) -> str:
    """Bytes in MiB; empty where they are not known."""
    return f"{octets / _KIB / _KIB:.0f} MiB" if octets else ""
