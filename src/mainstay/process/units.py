"""Unit files: how others are told to run a service, with the times that fit it.

Text from values and nothing else; see `mainstay units`. Sources: systemd.service(5),
systemd.socket(5), systemd.kill(5); supervisord's configuration file; the reference of Dockerfile.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mainstay.net.address import Address
from mainstay.process.grace import grace_needed

__all__ = ["FAULTS", "UnitFacts", "container", "supervisor", "systemd"]

FAULTS: Final = (2, 4, 78)
"""Exit codes that another start does not mend: usage, import, configuration."""

NOTIFY_RELOAD: Final = 253
"""The first version of systemd with ``Type=notify-reload``."""

WATCHDOG: Final = 30
"""Seconds; the service says twice as often that its loop runs."""


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What a unit is about.

    Attributes:
        name: of the service.
        command: that runs it: absolute program and arguments, without addresses.
        program: the part of it that is mainstay itself.
        folder: absolute; where it starts.
        addresses: to listen on, in the text of `mainstay.net.address`; none for the service's own.
        user: to run as; empty for whoever the unit's default is.
        start: seconds that a start may take.
        timeout: seconds of the shutdown.
        restart: seconds that a hot restart may take until it is confirmed.
        sockets: whether systemd is to hold the listeners.
        store: whether systemd is to keep the listeners between two starts.
        control: path of the control socket; empty for none; None for one in the folder that systemd
            makes for the service below ``/run``.
        systemd: version of systemd that it is for; None for one that is not known.
    """

    name: str
    command: tuple[str, ...]
    program: tuple[str, ...]
    folder: str
    addresses: tuple[str, ...] = ()
    user: str = ""
    start: float = 60.0
    timeout: float = 25.0
    restart: float = 80.0
    sockets: bool = False
    store: bool = False
    control: str | None = None
    systemd: int | None = None


