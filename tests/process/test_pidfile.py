"""Facts about PID files: never wrong, never somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mainstay.errors import BusyError, ResourceError
from mainstay.process.identity import started_at
from mainstay.process.pidfile import PidFile, read_pid


def claimed(path: Path) -> PidFile:
    """A file that is ours and written."""
    file = PidFile(path)
    file.claim()
    file.write()
    return file


def test_it_names_this_process_until_it_is_removed(tmp_path: Path) -> None:
    """The number and a newline, nothing beside it but the lock."""
    path = tmp_path / "app.pid"
    file = claimed(path)
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert sorted(each.name for each in tmp_path.iterdir()) == ["app.pid", "app.pid.lock"]
    file.remove()
    file.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["app.pid.lock"]


def test_a_service_runs_once(tmp_path: Path) -> None:
    """A second one is refused with the number of the first, whose file stays."""
    file = claimed(tmp_path / "app.pid")
    with pytest.raises(BusyError, match=rf"runs already, as process {os.getpid()}; stop it"):
        PidFile(tmp_path / "app.pid").claim()
    assert read_pid(file.path) == os.getpid()
    file.remove()


def test_before_it_is_written_it_is_held(tmp_path: Path) -> None:
    """Two starts at once: one is refused, though there is no number yet."""
    file = PidFile(tmp_path / "app.pid")
    file.claim()
    with pytest.raises(BusyError, match="as a process that starts or stops"):
        PidFile(tmp_path / "app.pid").claim()
    file.leave()


@pytest.mark.parametrize("content", ["", "\n", "{dead}\n"])
def test_what_a_crash_has_left_is_replaced(tmp_path: Path, content: str) -> None:
    """Nothing in it, or the number of a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    path = tmp_path / "app.pid"
    path.write_text(content.format(dead=child.pid))
    claimed(path).remove()
    assert not path.exists()


def test_a_number_that_is_used_again_is_not_trusted(tmp_path: Path) -> None:
    """The lock file knows when ours was started: who has the number now is another."""
    path = tmp_path / "app.pid"
    path.write_text(f"{os.getppid()}\n")
    (tmp_path / "app.pid.lock").write_text(f"{os.getppid()} 1\n")
    claimed(path).remove()


@pytest.mark.parametrize("known", [True, False])
def test_a_living_process_that_is_not_ours_keeps_its_file(tmp_path: Path, known: bool) -> None:
    """Refused in one line with its number and name, and the file is as it was."""
    path = tmp_path / "app.pid"
    parent = os.getppid()
    path.write_text(f"{parent}\n")
    if known:
        (tmp_path / "app.pid.lock").write_text(f"{parent} {started_at(parent)}\n")
    with pytest.raises(ResourceError, match=rf"names process {parent} \(.+\), which runs") as told:
        PidFile(path).claim()
    assert "\n" not in str(told.value)
    assert path.read_text() == f"{parent}\n"
    path.unlink()
    claimed(path).remove()  # the refusal has kept nothing


@pytest.mark.parametrize("content", ["hello\n", "12 13\n", "-3\n", "1" * 40, "\0\0"])
def test_a_file_with_something_else_in_it_is_somebodys(tmp_path: Path, content: str) -> None:
    """It is not overwritten, whatever it is."""
    path = tmp_path / "app.pid"
    path.write_text(content)
    with pytest.raises(ResourceError, match="is no PID file"):
        PidFile(path).claim()
    assert path.read_text() == content


def test_only_a_regular_file_will_do(tmp_path: Path) -> None:
    """A folder and a link are refused, and so is a folder that does not exist."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("folder", "link"):
        with pytest.raises(ResourceError, match="is no regular file"):
            PidFile(tmp_path / name).claim()
    with pytest.raises(ResourceError, match="cannot be opened: No such file"):
        PidFile(tmp_path / "none" / "app.pid").claim()
    assert not (tmp_path / "elsewhere").exists()


def test_somebody_elses_number_is_not_removed(tmp_path: Path) -> None:
    """The next generation has written its own: the one before leaves it alone."""
    file = claimed(tmp_path / "app.pid")
    file.path.write_text("1\n")
    file.remove()
    assert file.path.read_text() == "1\n"


def test_a_generation_takes_it_over(tmp_path: Path) -> None:
    """The new one joins and writes while the old one runs; the old one leaves it alone."""
    old = claimed(tmp_path / "app.pid")
    code = (
        "import sys; from mainstay.process.pidfile import PidFile\n"
        "file = PidFile(sys.argv[1]); file.join(); file.write(); print('ready', flush=True)\n"
        "input(); file.remove()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(old.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as new:
        assert new.stdout is not None
        assert new.stdin is not None
        assert new.stdout.readline() == b"ready\n"
        assert read_pid(old.path) == new.pid
        old.remove()
        assert read_pid(old.path) == new.pid
        with pytest.raises(BusyError, match=f"as process {new.pid}"):
            PidFile(old.path).claim()
        new.stdin.write(b"\n")
        new.stdin.flush()
        assert new.wait() == 0
    assert not old.path.exists()


def test_readers_find_a_complete_number_always(tmp_path: Path) -> None:
    """A thousand reads while it is written over and over: never empty, never a part."""
    file = claimed(tmp_path / "app.pid")
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            file.write()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wanted = f"{os.getpid()}\n"
        assert {file.path.read_text() for _ in range(1000)} == {wanted}
    finally:
        over.set()
        writer.join()
        file.remove()
    assert repr(file).endswith("app.pid>")


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The folder is gone: an error of the resource, and no file is left beside."""
    folder = tmp_path / "run"
    folder.mkdir()
    file = PidFile(folder / "app.pid")
    file.claim()
    (folder / "app.pid.lock").unlink()
    folder.rmdir()
    with pytest.raises(ResourceError, match="cannot be written: No such file"):
        file.write()
    file.leave()
