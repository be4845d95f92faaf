"""The environment of the HTTP bench: that of the other experiments, with the peers in it.

Run with ``python -m bench.http.environment``, which prints the path of its interpreter.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.environment import HOME, prepare

__all__ = ["GIN", "PACKAGES", "build_gin", "install_peers"]

PACKAGES: Final = (
    "blacksheep",
    "fastapi",
    "httptools",
    "litestar",
    "msgspec",
    "pydantic",
    "sanic",
    "starlette",
    "uvicorn",
    "uvloop",
)
"""What pip installs, in current releases."""

GIN: Final = Path(__file__).parent / "gin"


def install_peers(home: Path = HOME) -> Path:
    """Install the peers, where they are not, and return the interpreter."""
    python = prepare(home)
    stamp = home / "http-stamp"
    # The environment is made anew, without this stamp, when its interpreter changes.
    wanted = "\n".join(PACKAGES)
    if not stamp.exists() or stamp.read_text() != wanted:
        sys.stderr.write(f"bench: installing {', '.join(PACKAGES)}\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        options = ["--disable-pip-version-check", "--no-input", "--upgrade"]
        subprocess.run([*pip, *options, *PACKAGES], check=True)
        stamp.write_text(wanted)
    return python


def build_gin() -> Path | None:
    """Build the server in Go, and return its path; None where there is no Go."""
    if shutil.which("go") is None:
        return None
    built = GIN / "build" / "server"
    subprocess.run(["go", "build", "-o", built, "."], cwd=GIN, check=True)
    return built


if __name__ == "__main__":
    print(install_peers())
