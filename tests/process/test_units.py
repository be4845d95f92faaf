"""Facts about unit files."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mainstay.process.units import UnitFacts, container, supervisor, systemd

FACTS = UnitFacts(
    "shop",
    (sys.executable, "-m", "mainstay", "run", "shop.app:service"),
    (sys.executable, "-m", "mainstay"),
    "/tmp",
    ("tcp://127.0.0.1:8000",),
    user="root",
    timeout=25.5,
)


def sections(text: str) -> dict[str, configparser.ConfigParser]:
    """Each file in the text, by the name in its first comment."""
    found = {}
    for part in text.split("# /etc/systemd/system/")[1:]:
        name, _, body = part.partition("\n")
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(body)
        found[name] = parser
    return found


def test_systemd_is_told_the_times_of_the_service() -> None:
    """It waits as long as the shutdown may take, and a reload as long as its probation."""
    service = sections(systemd(FACTS))["shop.service"]["Service"]
    assert service["Type"] == "notify-reload"
    assert service["TimeoutStopSec"] == "28"
    assert service["TimeoutStartSec"] == "80"
    assert service["KillMode"] == "mixed"
    assert service["User"] == "root"
    assert service["RestartPreventExitStatus"] == "2 4 78"
    assert service["ExecStart"].endswith(
        "run shop.app:service --listen tcp://127.0.0.1:8000 --control /run/shop/control"
    )
    assert service["RuntimeDirectory"] == "shop"
    assert "ExecReload" not in service
    assert "FileDescriptorStoreMax" not in service


@pytest.mark.parametrize(
    ("version", "control", "reload"),
    [
        (252, None, f"{sys.executable} -m mainstay restart --control /run/shop/control"),
        (245, "/srv/c", f"{sys.executable} -m mainstay restart --control /srv/c"),
        (252, "", "/bin/kill -HUP $MAINPID"),
        (253, None, None),
        (255, "/srv/c", None),
    ],
)
def test_systemd_before_253_is_told_how_to_reload(
    version: int, control: str | None, reload: str | None
) -> None:
    """By the command that waits for the outcome; without a control socket by a signal."""
    service = sections(systemd(replace(FACTS, systemd=version, control=control)))["shop.service"]
    assert service["Service"]["Type"] == ("notify-reload" if reload is None else "notify")
    assert service["Service"].get("ExecReload") == reload
    assert ("RuntimeDirectory" in service["Service"]) == (control is None)
    assert ("--control" in service["Service"]["ExecStart"]) == (control != "")


def test_sockets_have_units_and_names() -> None:
    """One unit a listener, whose name is what the service listens on."""
    addresses = ("tcp://:8000", "unix:/run/shop.sock", "tcp://[::1]:9000")
    text = systemd(replace(FACTS, sockets=True, store=True, addresses=addresses))
    units = sections(text)
    assert list(units) == ["shop.service", "shop.socket", "shop-1.socket", "shop-2.socket"]
    streams = [units[name]["Socket"]["ListenStream"] for name in list(units)[1:]]
    assert streams == ["8000", "/run/shop.sock", "[::1]:9000"]
    assert [units[name]["Socket"]["FileDescriptorName"] for name in list(units)[1:]] == [
        "shop",
        "shop-1",
        "shop-2",
    ]
    service = units["shop.service"]["Service"]
    assert service["ExecStart"].endswith(
        "--listen fd://shop --listen fd://shop-1 --listen fd://shop-2 --control /run/shop/control"
    )
    assert service["FileDescriptorStoreMax"] == "64"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_understands_it(tmp_path: Path) -> None:
    """Its own checker has nothing to say about the files, strange arguments included."""
    command = (*FACTS.command, "--set", 'greeting=100% "sure"; $HOME')
    text = systemd(replace(FACTS, command=command, sockets=True, systemd=245))
    for part in text.split("# /etc/systemd/system/")[1:]:
        name, _, body = part.partition("\n")
        (tmp_path / name).write_text(body)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert [line for line in done.stderr.splitlines() if "shop" in line] == []


def test_arguments_of_systemd_are_quoted() -> None:
    """Its signs are doubled, so that it expands nothing."""
    text = systemd(replace(FACTS, command=("/bin/x", 'a "b" 5% $HOME', "")))
    assert 'ExecStart=/bin/x "a \\"b\\" 5%% $$HOME" "" --listen' in text


def test_supervisord_keeps_one_process() -> None:
    """A process that stays, stopped in time, and not started again for what cannot be mended."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(supervisor(replace(FACTS, command=("/bin/x", "run", "shop", "5%"))))
    program = parser["program:shop"]
    assert program["command"] == "/bin/x run shop 5%% --init --listen tcp://127.0.0.1:8000"
    assert program["stopwaitsecs"] == "28"
    assert (program["exitcodes"], program["startretries"]) == ("0", "3")
    assert program["user"] == "root"
    assert program["stopsignal"] == "TERM"


def test_a_container_gets_its_signal() -> None:
    """The command is a list, the signal is named, and so is the time to stop."""
    text = container(replace(FACTS, command=("mainstay", "run", "shop"), addresses=()), "3.13", 30)
    lines = text.splitlines()
    assert "STOPSIGNAL SIGTERM" in lines
    assert "EXPOSE 8000" in lines
    assert "ENV MAINSTAY__SHUTDOWN__GRACE=30" in lines
    command = next(line for line in lines if line.startswith("CMD "))
    assert json.loads(command[4:]) == ["mainstay", "run", "shop", "--listen", ":8000"]
    assert "terminationGracePeriodSeconds: 28" in text
    assert "ENV" not in container(FACTS, "3.13")
