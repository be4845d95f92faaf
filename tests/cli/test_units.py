"""Facts about ``mainstay units``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.world import GOOD, mainstay, write


def test_systemd_finds_the_service_where_it_is(tmp_path: Path) -> None:
    """The paths are absolute, the times the service's own, and the rest as it was given."""
    write(tmp_path, good=GOOD)
    (tmp_path / "mine.toml").write_text("[mainstay.shutdown]\ntimeout = 40\n")
    done = mainstay(
        "units", "systemd", "good", "--config", "mine.toml", "-l", "8000", "--workers", "2",
        "--set", "mainstay.log.level=debug", cwd=tmp_path,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert (
        f"ExecStart={sys.executable} -m mainstay run good --config {tmp_path}/mine.toml "
        "--set mainstay.log.level=debug --workers 2 --listen tcp://127.0.0.1:8000 "
        "--control /run/good/control\n"
    ) in done.out
    assert f"WorkingDirectory={tmp_path}\n" in done.out
    assert "TimeoutStopSec=42\n" in done.out


@pytest.mark.parametrize(
    ("says", "options", "kind"),
    [
        ("systemd 252 (252.39-1~deb12u2)", (), "notify"),
        ("systemd 257", (), "notify-reload"),
        ("systemd 257", ("--systemd", "249"), "notify"),
        ("something else", (), "notify-reload"),
    ],
)
def test_the_unit_is_for_the_systemd_of_this_machine(
    tmp_path: Path, says: str, options: tuple[str, ...], kind: str
) -> None:
    """Or for the version that is named; without any it is for one of today."""
    write(tmp_path, good=GOOD)
    here = tmp_path / "bin"
    here.mkdir()
    (here / "systemctl").write_text(f"#!/bin/sh\necho '{says}'\n")
    (here / "systemctl").chmod(0o755)
    done = mainstay("units", "systemd", "good", *options, cwd=tmp_path, env={"PATH": str(here)})
    assert (done.code, done.err) == (0, "")
    assert f"\nType={kind}\n" in done.out


def test_a_control_socket_of_the_configuration_is_in_the_unit(tmp_path: Path) -> None:
    """In full, since a supervisor reads no configuration and root is elsewhere."""
    write(tmp_path, good=GOOD)
    setting = ("--set", "mainstay.process.control=c/control")
    done = mainstay("units", "systemd", "good", *setting, cwd=tmp_path)
    assert f"--control {tmp_path}/c/control\n" in done.out
    assert "RuntimeDirectory" not in done.out


@pytest.mark.parametrize("kind", ["supervisor", "container"])
def test_others_are_told_as_well(tmp_path: Path, kind: str) -> None:
    """Each in its own words; a container has no paths of this machine."""
    write(tmp_path, good=GOOD)
    done = mainstay("units", kind, "good", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert (str(tmp_path) in done.out) == (kind == "supervisor")
    assert ("[program:good]" in done.out) == (kind == "supervisor")


def test_a_short_grace_period_is_warned_of(tmp_path: Path) -> None:
    """The unit is printed all the same, and the warning is not in it."""
    write(tmp_path, good=GOOD)
    by_option = mainstay("units", "container", "good", "--grace", "20", cwd=tmp_path)
    by_setting = mainstay(
        "units", "systemd", "good", cwd=tmp_path, env={"MAINSTAY__SHUTDOWN__GRACE": "20"}
    )
    for done in (by_option, by_setting):
        assert done.code == 0
        assert done.err.startswith("Warning: a grace period of 20 s cannot hold")
        assert "cannot hold" not in done.out


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """No such kind, no such module, and sockets without addresses."""
    write(tmp_path, good=GOOD)
    assert mainstay("units", "launchd", "good", cwd=tmp_path).code == 2
    assert mainstay("units", "systemd", "nothing", cwd=tmp_path).code == 4
    done = mainstay("units", "systemd", "good", "--sockets", cwd=tmp_path)
    assert (done.code, done.err) == (
        2,
        "Error: --sockets needs the addresses: say --listen as well\n",
    )
