"""Facts about the lock of a service."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.errors import BusyError, ResourceError
from mainstay.process.lock import FileLock


def test_one_has_it(tmp_path: Path) -> None:
    """A second start is refused until the first gives it up."""
    first, second = FileLock(tmp_path / "a.lock"), FileLock(tmp_path / "a.lock")
    first.take()
    with pytest.raises(BusyError, match=r"another process holds .*a\.lock"):
        second.take()
    assert first.held
    assert not second.held
    first.release()
    second.take()
    second.release()


def test_the_next_generation_joins(tmp_path: Path) -> None:
    """Both hold it while they are two, and a stranger gets it only after both."""
    old, new, stranger = (FileLock(tmp_path / "a.lock") for _ in range(3))
    old.take()
    new.join()
    old.release()
    with pytest.raises(BusyError):
        stranger.take()
    new.release()
    stranger.take()
    stranger.release()


def test_it_ends_with_its_process(tmp_path: Path) -> None:
    """Killed without a chance to tidy up, the holder leaves nothing stale."""
    code = (
        "import sys, pathlib; from mainstay.process.lock import FileLock\n"
        "lock = FileLock(pathlib.Path(sys.argv[1])); lock.take()\n"
        "print('ready', flush=True); input()"
    )
    path = tmp_path / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        lock = FileLock(path)
        with pytest.raises(BusyError):
            lock.take()
        child.kill()
        child.wait()
    lock.take()
    lock.release()


def test_a_removed_file_is_no_lock(tmp_path: Path) -> None:
    """Whoever takes it afterwards has a new file, and the note of the old is gone with it."""
    lock = FileLock(tmp_path / "a.lock")
    lock.take()
    lock.note("17 4\n")
    assert lock.noted() == "17 4\n"
    lock.note("1\n")
    assert lock.noted() == "1\n"
    lock.path.unlink()
    assert lock.noted() == ""
    other = FileLock(tmp_path / "a.lock")
    other.take()
    assert other.path.exists()
    other.release()
    lock.release()


def test_children_do_not_inherit_it(tmp_path: Path) -> None:
    """Started by exec, a child does not hold what its parent holds."""
    lock = FileLock(tmp_path / "a.lock")
    lock.take()
    code = "print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        lock.release()
        other = FileLock(lock.path)
        other.take()
        other.release()


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    """No folder, and a link that would lead elsewhere."""
    with pytest.raises(ResourceError, match="No such file or directory; choose a folder"):
        FileLock(tmp_path / "none" / "a.lock").take()
    (tmp_path / "link").symlink_to("/dev/null")
    with pytest.raises(ResourceError, match="cannot be opened"):
        FileLock(tmp_path / "link").take()
    assert "free" in repr(FileLock(tmp_path / "a"))


def test_only_its_user_may_open_it(tmp_path: Path) -> None:
    """Whoever opens it may lock it: a file of an earlier version is closed to others as well."""
    path = tmp_path / "a.lock"
    path.touch()
    path.chmod(0o644)
    lock = FileLock(path)
    lock.take()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lock.remove()
    assert not path.exists()
    lock.remove()


def test_a_file_that_is_removed_as_it_is_locked_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking the holder has left with the file: the next one is made."""
    first, second = FileLock(tmp_path / "a.lock"), FileLock(tmp_path / "a.lock")
    first.take()
    lock = FileLock._lock

    def late(self: FileLock, *, exclusive: bool) -> None:
        if self is second:
            first.remove()
        lock(self, exclusive=exclusive)

    monkeypatch.setattr(FileLock, "_lock", late)
    second.take()
    monkeypatch.undo()
    assert second.path.exists()
    with pytest.raises(BusyError):
        first.take()
    second.release()
