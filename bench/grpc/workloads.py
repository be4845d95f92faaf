"""What is called, and what every server must answer before it is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

from bench.grpc.environment import environment

__all__ = ["STREAM", "UNARY", "WORKLOADS", "Checked", "Workload", "check", "sealed"]

REPLIES: Final = 100
"""Messages of one streaming call."""

CHECK_WITHIN: Final = 30.0


@dataclass(frozen=True)
class Workload:
    """One request, sent again and again.

    Attributes:
        key: its name on the command line.
        title: what it is.
        unit: what a figure is for.
        path: of the method.
        message: the request, as protobuf.
        replies: messages that answer it.
    """

    key: str
    title: str
    unit: str
    path: str
    message: bytes
    replies: int = 1


UNARY: Final = Workload(
    "unary",
    "unary calls, two middlewares, with a deadline; 4 connections of 16 streams",
    "calls/s",
    "/bench.v1.Greeter/SayHello",
    b"\x0a\x05world",
)
STREAM: Final = Workload(
    "stream",
    f"messages of server streaming, {REPLIES} in a call; 4 connections of 16 streams",
    "messages/s",
    "/bench.v1.Greeter/LotsOfReplies",
    b"\x0a\x05world\x10" + bytes([REPLIES]),
    REPLIES,
)
WORKLOADS: Final = (UNARY, STREAM)


def sealed(message: bytes) -> bytes:
    """The message behind its prefix, as it goes over the wire."""
    return b"\x00" + len(message).to_bytes(4, "big") + message


@dataclass(frozen=True)
class Checked:
    """What a stock client found out about a server.

    Attributes:
        wrong: what it answers otherwise than it should; nothing when it is one to compare with.
        sizes: bytes of DATA that one call of each workload is answered by.
    """

    wrong: list[str]
    sizes: dict[str, int]


def check(port: int) -> Checked:
    """Let the client of grpcio ask, in a process of its own."""
    command = [sys.executable, "-m", "bench.grpc.check", str(port)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=CHECK_WITHIN,
    )
    if done.returncode != 0:
        return Checked([(done.stderr.strip().splitlines() or ["the check failed"])[-1]], {})
    found: dict[str, Any] = json.loads(done.stdout)
    return Checked(found["wrong"], found["sizes"])
