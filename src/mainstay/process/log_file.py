"""The file that a service writes its log to, and that somebody else may move away at any time.

Standard output and error are that file, so that nothing a library prints is lost. Opened to append:
several processes write to one file, and a file that is cut short is not filled up with zeros. To
open it anew is one ``dup2`` a stream, which is atomic: no line is lost or goes to a closed file.

To open it never waits, whatever is there by then: a named pipe has to have a reader already. Links
are followed, as operators make them (to the file of the day, to /dev/stdout); so the folder must be
one that nobody else may write to.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

from mainstay.errors import ResourceError

__all__ = ["LogFile"]

_log = logging.getLogger(__name__)


class LogFile:
    """One file, as standard output and error.

    Args:
        path: of the file; it is created if it does not exist.

    Attributes:
        path: see above, absolute.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - links are not to be followed

    def redirect(self) -> None:
        """Let standard output and error be the file. Raises: ResourceError; nothing has changed."""
        descriptor = self._open()
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        os.close(descriptor)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        try:
            descriptor = os.open(self.path, flags | os.O_NONBLOCK, 0o640)
        except OSError as error:
            if error.errno == errno.ENXIO:
                message = f"{self.path} is a pipe that nobody reads, or a socket; choose a file"
                raise ResourceError(message) from error
            raise ResourceError(
                f"the log file {self.path} cannot be opened: {error.strerror}; choose a file in a "
                "folder that exists and that this user may write to"
            ) from error
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            os.close(descriptor)
            raise ResourceError(f"{self.path} is no file that a log can be written to")
        # What writes to a terminal or a pipe expects to wait for it.
        os.set_blocking(descriptor, True)
        return descriptor

    def reopen(self) -> None:
        """Open the path anew; what is there now is written to from here on."""
        try:
            self.redirect()
        except ResourceError as error:
            _log.error("still writing to the file before: %s", error)
        else:
            _log.info("the log was opened anew")