def systemd(facts: UnitFacts) -> str:
    """A service unit, and a socket unit if it is to hold the listeners."""
    held = _sockets(facts) if facts.sockets else {}
    told = [f"fd://{name}" for name in held] or list(facts.addresses)
    command = [*facts.command, *_listen(told)]
    control = f"/run/{facts.name}/control" if facts.control is None else facts.control
    if control:
        command += ["--control", control]
    text = [
        f"# /etc/systemd/system/{facts.name}.service",
        "[Unit]",
        f"Description={_percent(facts.name)}",
        "Wants=network-online.target",
        "After=network-online.target",
        *(f"Requires={name}.socket" for name in held),
        "",
        "[Service]",
        *_reloads(facts, control),
        f"ExecStart={' '.join(_quoted(each) for each in command)}",
        *(_runtime_directory(facts, control) if facts.control is None else ()),
        f"WorkingDirectory={_percent(facts.folder)}",
        *([f"User={facts.user}"] if facts.user else ["# User=", "# Group="]),
        "# A start, and a reload from SIGHUP to the end of its probation.",
        f"TimeoutStartSec={_seconds(max(facts.start, facts.restart))}",
        "# The shutdown may take this long; the generation before drains apart from it.",
        f"TimeoutStopSec={_seconds(grace_needed(facts.timeout))}",
        "# SIGTERM to the service alone, which stops its workers in order; SIGKILL to what is left.",
        "KillMode=mixed",
        f"WatchdogSec={WATCHDOG}",
        "Restart=on-failure",
        f"RestartPreventExitStatus={' '.join(map(str, FAULTS))}",
        *(["FileDescriptorStoreMax=64"] if facts.store else []),
        "NoNewPrivileges=yes",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    for name, address in held.items():
        text += [
            "",
            f"# /etc/systemd/system/{name}.socket",
            "[Socket]",
            f"ListenStream={_stream(address)}",
            f"FileDescriptorName={name}",
            f"Service={facts.name}.service",
            "",
            "[Install]",
            "WantedBy=sockets.target",
        ]
    return "\n".join(text) + "\n"


def _reloads(facts: UnitFacts, control: str) -> list[str]:
    """How it is reloaded; `systemctl reload` waits until the restart is over, if it can be asked."""
    if facts.systemd is None or facts.systemd >= NOTIFY_RELOAD:
        hint = "# Needs systemd 253; for one before, print the unit with --systemd VERSION."
        return [hint, "Type=notify-reload"]
    if not control:
        return ["Type=notify", "ExecReload=/bin/kill -HUP $MAINPID"]
    restart = [*facts.program, "restart", "--control", control]
    return ["Type=notify", f"ExecReload={' '.join(_quoted(each) for each in restart)}"]


def _runtime_directory(facts: UnitFacts, control: str) -> list[str]:
    return [
        f"# For `mainstay status --control {control}` and its like, as this user or root.",
        f"RuntimeDirectory={_percent(facts.name)}",
    ]


def supervisor(facts: UnitFacts) -> str:
    """A program of supervisord."""
    command = [*facts.command, "--init", *_listen(facts.addresses)]
    text = [
        f"; /etc/supervisor/conf.d/{facts.name}.conf",
        f"[program:{facts.name}]",
        "; --init keeps one process id through all restarts.",
        f"command={_percent(shlex.join(command))}",
        f"directory={_percent(facts.folder)}",
        *([f"user={facts.user}"] if facts.user else []),
        "autorestart=unexpected",
        "exitcodes=0",
        "; Running means ready only after this long. A start that fails before is tried again, each",
        "; time after a longer wait, whatever its exit code; then it is FATAL.",
        "startsecs=5",
        "startretries=3",
        "stopsignal=TERM",
        f"stopwaitsecs={grace_needed(facts.timeout)}",
        "; SIGTERM to the one process, SIGKILL to all that are left.",
        "stopasgroup=false",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile=/var/log/{facts.name}.log",
        f"; restart without a loss: supervisorctl signal HUP {facts.name}",
    ]
    return "\n".join(text) + "\n"


def container(facts: UnitFacts, python: str, grace: float | None = None) -> str:
    """The part of a Dockerfile that is about running it.

    Args:
        facts: the command begins with ``mainstay``.
        python: version, such as ``3.13``.
        grace: seconds that the platform gives it to stop; None if that is not known.
    """
    addresses = facts.addresses or (":8000",)
    ports = [each.port for each in map(Address.from_text, addresses) if each.kind == "tcp"]
    needed = grace_needed(facts.timeout)
    command = [*facts.command, *_listen(addresses)]
    text = [
        f"FROM python:{python}-slim",
        "WORKDIR /app",
        "COPY . .",
        "RUN pip install --no-cache-dir .",
        "USER nobody",
        *(f"EXPOSE {port}" for port in ports if port),
        *([f"ENV MAINSTAY__SHUTDOWN__GRACE={grace:g}"] if grace is not None else []),
        "STOPSIGNAL SIGTERM",
        "# As a list: a shell would be process 1, and keep the signal to itself.",
        f"CMD {json.dumps(command)}",
        f"# docker run --stop-timeout {needed} …",
        f"# Kubernetes: terminationGracePeriodSeconds: {needed}, more by what a preStop hook takes",
    ]
    return "\n".join(text) + "\n"


def _sockets(facts: UnitFacts) -> dict[str, Address]:
    """A name for each listener: a socket unit has one name for all that it holds."""
    listened = [Address.from_text(each) for each in facts.addresses]
    return {
        facts.name if index == 0 else f"{facts.name}-{index}": each
        for index, each in enumerate(listened)
    }


def _listen(addresses: Sequence[str]) -> list[str]:
    return [part for each in addresses for part in ("--listen", each)]


def _stream(address: Address) -> str:
    if address.kind == "unix":
        return _percent(address.path)
    return f"[{address.host}]:{address.port}" if ":" in address.host else _bound(address)


def _bound(address: Address) -> str:
    return f"{address.host}:{address.port}" if address.host else str(address.port)


def _seconds(value: float) -> str:
    return f"{value:g}"


def _percent(text: str) -> str:
    """A percent sign would begin a specifier of systemd, and an expansion of supervisord."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of systemd's command lines: quoted as C does, with its own signs doubled."""
    word = _percent(word).replace("$", "$$")
    if word and not set(word) & set(" \t\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
