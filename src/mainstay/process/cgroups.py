"""How many processors and how much memory there really are: the limits of control groups.

A container, or a unit of systemd, may have less than the machine, and the limit may be set on any
group above the one the process is in: a pod has it for all its containers, a slice for all its
units. So every level is read, from the process's own group up to the top that can be seen, and the
tightest wins. (Many read the group itself only, and start 64 workers for two processors.)

Version 1 and 2, and both at once, as the mounts say; which group a process is in stands in
``/proc/self/cgroup``, where its hierarchy is mounted in ``/proc/self/mountinfo``.

Fractions of a processor are rounded down for workers, and one is the least: a worker more than the
quota has time for makes each of them wait.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["Limit", "Sizing", "cpu_limit", "memory_limit", "memory_to_use", "workers_auto"]

HEADROOM: Final = 0.9
"""Of the memory limit: what may be used before something has to be done; the kernel kills at 1."""

# Version 1 writes "no limit" as the highest multiple of a page that fits 63 bits.
_NO_LIMIT: Final = 1 << 62
_ROOT: Final = Path("/")


@dataclass(frozen=True, slots=True)
class Limit:
    """The tightest of some limits.

    Attributes:
        value: processors, or bytes.
        source: the file that says so.
    """

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Sizing:
    """How many workers.

    Attributes:
        workers: at least 1.
        source: where the number comes from, for the log.
    """

    workers: int
    source: str


def workers_auto(root: Path = _ROOT, affinity: int | None = None) -> Sizing:
    """As many workers as there are processors for this process.

    Args:
        root: of the file system.
        affinity: processors that it may run on; asked of the kernel unless given.
    """
    allowed = _affinity() if affinity is None else affinity
    quota = cpu_limit(root)
    if quota is None or quota.value >= allowed:
        return Sizing(max(1, allowed), f"{allowed} processors that this process may run on")
    workers = max(1, int(quota.value))
    return Sizing(workers, f"a quota of {quota.value:g} processors, from {quota.source}")


def cpu_limit(root: Path = _ROOT) -> Limit | None:
    """Processors that the quotas leave, or None without a quota."""
    found: list[Limit] = []
    for folder in _groups(root, "cpu"):
        for read in (_cpu_max, _cfs_quota):
            limit = read(folder, root)
            if limit is not None:
                found.append(limit)
    return min(found, key=lambda each: each.value, default=None)


def memory_limit(root: Path = _ROOT) -> Limit | None:
    """Bytes that this process and those beside it may have, or None without a limit."""
    found: list[Limit] = []
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name)
            if text.isdecimal() and int(text) < _NO_LIMIT:
                found.append(Limit(int(text), _named(folder / name, root)))
    return min(found, key=lambda each: each.value, default=None)


def memory_to_use(limit: float, workers: int = 1, generations: int = 2) -> int:
    """Bytes that each worker may have, so that all of them stay below the limit.

    Args:
        limit: bytes for all, from `memory_limit`.
        workers: of a generation.
        generations: that live side by side; 2 while a restart is under way.
    """
    return int(limit * HEADROOM / (workers * generations))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_max(folder: Path, root: Path) -> Limit | None:
    """Version 2: quota and period in microseconds, or ``max``."""
    words = _text(folder / "cpu.max").split()
    if not words or not words[0].isdecimal():
        return None
    period = int(words[1]) if words[1:] and words[1].isdecimal() else 100_000
    return Limit(int(words[0]) / period, _named(folder / "cpu.max", root)) if period else None


def _cfs_quota(folder: Path, root: Path) -> Limit | None:
    """Version 1: the same in two files; -1 is no quota."""
    quota = _text(folder / "cpu.cfs_quota_us")
    period = _text(folder / "cpu.cfs_period_us")
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return None
    return Limit(int(quota) / int(period), _named(folder / "cpu.cfs_quota_us", root))


# --- where the groups are -----------------------------------------------------------------------


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the process's groups that may limit `controller`, its own first."""
    mounts = _mounts(root)
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        # Without names it is version 2, which has all controllers in one hierarchy.
        mounted = mounts.get(controller if controllers else "")
        if mounted is None:
            continue
        top, point = mounted
        yield from _upwards(root / point.lstrip("/"), _below(group, top))


def _below(group: str, top: str) -> PurePosixPath:
    """Where a group is below its mount: what is outside of it (``/../..``) cannot be seen."""
    path = PurePosixPath(group)
    if ".." in path.parts:
        return PurePosixPath()
    if path.is_relative_to(top):
        return path.relative_to(top)
    # The mount shows another part of the hierarchy, as in a container with the host's names.
    return PurePosixPath()


def _upwards(mount: Path, group: PurePosixPath) -> Iterator[Path]:
    yield mount / group
    for parent in group.parents:
        yield mount / parent


def _mounts(root: Path) -> dict[str, tuple[str, str]]:
    """The root within the hierarchy and the mount point of each controller; "" is version 2."""
    found: dict[str, tuple[str, str]] = {}
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, separator, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if not separator or len(fields) < len(("id", "parent", "device", "root", "point")):
            continue
        where = (fields[3], fields[4].replace(r"\040", " "))
        if kinds[0] == "cgroup2":
            found.setdefault("", where)
        elif kinds[0] == "cgroup":
            for option in kinds[-1].split(","):
                found.setdefault(option, where)
    return found


def _named(path: Path, root: Path) -> str:
    return f"/{path.relative_to(root)}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
