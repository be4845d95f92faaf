"""Who is measured, and how each is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["OURS", "Peer", "peers"]

PROGRAMS: Final = "bench.http.programs"
OURS: Final = "mainstay"

Command = Callable[[int], Sequence[str]]


@dataclass(frozen=True)
class Peer:
    """A server to be measured.

    Attributes:
        key: its name on the command line and in the tables.
        about: what it is made of.
        command: starts it on that port of the loopback address.
        packages: the distributions whose versions are shown.
        environment: variables beside those of the bench.
        http2: whether it speaks HTTP/2 without TLS to who begins with it.
    """

    key: str
    about: str
    command: Command
    packages: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    http2: bool = False


def on_uvicorn(program: str) -> Command:
    """An ASGI application on uvicorn at its fastest: httptools, uvloop, no access log."""

    def command(port: int) -> Sequence[str]:
        return (
            *(sys.executable, "-m", "uvicorn", f"{PROGRAMS}.{program}"),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--http", "httptools", "--loop", "uvloop"),
            *("--no-access-log", "--log-level", "warning"),
            # Its own 5 s would close the idle connections that are to be weighed.
            *("--timeout-keep-alive", "75"),
        )

    return command


def mainstay(port: int) -> Sequence[str]:
    """Our own, with everything on that is on by default."""
    return (
        *(sys.executable, "-m", "mainstay", "run", f"{PROGRAMS}.mainstay_app:service"),
        *("--set", f'mainstay.http.listen=["tcp://127.0.0.1:{port}"]'),
    )


def sanic(port: int) -> Sequence[str]:
    """Sanic on its own server."""
    return (sys.executable, "-m", f"{PROGRAMS}.sanic_app", str(port))


def peers(gin: Path | None) -> Sequence[Peer]:
    """All of them, ours first.

    Args:
        gin: the server that was built; None leaves gin out.
    """
    found = [
        Peer(OURS, "mainstay run, as by default", mainstay, (OURS,), http2=True),
        Peer("starlette", "uvicorn, pure ASGI middleware", on_uvicorn("starlette_app:app")),
        Peer("fastapi", "uvicorn, pure ASGI middleware", on_uvicorn("fastapi_app:app")),
        Peer("fastapi-tutorial", "its own middleware", on_uvicorn("fastapi_app:tutorial")),
        Peer("litestar", "uvicorn, msgspec", on_uvicorn("litestar_app:app")),
        Peer("blacksheep", "uvicorn, pydantic", on_uvicorn("blacksheep_app:app")),
        Peer("sanic", "its own server, one process", sanic),
    ]
    if gin is not None:
        about = "Go's net/http, GOMAXPROCS=1"
        one = {"GOMAXPROCS": "1", **{k: v for k, v in os.environ.items() if k == "GOGC"}}
        found.insert(
            1, Peer("gin", about, lambda port: (str(gin), str(port)), environment=one, http2=True)
        )
    return found
