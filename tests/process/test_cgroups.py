"""Facts about the limits of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainstay.process.cgroups import (
    Limit,
    cpu_limit,
    memory_limit,
    memory_to_use,
    workers_auto,
)

V2_MOUNT = "31 23 0:28 {top} /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:29 {top} /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 {top} /sys/fs/cgroup/memory rw shared:2 - cgroup cgroup rw,memory\n"
)


def tree(root: Path, groups: str, mounts: str, top: str = "/", **files: str) -> Path:
    """A file system with the files, those of groups named from the mount."""
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    files["proc/self/cgroup"] = groups
    files["proc/self/mountinfo"] = mounts.format(top=top)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_version_2_is_read_up_to_the_top(tmp_path: Path) -> None:
    """A slice above the unit has the tightest limit, and both limits are found where they are."""
    files = {
        "app.slice/cpu.max": "150000 100000",
        "app.slice/memory.max": "max",
        "app.slice/shop.service/cpu.max": "400000 100000",
        "app.slice/shop.service/memory.max": "1048576",
        "memory.max": "2097152",
    }
    root = tree(tmp_path, "0::/app.slice/shop.service", V2_MOUNT, **files)
    assert cpu_limit(root) == Limit(1.5, "/sys/fs/cgroup/app.slice/cpu.max")
    assert memory_limit(root) == Limit(1048576, "/sys/fs/cgroup/app.slice/shop.service/memory.max")
    sizing = workers_auto(root, affinity=8)
    assert sizing.workers == 1
    assert sizing.source == "a quota of 1.5 processors, from /sys/fs/cgroup/app.slice/cpu.max"


def test_version_1_is_read_up_to_the_top(tmp_path: Path) -> None:
    """The controllers have hierarchies of their own; no quota is -1, no limit a huge number."""
    groups = "5:cpu,cpuacct:/pod/main\n4:memory:/pod/main\n0::/"
    files = {
        "cpu,cpuacct/pod/cpu.cfs_quota_us": "250000",
        "cpu,cpuacct/pod/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/pod/main/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/pod/main/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/pod/memory.limit_in_bytes": "1073741824",
    }
    root = tree(tmp_path, groups, V1_MOUNTS, **files)
    assert cpu_limit(root) == Limit(2.5, "/sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us")
    assert memory_limit(root) == Limit(
        1073741824, "/sys/fs/cgroup/memory/pod/memory.limit_in_bytes"
    )
    assert workers_auto(root, affinity=64).workers == 2


@pytest.mark.parametrize(
    ("group", "top"), [("/docker/abc", "/docker/abc"), ("/../../abc", "/"), ("/docker/abc", "/x")]
)
def test_in_a_container_the_mount_is_what_can_be_seen(tmp_path: Path, group: str, top: str) -> None:
    """The names may be those of the host, below the mount's own root, or outside of it."""
    root = tree(tmp_path, f"0::{group}", V2_MOUNT, top, **{"cpu.max": "300000 100000"})
    assert cpu_limit(root) == Limit(3.0, "/sys/fs/cgroup/cpu.max")


@pytest.mark.parametrize("text", ["max 100000", "", "soon", "100000 0"])
def test_without_a_quota_affinity_counts(tmp_path: Path, text: str) -> None:
    """No quota, or one that is not understood, is none."""
    root = tree(tmp_path, "0::/a", V2_MOUNT, **{"a/cpu.max": text})
    assert cpu_limit(root) is None
    sizing = workers_auto(root, affinity=6)
    assert (sizing.workers, sizing.source) == (6, "6 processors that this process may run on")


@pytest.mark.parametrize(
    ("quota", "affinity", "workers"),
    [("50000", 4, 1), ("199999", 4, 1), ("200000", 4, 2), ("800000", 2, 2), ("400000", 4, 4)],
)
def test_a_part_of_a_processor_is_not_one(
    tmp_path: Path, quota: str, affinity: int, workers: int
) -> None:
    """Rounded down, one at the least, and never more than may be run on."""
    root = tree(tmp_path, "0::/", V2_MOUNT, **{"cpu.max": f"{quota} 100000"})
    assert workers_auto(root, affinity).workers == workers


def test_a_system_without_control_groups_has_no_limits(tmp_path: Path) -> None:
    """Nothing there is nothing said."""
    assert cpu_limit(tmp_path) is None
    assert memory_limit(tmp_path) is None
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n7:pids:/\nnonsense\n")
    (tmp_path / "proc/self/mountinfo").write_text("nonsense\n1 2 - cgroup2\n")
    assert cpu_limit(tmp_path) is None


def test_this_machine_has_an_answer() -> None:
    """At least one worker, with a reason, and no limit that is not positive."""
    sizing = workers_auto()
    assert sizing.workers >= 1
    assert "processors" in sizing.source
    limit = memory_limit()
    assert limit is None or limit.value > 0


def test_memory_is_shared_by_workers_and_generations() -> None:
    """Two generations of four workers stay below nine tenths of the limit."""
    each = memory_to_use(8_000_000, workers=4)
    assert each == 900_000
    assert memory_to_use(1000, generations=1) == 900
