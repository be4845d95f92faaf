"""The PID file: whoever reads it finds one complete number, of a process that is this service.

* **Written beside and renamed**, so that a reader finds the old number or the new one. The first
  happens as a generation starts, so that a full disk ends the start or the restart; the second
  when it serves, and needs no room.
* **Removed rather than wrong**: where it cannot name who serves, it names nobody.
* **Held by a lock beside it** (`lock`), not by what is in it. A file that a crash has left behind
  is replaced; a service that runs is not started a second time.
* **Never taken for more than it is.** The number of a process that is gone may belong to another by
  now; the lock file remembers when ours was started, and a process that was started at another
  moment is not ours.
* **Nobody else's file is touched**: with text in it, or with the number of a living process that
  is not ours, it is somebody's, and the start is refused.
* **Removed by the process that it names**, and by no other: a generation that hands over leaves it
  to the next, which writes its own when it serves.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from mainstay.errors import BusyError, ResourceError
from mainstay.process.identity import command_of, is_running, started_at
from mainstay.process.lock import FileLock

__all__ = ["PidFile", "read_pid"]

_log = logging.getLogger(__name__)

_LONGEST = 32


def read_pid(path: Path) -> int | None:
    """The number in a PID file; None when there is no file, or nothing in it.

    Raises: ResourceError for a file that is no PID file, or that cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResourceError(f"the PID file {path} cannot be read: {error.strerror}") from error
    text = data.strip()
    if not text:
        return None
    if not text.isdigit() or len(data) == _LONGEST:
        raise ResourceError(
            f"{path} is no PID file: it begins with {data[:16]!r}; choose another --pidfile"
        )
    return int(text)


class PidFile:
    """The file of one service; `claim` or `join` it, then `write`, and `remove` it in the end.

    Args:
        path: of the file; the lock is beside it, with ``.lock`` after its name.

    Attributes:
        path: see above, absolute.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - links are not to be followed
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        # One name, so that a crash leaves one file at most, which the next start replaces.
        self._beside = self.path.with_name(f".{self.path.name}.new")
        self._staged = False

    def claim(self) -> None:
        """Make sure that this service runs once, that the file is nobody else's, and that there is
        room for it. What a crash has left is removed.

        Raises: BusyError while it runs elsewhere; ResourceError for what is in the way.
        """
        self._check_kind()
        try:
            self._lock.take()
        except BusyError:
            raise BusyError(self._held_by()) from None
        try:
            self._check_content()
            self._stage()
            with suppress(FileNotFoundError):
                self.path.unlink()
            self._note()
        except OSError as error:
            self.leave()
            raise self._unwritten(error) from error
        except BaseException:
            self.leave()
            raise

    def join(self) -> None:
        """Have part in what the generation before has claimed, whose number stays; see `claim`."""
        if self._lock.held:
            return
        self._lock.join()
        try:
            self._stage()
        except OSError as error:
            self.leave()
            raise self._unwritten(error) from error

    def write(self) -> None:
        """Let the file name this process.

        Raises: ResourceError; there is no file then, if that can be had.
        """
        try:
            if self._names_us():
                return
            try:
                self._stage()
            except OSError:
                # What is there is wrong, and has the room that the right one needs.
                self.path.unlink(missing_ok=True)
                self._stage()
            self._beside.rename(self.path)
            self._staged = False
        except OSError as error:
            with suppress(OSError):
                self.path.unlink()
            raise self._unwritten(error) from error
        try:
            self._note()
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._lock.path, error.strerror)

    def _stage(self) -> None:
        """Write the number beside the file. Idempotent."""
        if self._staged and self._beside.exists():
            return
        self._beside.unlink(missing_ok=True)
        descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._staged = True
        try:
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except OSError:
            self._unstage()
            raise
        finally:
            os.close(descriptor)

    def _unstage(self) -> None:
        if self._staged:
            self._staged = False
            with suppress(OSError):
                self._beside.unlink()

    def _note(self) -> None:
        pid = os.getpid()
        self._lock.note(f"{pid} {started_at(pid) or 0}\n")

    def _names_us(self) -> bool:
        try:
            return read_pid(self.path) == os.getpid()
        except ResourceError:
            return False

    def _unwritten(self, error: OSError) -> ResourceError:
        return ResourceError(f"the PID file {self.path} cannot be written: {error.strerror}")

    def remove(self) -> None:
        """Remove the file if it names this process, and give up the lock. Idempotent."""
        try:
            if self._lock.held and read_pid(self.path) == os.getpid():
                self.path.unlink()
        except (ResourceError, OSError) as error:
            _log.warning("the PID file is left behind: %s", error)
        self.leave()

    def leave(self) -> None:
        """Give up the lock, and leave the file to whoever has it now. Idempotent."""
        self._unstage()
        self._lock.release()

    # --- what may be in the way -----------------------------------------------------------------

    def _check_kind(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise ResourceError(f"the PID file {self.path}: {error.strerror}") from error
        if not stat.S_ISREG(mode):
            raise ResourceError(f"{self.path} is no regular file; choose another --pidfile")

    def _check_content(self) -> None:
        pid = read_pid(self.path)
        if pid is None or pid == os.getpid() or not is_running(pid):
            return
        if self._is_other_by_now(pid):
            _log.info("%s names process %d, which is another one by now", self.path, pid)
            return
        name = command_of(pid)
        raise ResourceError(
            f"{self.path} names process {pid}{name and f' ({name})'}, which runs and is not this "
            "service; choose another --pidfile, or remove the file if it is wrong"
        )

    def _is_other_by_now(self, pid: int) -> bool:
        """Whether a living process got its number after the file was written."""
        words = self._lock.noted().split()
        if len(words) == len(("pid", "started")) and words[0] == str(pid):
            return words[1] != str(started_at(pid))
        return False

    def _held_by(self) -> str:
        try:
            pid = read_pid(self.path)
        except ResourceError:
            pid = None
        holders = _holders(self._lock.path)
        if holders and pid not in holders:
            # It starts or stops, or is somebody else's who was let to open the lock.
            name = command_of(holders[0])
            who = f"process {holders[0]}{name and f' ({name})'}, which holds {self._lock.path}"
        else:
            who = f"process {pid}" if pid is not None else "a process that starts or stops"
        return (
            f"the service of {self.path} runs already, as {who}; stop it first, or restart it "
            "with `mainstay restart`"
        )

    def __repr__(self) -> str:
        return f"<PidFile {self.path}>"


def _holders(path: Path, locks: Path = Path("/proc/locks")) -> list[int]:
    """Who has a lock of flock(2) on a file (proc(5)); empty where that cannot be known."""
    try:
        found = path.stat()
        lines = locks.read_text().splitlines()
    except OSError:
        return []
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    words = [line.split() for line in lines]
    # Those that only wait have an arrow in the second place; 0 is in another name space.
    return [
        int(each[4])
        for each in words
        if each[1:2] == ["FLOCK"] and each[5:6] == [device] and int(each[4]) > 0
    ]
