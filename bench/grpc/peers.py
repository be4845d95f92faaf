"""Who is measured, and how each is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.grpc.environment import environment
from bench.http.peers import OURS, Command, Peer

__all__ = ["AIO", "GO", "OURS", "clients", "servers"]

PROGRAMS: Final = "bench.grpc.programs"
GO: Final = "grpc-go"
AIO: Final = "grpc.aio"


def module(name: str) -> Command:
    """A program of the bench, which takes its port."""
    return lambda port: (sys.executable, "-m", f"{PROGRAMS}.{name}", str(port))


def mainstay(port: int) -> Sequence[str]:
    """Our own, with everything on that is on by default."""
    return (
        *(sys.executable, "-m", "mainstay", "run", f"{PROGRAMS}.mainstay_app:service"),
        *("--set", f'mainstay.http.listen=["tcp://127.0.0.1:{port}"]'),
    )


def in_go(built: Path, part: str) -> Peer:
    """grpc-go on one thread; `part` is ``server`` or ``client``."""
    one = {"GOMAXPROCS": "1", **{k: v for k, v in os.environ.items() if k == "GOGC"}}
    about = "GOMAXPROCS=1"
    return Peer(GO, about, lambda port: (str(built), part, str(port)), environment=one)


def servers(go: Path | None) -> list[Peer]:
    """All of them, ours first.

    Args:
        go: the program that was built; None leaves Go out.
    """
    here = environment()
    return [
        Peer(OURS, "mainstay run, as by default", mainstay, environment=here),
        *([] if go is None else [in_go(go, "server")]),
        Peer(AIO, "uvloop", module("aio_server"), environment=here),
        Peer("grpcio", "sixteen threads", module("sync_server"), environment=here),
        Peer("grpclib", "uvloop", module("grpclib_server"), environment=here),
    ]


def clients(go: Path | None) -> list[Peer]:
    """All of them, ours first; the port is the server's."""
    here = environment()
    return [
        Peer(OURS, "uvloop", module("mainstay_client"), environment=here),
        *([] if go is None else [in_go(go, "client")]),
        Peer(AIO, "uvloop", module("aio_client"), environment=here),
        Peer("grpclib", "uvloop", module("grpclib_client"), environment=here),
    ]
