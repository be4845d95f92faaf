"""The environment of the chat's bench: that of the other experiments, with a database's library in
it, and the load generator, which is in Go and needs nothing beside its standard library.

Run with ``python -m bench.im.environment``, which prints the path of its interpreter.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.environment import HOME, ROOT, prepare

__all__ = ["build_client", "install"]

CLIENT: Final = Path(__file__).parent / "client"


def install(home: Path = HOME) -> Path:
    """Install what the chat stands on, where it is not, and return the interpreter."""
    python = prepare(home)
    stamp = home / "im-stamp"
    # The environment is made anew, without this stamp, when its interpreter changes.
    wanted = (ROOT / "pyproject.toml").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        sys.stderr.write("bench: installing what examples/im stands on\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        options = ["--disable-pip-version-check", "--no-input", "--editable"]
        subprocess.run([*pip, *options, f"{ROOT}[examples]"], check=True)
        stamp.write_text(wanted)
    return python


def build_client() -> Path:
    """Build the load generator, and return its path."""
    if shutil.which("go") is None:
        raise SystemExit("bench: the load generator needs Go; on Debian: apt-get install golang")
    built = CLIENT / "build" / "client"
    subprocess.run(["go", "build", "-o", built, "."], cwd=CLIENT, check=True)
    return built


if __name__ == "__main__":
    print(install())
