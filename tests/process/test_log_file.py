"""Facts about the file that a service writes its log to."""

from __future__ import annotations

import os
import stat
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


PIPE = """
import logging, os, sys
from mainstay.process.log_file import LogFile
logging.basicConfig(level="INFO", format="%(message)s")
path = sys.argv[1]
file = LogFile(path)
file.redirect()
os.rename(path, path + ".1")
os.mkfifo(path)
file.reopen()
reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
file.reopen()
said = os.read(reader, 4096)
assert said == b"the log was opened anew\\n", said
assert os.get_blocking(1)
os.remove(path)
os.symlink(path + ".1", path)
file.reopen()
"""


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    """The file became one: it writes on to the file before; with a reader, to the pipe; and where
    an operator has put a link, to what that names."""
    path = tmp_path / "app.log"
    subprocess.run([sys.executable, "-c", PIPE, str(path)], check=True, timeout=90)
    first, second = (tmp_path / "app.log.1").read_text().splitlines()
    assert first.startswith(f"still writing to the file before: {path} is a pipe that nobody reads")
    assert second == "the log was opened anew"


def test_what_is_no_file_for_a_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block device, of which there need not be one here; terminals and the null device will do."""
    real = os.fstat

    def block(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        found[0] = stat.S_IFBLK
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", block)
    with pytest.raises(ResourceError, match=r"app\.log is no file that a log can be written to"):
        LogFile(tmp_path / "app.log").redirect()
