"""Facts about PID files: never wrong, never somebody else's."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mainstay.errors import BusyError, ResourceError
from mainstay.process.identity import started_at
from mainstay.process.pidfile import PidFile, _holders, read_pid


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
    with pytest.raises(BusyError, match=rf"as process {os.getpid()} \(.+\), which holds .+\.lock;"):
        PidFile(tmp_path / "app.pid").claim()
    assert not file.path.exists()
    file.leave()
    assert [each.name for each in tmp_path.iterdir()] == ["app.pid.lock"]


def test_a_stranger_that_holds_the_lock_is_named(tmp_path: Path) -> None:
    """And not the process of an old number, which has nothing to do with it."""
    path = tmp_path / "app.pid"
    path.write_text("1\n")
    code = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'a+'); fcntl.flock(file, fcntl.LOCK_SH)\n"
        "print('ready', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, f"{path}.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"ready\n"
        with pytest.raises(BusyError, match=rf"as process {stranger.pid} \(.+\), which holds .+;"):
            PidFile(path).claim()
        stranger.kill()


def test_who_holds_a_lock_is_known_only_where_the_system_says_it(tmp_path: Path) -> None:
    """Others' locks, those of another kind, those who wait, and no list at all."""
    file = tmp_path / "app.pid.lock"
    file.touch()
    found = file.stat()
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    locks = tmp_path / "locks"
    locks.write_text(
        f"1: FLOCK  ADVISORY  READ 17 {device} 0 EOF\n"
        f"1: -> FLOCK  ADVISORY  READ 18 {device} 0 EOF\n"
        f"2: POSIX  ADVISORY  READ 19 {device} 0 EOF\n"
        f"3: FLOCK  ADVISORY  READ 20 {device}1 0 EOF\n"
        f"4: FLOCK  ADVISORY  READ 0 {device} 0 EOF\n"
    )
    assert _holders(file, locks) == [17]
    assert _holders(file, tmp_path / "none") == []


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


def test_readers_find_a_complete_number_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand reads while generations follow each other: never empty, never a part."""
    file = claimed(tmp_path / "app.pid")
    numbers = [os.getpid(), os.getpid() + 1]
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            numbers.reverse()
            file.write()

    monkeypatch.setattr(os, "getpid", lambda: numbers[0])
    writer = threading.Thread(target=write)
    wanted = {f"{each}\n" for each in numbers}
    writer.start()
    try:
        seen = {file.path.read_text() for _ in range(1000)}
        while seen != wanted:
            assert seen < wanted
            seen.add(file.path.read_text())
    finally:
        over.set()
        writer.join()
        file.remove()
    assert repr(file).endswith("app.pid>")


class Disk:
    """A disk that is full while `full`; renaming fails while `broken`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.broken = False
        self._write = os.write
        monkeypatch.setattr(os, "write", self._written)

        def renamed(path: Path, to: Path) -> Path:  # a method of paths, bound to them
            if self.broken:
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
            return rename(path, to)

        rename = Path.rename
        monkeypatch.setattr(Path, "rename", renamed)

    def _written(self, descriptor: int, data: bytes) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(descriptor, data)


def test_a_full_disk_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything serves: one line, nothing left but the lock, which is free again."""
    disk = Disk(monkeypatch)
    disk.full = True
    for begin in (PidFile.claim, PidFile.join):
        file = PidFile(tmp_path / "app.pid")
        with pytest.raises(ResourceError, match=r"app\.pid cannot be written: No space left"):
            begin(file)
        assert [each.name for each in tmp_path.iterdir()] == ["app.pid.lock"]
    disk.full = False
    claimed(tmp_path / "app.pid").remove()


def test_what_has_begun_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk becomes full while the service starts: the file names it all the same."""
    disk = Disk(monkeypatch)
    file = PidFile(tmp_path / "app.pid")
    file.claim()
    disk.full = True
    file.write()
    assert read_pid(file.path) == os.getpid()
    file.join()
    file.write()  # who is named already, writes nothing
    file.remove()


@pytest.mark.parametrize("fault", ["full", "broken"])
def test_there_is_no_file_rather_than_a_wrong_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The next generation has named itself and failed, and the one before cannot write."""
    disk = Disk(monkeypatch)
    file = claimed(tmp_path / "app.pid")
    file.path.write_text("1\n")
    setattr(disk, fault, True)
    with pytest.raises(ResourceError, match="cannot be written"):
        file.write()
    assert not file.path.exists()
    setattr(disk, fault, False)
    file.write()
    assert read_pid(file.path) == os.getpid()
    file.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["app.pid.lock"]


def test_a_note_that_cannot_be_written_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of who serves: the file itself is right. Of who starts, it is."""
    file = PidFile(tmp_path / "app.pid")
    file.claim()

    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    file.write()
    assert read_pid(file.path) == os.getpid()
    assert "app.pid.lock cannot be written: No space left" in caplog.text
    file.remove()
    with pytest.raises(ResourceError, match="No space left"):
        file.claim()


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The folder is gone: an error of the resource, and no file is left beside."""
    folder = tmp_path / "run"
    folder.mkdir()
    file = PidFile(folder / "app.pid")
    file.claim()
    shutil.rmtree(folder)
    with pytest.raises(ResourceError, match="cannot be written: No such file"):
        file.write()
    file.leave()
