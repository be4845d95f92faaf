"""Facts about the file that a service writes its log to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.errors import ResourceError
from mainstay.process.log_file import LogFile

CODE = """
import logging, os, sys
from mainstay.process.log_file import LogFile
logging.basicConfig(level="INFO", format="%(message)s")
path = sys.argv[1]
file = LogFile(path)
file.redirect()
print("one", flush=True)
os.system("echo two >&2")
os.rename(path, path + ".1")
print("three", flush=True)
file.reopen()
print("four", flush=True)
os.mkdir(path + ".d")
file.path = file.path.with_name("gone") / "a.log"
file.reopen()
print("five", flush=True)
"""


def test_a_file_that_is_moved_away_is_opened_anew(tmp_path: Path) -> None:
    """Both streams and what children write; until it is told, it writes to the file that was moved,
    and when the new one cannot be opened, to the one before."""
    path = tmp_path / "app.log"
    path.write_text("before\n")
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "app.log.1").read_text() == "before\none\ntwo\nthree\n"
    lines = path.read_text().splitlines()
    assert lines[:2] == ["the log was opened anew", "four"]
    assert lines[2].startswith("still writing to the file before: the log file ")
    assert lines[3:] == ["five"]


def test_a_path_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    """And the streams are as they were."""
    with pytest.raises(ResourceError, match="cannot be opened: No such file or directory; choose"):
        LogFile(tmp_path / "none" / "app.log").redirect()
