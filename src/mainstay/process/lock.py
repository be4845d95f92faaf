"""A file that one service holds, through all its generations.

The lock is flock(2)'s: it belongs to an open file, so it ends with the process, however that ends,
and is never stale; what the process has forked lets go of it at once (`forks`). The file stays when the lock is given up, because whoever removed it could not
know that nobody has opened it meanwhile.

Whoever starts has to get the lock for itself alone, and then shares it: so that the next
generation, which is started by the one that holds it, can join before that one leaves. A stranger
asks for all of it, and gets nothing while anybody is in. There is no moment without a holder.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from mainstay.errors import BusyError, ResourceError
from mainstay.process.forks import keep_from_forks

__all__ = ["FileLock"]

_LONGEST: Final = 200


class FileLock:
    """One file; `take` or `join` it, and keep it.

    Args:
        path: of the lock file, which is created.

    Attributes:
        path: see above.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        keep_from_forks(self)

    @property
    def held(self) -> bool:
        """Whether this process has it."""
        return self._descriptor >= 0

    def descriptors(self) -> list[int]:
        """See `mainstay.process.forks.Holder`."""
        return [self._descriptor] if self.held else []

    def take(self) -> None:
        """Have it, as the first. Raises: BusyError while another has it; ResourceError."""
        while True:
            self._open()
            try:
                self._lock(exclusive=True)
                # From here on others may join; a stranger that asks in between gets it, or we do.
                self._lock(exclusive=False)
            except BaseException:
                self.release()
                raise
            if self._is_at_its_path():
                return
            # Whoever had it before has removed the file as we came.
            self.release()

    def join(self) -> None:
        """Have it beside the generation before. Raises: BusyError; ResourceError."""
        self._open()
        try:
            self._lock(exclusive=False)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give it up. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Give it up, and remove the file; only for one that nobody joins. Idempotent."""
        if self.held:
            with suppress(OSError):
                self.path.unlink()
        self.release()

    def note(self, text: str) -> None:
        """Write into the file, for whoever finds it."""
        data = text.encode()
        os.pwrite(self._descriptor, data, 0)
        os.ftruncate(self._descriptor, len(data))

    def noted(self) -> str:
        """What the last holder has written; empty if nothing was."""
        try:
            with self.path.open("rb") as file:
                return file.read(_LONGEST).decode(errors="replace")
        except OSError:
            return ""

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            try:
                # Whoever may open it may lock it, and could keep the service from starting.
                self._descriptor = os.open(self.path, flags, 0o600)
                with suppress(PermissionError):  # another user's, who has let us in
                    os.fchmod(self._descriptor, 0o600)
            except OSError as error:
                raise ResourceError(
                    f"the lock file {self.path} cannot be opened: {error.strerror}; choose a "
                    "folder that exists and that this user may write to"
                ) from error
            if self._is_at_its_path():
                return
            # Somebody has removed it since, and a lock on it would be a lock on nothing.
            self.release()

    def _is_at_its_path(self) -> bool:
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._descriptor), os.lstat(self.path))
        return False

    def _lock(self, *, exclusive: bool) -> None:
        import fcntl  # noqa: PLC0415 - not on every system

        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"another process holds {self.path}") from error

    def __repr__(self) -> str:
        return f"<FileLock {self.path} {'held' if self.held else 'free'}>"
