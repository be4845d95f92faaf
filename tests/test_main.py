"""Facts about ``python -m mainstay``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cli.world import GOOD, mainstay, write

MODULE = (sys.executable, "-m", "mainstay")


def test_the_module_is_the_command(tmp_path: Path) -> None:
    """It says and does the same, and calls itself by the command's name."""
    write(tmp_path, good=GOOD)
    for arguments in (["--help"], ["run", "--help"], ["check", "good"], ["rnu"]):
        assert mainstay(*arguments, cwd=tmp_path, program=MODULE) == mainstay(
            *arguments, cwd=tmp_path
        )


def test_importing_the_module_runs_nothing(tmp_path: Path) -> None:
    """Tools that import every module of a package get away unharmed."""
    program = (sys.executable, "-c", "import mainstay.__main__; print('still here')")
    done = mainstay(cwd=tmp_path, program=program)
    assert (done.code, done.out, done.err) == (0, "still here\n", "")
