"""The PID file: whoever reads it finds one complete number, of a process that is this service.

* **Written beside and renamed**, so that a reader finds the old number or the new one.
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
import secrets
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

    def claim(self) -> None:
        """Make sure that this service runs once, and that the file is nobody else's.

        Raises: BusyError while it runs elsewhere; ResourceError for what is in the way.
        """
        self._check_kind()
        try:
            self._lock.take()
        except BusyError:
            raise BusyError(self._held_by()) from None
        try:
            self._check_content()
        except BaseException:
            self._lock.release()
            raise

    def join(self) -> None:
        """Have part in what the generation before has claimed; see `claim`."""
        if not self._lock.held:
            self._lock.join()

    def write(self) -> None:
        """Let the file name this process. Raises: ResourceError."""
        pid = os.getpid()
        beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                os.write(descriptor, f"{pid}\n".encode())
            finally:
                os.close(descriptor)
            self._lock.note(f"{pid} {started_at(pid) or 0}\n")
            beside.rename(self.path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise ResourceError(
                f"the PID file {self.path} cannot be written: {error.strerror}"
            ) from error

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
        who = f"process {pid}" if pid is not None else "a process that starts or stops"
        return (
            f"the service of {self.path} runs already, as {who}; stop it first, or restart it "
            "with `mainstay restart`"
        )

    def __repr__(self) -> str:
        return f"<PidFile {self.path}>"
