"""Facts about `mainstay.process.launch`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mainstay.process.launch import DROPPED, Launch, launched
from tests.process.crew import environment

PROGRAM = """
import json, os, sys
from mainstay.process.launch import Launch, launched
first = launched()
os.chdir("/")
os.environ["LATE"] = "1"
assert launched() is first
again = Launch.of_this_process()
print(json.dumps([first.command, first.folder, dict(first.environ), again.folder]))
"""


def told(folder: Path, *arguments: str, **environ: str) -> list[object]:
    """What a program that is started so says of its start."""
    (folder / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment(), **environ},
        capture_output=True,
        check=True,
        timeout=90,
    )
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_start_is_known_as_it_was(tmp_path: Path) -> None:
    """Command with the interpreter's own options, folder, and environment, whatever came later."""
    arguments = ["-X", "dev", "program.py", "run", "--workers", "2"]
    command, folder, environ, later = told(tmp_path, *arguments, OWN="x")
    assert command == [sys.executable, *arguments]
    assert folder == later == str(tmp_path)
    assert isinstance(environ, dict)
    assert environ["OWN"] == "x"
    assert "LATE" not in environ


def test_what_is_about_one_process_is_left_out(tmp_path: Path) -> None:
    """A child would take the sockets, the parent or the place of another for its own."""
    _, _, environ, _ = told(tmp_path, "program.py", **dict.fromkeys(DROPPED, "1"))
    assert isinstance(environ, dict)
    assert not set(DROPPED) & set(environ)


def test_the_environment_is_not_shown() -> None:
    """It may have secrets in it."""
    assert "environ" not in repr(Launch(("x",), "/", {"SECRET": "hush"}))
    assert launched() is launched()


def test_the_folder_is_named_as_its_starter_named_it(tmp_path: Path) -> None:
    """A release behind a link is found through the link again, wherever that points by then; a
    name that is of another folder is not believed, and one that is gone is no reason to fail."""
    release, link = tmp_path / "1", tmp_path / "current"
    release.mkdir()
    link.symlink_to("1")
    code = "from mainstay.process.launch import start_folder; print(start_folder())"
    for named, expected in ((link, link), (tmp_path, release), ("relative", release)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=link,
            env={**os.environ, "PWD": str(named)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{expected}\n"
    gone = ["sh", "-c", 'rmdir "$PWD" && exec "$0" "$@"', sys.executable, "-P", "-c", code]
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        gone,
        cwd=tmp_path / "gone",
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "/\n"
