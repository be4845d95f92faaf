"""How a running service is named on the command line, and what is said when it is not there."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from mainstay.process.control_place import name_of
from tests.cli.controls import service
from tests.cli.world import GOOD, mainstay, running, write

COMMANDS = ("status", "stop", "restart", "reload", "drain", "resume", "logs-reopen")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_service_that_does_not_run_is_one_line(command: str, tmp_path: Path) -> None:
    """It names the socket, and the exit code tells scripts; stopping it is no success either."""
    done = mainstay(command, "shop.app:service", cwd=tmp_path)
    assert (done.code, done.out) == (6, "")
    assert "shop.app:service does not run" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [(), ("a:b", "--control", "c"), ("a:b", "--pidfile", "p")])
def test_it_is_named_in_one_way(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """No name, or two, is a mistake, and the message says which ways there are."""
    done = mainstay("status", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert "--control PATH" in done.err


def test_a_service_is_found_by_its_name_from_its_folder(tmp_path: Path) -> None:
    """No option is needed at the start, and from another folder it is another service."""
    write(tmp_path, good=GOOD)
    (tmp_path / "other").mkdir()
    # As root the folder of the sockets is that of the machine; the name is of this test alone.
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with running("run", "good:service", cwd=tmp_path, env=env) as process:
        process.wait_line("runs on")
        done = mainstay("status", "good:service", cwd=tmp_path, env=env)
        assert done.code == 0
        assert f"process     {process.process.pid}" in done.out
        other = mainstay("status", "good:service", cwd=tmp_path / "other", env=env)
        assert other.code == 6
        assert "these can be reached by --control: " in other.err
        short = mainstay("status", "good", cwd=tmp_path, env=env)
        assert short.code == 6
        assert "good does not run by this name; from this folder there is good:service" in short.err
        assert mainstay("stop", "good:service", cwd=tmp_path, env=env).code == 0
        assert process.end() == 0
    assert mainstay("status", "good:service", cwd=tmp_path, env=env).code == 6


def test_a_second_one_of_the_same_name_runs_without_a_socket(tmp_path: Path) -> None:
    """Nobody has asked for the path, so nobody is stopped by it; the first keeps it."""
    write(tmp_path, good=GOOD)
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with running("run", "good:service", cwd=tmp_path, env=env) as first:
        first.wait_line("runs on")
        with running("run", "good:service", cwd=tmp_path, env=env) as second:
            assert "--control PATH" in second.wait_line("has no control socket")
            second.wait_line("runs on")
            done = mainstay("stop", "good:service", cwd=tmp_path, env=env)
            assert f"process {first.process.pid} has stopped" in done.out
            assert second.process.poll() is None
            done = mainstay("stop", "good:service", cwd=tmp_path, env=env)
            assert done.code == 6
            assert "without a control socket, as a second one of the same name is" in done.err
            file = tmp_path / "second.pid"
            file.write_text(f"{second.process.pid}\n", "ascii")
            done = mainstay("stop", "--pidfile", str(file), cwd=tmp_path, env=env)
            assert done.code == 6
            assert f"otherwise stop it by kill -TERM {second.process.pid}" in done.err


def test_a_path_that_was_named_and_is_taken_fails_the_start(tmp_path: Path) -> None:
    """One clear line, exit code 3, and the service that has it is untouched."""
    with service(tmp_path) as own:
        pid = own.process.process.pid
        done = mainstay("run", "good:service", "--control", str(own.control), cwd=tmp_path)
        assert done.code == 3
        assert f"process {pid} has the control socket {own.control}" in done.err
        assert "Traceback" not in done.err
        assert own.status()["pid"] == pid


def test_a_path_in_a_folder_of_all_fails_the_start(tmp_path: Path) -> None:
    """Whoever can write there could put another socket in its place; workers or not."""
    write(tmp_path, good=GOOD)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    for options in ((), ("--workers", "1")):
        done = mainstay("run", "good:service", "--control", "shared/c", *options, cwd=tmp_path)
        assert done.code == 3
        assert "is open to others (mode 1777)" in done.err
        assert "Traceback" not in done.err
    assert list((tmp_path / "shared").iterdir()) == []


def test_an_empty_path_switches_it_off(tmp_path: Path) -> None:
    """By the option or by the configuration; the folder for sockets stays empty."""
    write(tmp_path, good=GOOD)
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    for options in (("--control", ""), ("--set", "mainstay.process.control=")):
        with running("run", "good:service", *options, cwd=tmp_path, env=env) as process:
            process.wait_line("runs on")
            assert mainstay("status", "good:service", cwd=tmp_path, env=env).code == 6


def test_a_pid_file_names_it(tmp_path: Path) -> None:
    """The number is looked up among the sockets of this user; one that answers at none is said."""
    write(tmp_path, good=GOOD)
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    file = tmp_path / "good.pid"
    with running("run", "good:service", cwd=tmp_path, env=env) as process:
        process.wait_line("runs on")
        file.write_text(f"{process.process.pid}\n", "ascii")
        done = mainstay("status", "--pidfile", str(file), cwd=tmp_path, env=env)
        assert done.code == 0
        assert done.out.startswith("good\n")
    gone = mainstay("status", "--pidfile", str(file), cwd=tmp_path, env=env)
    assert (gone.code, "does not run" in gone.err) == (6, True)
    file.write_text("hello", "ascii")
    wrong = mainstay("stop", "--pidfile", str(file), cwd=tmp_path, env=env)
    assert (wrong.code, "has no number in it" in wrong.err) == (6, True)
    none = mainstay("stop", "--pidfile", str(tmp_path / "none"), cwd=tmp_path, env=env)
    assert (none.code, "No such file" in none.err) == (6, True)


def test_a_supervisor_has_the_socket_and_its_workers_have_none(tmp_path: Path) -> None:
    """Whoever asks reaches the process that sees to all of them."""
    with service(tmp_path, "--workers", "1") as own:
        status = own.status()
        assert (status["role"], status["pid"]) == ("supervisor", own.process.process.pid)
        assert status["workers"][0]["pid"] != status["pid"]
        assert own.ask("stop").code == 0
        assert own.process.end() == 0
    assert not own.control.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_is_told_where_the_service_of_another_user_is(tmp_path: Path) -> None:
    """The default socket is in a folder of the user's, where the name alone does not lead root."""
    name = name_of("good:service", tmp_path)
    user = 1_000_000 + os.getpid()  # of nobody, and of no other test that runs now
    folder = Path(f"/tmp/mainstay-{user}")
    folder.mkdir(mode=0o700)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / name))
            os.chown(folder / name, user, user)
            done = mainstay("status", "good:service", cwd=tmp_path)
    finally:
        shutil.rmtree(folder)
    assert done.code == 6
    assert f"say --control {folder / name} (user {user})" in done.err
