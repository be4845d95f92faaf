"""Facts about ``mainstay run --dev``: real files, a real terminal, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mainstay.cli.dev import is_source
from tests.cli.world import MAINSTAY, PATIENCE, Process, mainstay, running, write
from tests.process.waiting import wait_until

# Says which process serves which version; the versions differ in length, because a compiled module
# is taken for current if its source has the same size and second.
APP = """
    import os
    from mainstay import Service
    service = Service("app")

    @service.on_start
    async def tell() -> None:
        print("serving", {version!r}, "as", os.getpid(), flush=True)
    """
CODE = """
    @service.on_stop
    async def crash() -> None:
        os._exit(42)
    """

# Makes its stdin the terminal that controls it, as a shell's child has one.
ON_A_TERMINAL = (
    sys.executable,
    "-P",
    "-c",
    (
        "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    ),
    *MAINSTAY,
)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that has ended stays a zombie where nobody reaps.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def serving(process: Process, version: str) -> int:
    """Wait until a child serves `version`; its process id."""
    found = re.search(r"as (\d+)", process.wait_line(f"serving {version} as"))
    assert found is not None
    return int(found[1])


@contextmanager
def developing(folder: Path, extra: str = "") -> Iterator[tuple[Process, int]]:
    """A service in dev mode that serves its version ``1``, and the child's process id."""
    write(folder, app=APP.format(version="1") + extra)
    with running("run", "--dev", "app", cwd=folder) as process:
        yield process, serving(process, "1")


def test_a_change_restarts_it(tmp_path: Path) -> None:
    """The old child is stopped well before the new one serves; the message names the file."""
    with developing(tmp_path) as (process, first):
        write(tmp_path, app=APP.format(version="2 now"))
        assert process.wait_line("changed: ") == "changed: app.py; restarting\n"
        process.wait_line("exit code 0")
        second = serving(process, "2 now")
        assert second != first
        assert not is_alive(first)
        assert process.end(signal.SIGTERM) == 0


def test_flags_are_counted_as_they_were_given(tmp_path: Path) -> None:
    """What the command adds for quick restarts comes after them, and does not win."""
    write(tmp_path, app=APP.format(version="1"))
    own = ("--set", "nonsense", "--set", "mainstay.shutdown.timeout=long")
    with running("run", "--dev", *own, "app", cwd=tmp_path) as process:
        assert "flag --set no. 1: expected key=value" in process.wait_line("flag --set no.")
        process.wait_line("mainstay.shutdown.timeout")
        process.wait_line("ended with 78")
        process.end(signal.SIGTERM)


def test_a_broken_module_waits_for_its_mending(tmp_path: Path) -> None:
    """The message is that of `mainstay run`; it is tried again at the next change, not before."""
    with developing(tmp_path) as (process, _):
        write(tmp_path, app="def broken(:\n")
        process.wait_line("cannot import 'app': SyntaxError")
        process.wait_line("app.py:1: def broken(:")
        assert process.wait_line("ended with") == "ended with 4; waiting for a change\n"
        write(tmp_path, app=APP.format(version="3 mended"))
        serving(process, "3 mended")
        assert process.text.count("cannot import") == 1
        assert "Traceback" not in process.text
        assert process.end(signal.SIGTERM) == 0


def test_a_change_of_the_configuration_restarts_it(tmp_path: Path) -> None:
    """Of a file beside the service, and of a named one elsewhere."""
    elsewhere = tmp_path / "elsewhere" / ".hidden"
    elsewhere.mkdir(parents=True)
    (elsewhere / "app.toml").touch()
    folder = tmp_path / "here"
    write(folder, app=APP.format(version="1"))
    arguments = ("run", "--dev", "app", "--config", str(elsewhere / "app.toml"))
    with running(*arguments, cwd=folder) as process:
        serving(process, "1")
        (elsewhere / "app.toml").write_text("[mainstay]\nthreads = 0\n")
        process.wait_line("mainstay.threads")
        assert process.wait_line("ended with") == "ended with 78; waiting for a change\n"
        (elsewhere / "app.toml").write_text("[mainstay]\nthreads = 2\n")
        serving(process, "1")
        assert process.end(signal.SIGTERM) == 0


def test_a_child_that_crashes_is_not_started_again(tmp_path: Path) -> None:
    """No loop: it is said once with which code it ended, and a change is waited for; to end the
    parent then gives that code."""
    crash = "import os, signal\nprint('run', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    write(tmp_path, app=crash)
    with running("run", "--dev", "app", cwd=tmp_path) as process:
        assert process.wait_line("ended with") == "ended with 137; waiting for a change\n"
        write(tmp_path, app=f"{crash}\n")
        assert process.wait_line("ended with") == "ended with 137; waiting for a change\n"
        assert process.end(signal.SIGTERM) == 137
        assert process.text.count("run\n") == 2
        assert process.text.count("ended with") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_parent_ends_both(tmp_path: Path, number: int) -> None:
    """The child is asked to stop, and its exit code is the parent's."""
    with developing(tmp_path, CODE) as (process, child):
        assert process.end(number) == 42
        assert not is_alive(child)


def test_ctrl_c_in_a_terminal_ends_both(tmp_path: Path) -> None:
    """There it reaches parent and child at once; the child drains once, and its code counts."""
    write(tmp_path, app=APP.format(version="1") + CODE)
    master, terminal = pty.openpty()
    try:
        with running(
            "run", "--dev", "app", cwd=tmp_path, program=ON_A_TERMINAL, stdin=terminal
        ) as process:
            child = serving(process, "1")
            os.write(master, b"\x03")
            assert process.end() == 42
            assert not is_alive(child)
            assert "stopping now" not in process.text
            assert "Traceback" not in process.text
    finally:
        os.close(master)
        os.close(terminal)


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_it_has_colours_where_they_are_wanted(tmp_path: Path, env: dict[str, str]) -> None:
    """On a terminal, unless NO_COLOR asks for none (https://no-color.org)."""
    master, terminal = pty.openpty()
    text = b""
    try:
        with running("run", "--dev", "gone", cwd=tmp_path, env=env, stderr=terminal) as process:
            while b"waiting for a change" not in text:
                text += os.read(master, 65536)
            assert process.end(signal.SIGTERM) == 4
    finally:
        os.close(master)
        os.close(terminal)
    assert (b"\x1b[33mended" in text) is not bool(env)


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves no child that goes on serving; it stops well."""
    with developing(tmp_path) as (process, child):
        assert process.end(signal.SIGKILL) == -signal.SIGKILL
        wait_until(lambda: not is_alive(child), PATIENCE)
        assert "exit code 0" in process.text


def test_without_watchfiles_there_is_one_line(tmp_path: Path) -> None:
    """It says what to install."""
    write(tmp_path, app=APP.format(version="1"), watchfiles="raise ImportError")
    done = mainstay("run", "--dev", "app", cwd=tmp_path, env={"PYTHONPATH": _beside(tmp_path)})
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "Error: --dev watches files with watchfiles, which is not installed: "
        "pip install 'mainstay[dev]'\n"
    )


def _beside(folder: Path) -> str:
    return f"{folder}{os.pathsep}{Path(__file__).parents[2] / 'src'}"


@pytest.mark.parametrize(
    ("path", "asks"),
    [
        ("/srv/.app/shop.py", True),
        ("/srv/.app/shop.toml", True),
        ("/srv/.app/pages/index.html", True),
        ("/srv/.app/shop.pyc", False),
        ("/srv/.app/notes.txt", False),
        ("/srv/.app/.venv/lib/x.py", False),
        ("/srv/.app/.#shop.py", False),
        ("/etc/shop.toml", True),
        ("/etc/.git/shop.toml", False),
        ("/tmp/other.py", False),
    ],
)
def test_sources_and_configuration_ask_for_a_restart(path: str, asks: bool) -> None:
    """By their suffix; what is hidden below a watched folder does not count, that folder does."""
    assert is_source(path, [Path("/srv/.app"), Path("/etc")]) is asks
