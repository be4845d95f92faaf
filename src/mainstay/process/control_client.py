"""The other end of the control socket, for the command line: it blocks, and every wait is bounded.

Who listens is looked up as well: a socket that some other user has put there would learn what is
asked, and could say anything.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from mainstay.errors import (
    BrokenError,
    DeadlineExceeded,
    InvalidRequest,
    PermissionDenied,
    ResourceError,
)
from mainstay.interfaces.controlled import Outcome, RestartKind, Snapshot
from mainstay.process.control_messages import Request, decode_reply, encode_line
from mainstay.process.control_place import PeerProcess, candidates, name_of, peer_of

__all__ = ["ANSWER", "ControlClient", "NotRunning", "as_json", "find_target", "reachable"]

ANSWER: Final = 15.0
"""Seconds for an answer that needs no work: an operator asks most when the machine is in trouble."""

_CHANGING: Final = 1.0
"""Seconds for which a socket may be without a listener: a new generation takes it over. Counted in
looks, as no time is lost in which neither runs."""

_AGAIN: Final = 0.05
_CHUNK: Final = 65536


class NotRunning(ResourceError):
    """Nobody listens at the control socket."""

    reason = "NOT_RUNNING"


class ControlClient:
    """A connection; use it as a context.

    Args:
        path: of the socket.
        patience: seconds in which a socket that is there has to get a listener.

    Attributes:
        path: see above.
        peer: who listens.

    Raises: NotRunning; PermissionDenied when it is another user's; ResourceError.
    """

    def __init__(self, path: Path, *, patience: float = _CHANGING) -> None:
        self.path = path
        self._socket = _connected(path, patience)
        self._read = b""
        self._number = 0
        self._process = -1
        try:
            self.peer: PeerProcess = peer_of(self._socket)
            mine = os.geteuid()
            if self.peer.uid not in (mine, 0) and mine != 0:
                raise PermissionDenied(
                    f"user {self.peer.uid} listens at {path}, and is not to be talked to"
                )
            # The connection shows that the process of that number is the one meant.
            if self.peer.pid > 0 and hasattr(os, "pidfd_open"):
                with suppress(OSError):
                    self._process = os.pidfd_open(self.peer.pid)
        except BaseException:
            self.close()
            raise

    # --- asking ---------------------------------------------------------------------------------

    def status(self, timeout: float = ANSWER) -> Snapshot:
        """How the service is. Raises: as `ask` does."""
        return msgspec.convert(self.ask("status", timeout=timeout), Snapshot, strict=False)

    def restart(
        self, kind: RestartKind, progress: Callable[[str], object], timeout: float
    ) -> Outcome:
        """Replace what runs, and wait for the outcome. Raises: as `ask` does."""
        return msgspec.convert(
            self.ask(kind, timeout=timeout, progress=progress), Outcome, strict=False
        )

    def ask(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float = ANSWER,
        progress: Callable[[str], object] | None = None,
    ) -> dict[str, Any]:
        """Ask for something and wait for the end of it.

        Args:
            command: one of `mainstay.process.control_messages.COMMANDS`.
            arguments: of it.
            timeout: seconds for all of it.
            progress: called with each step; what it raises ends the wait, and not the work.

        Raises: BrokenError when it is refused, with the reason of the service, or when the service
            is gone; DeadlineExceeded.
        """
        for kind, content in self.replies(command, arguments, timeout=timeout):
            if kind == "result":
                return content  # type: ignore[no-any-return]
            if progress is not None:
                progress(content)
        raise AssertionError("replies end with a result")

    def replies(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float = ANSWER
    ) -> Iterator[tuple[str, Any]]:
        """Ask, and yield ``("progress", text)`` and at last ``("result", values)``; see `ask`."""
        until = time.monotonic() + timeout
        number = self.send(command, arguments)
        while True:
            reply = decode_reply(self._line(until, timeout))
            if reply.id not in (None, number):
                continue
            if reply.error is not None:
                raise BrokenError(reply.error.message, reason=reply.error.reason)
            if reply.result is not None:
                yield "result", reply.result
                return
            if reply.progress is not None:
                yield "progress", reply.progress

    def send(self, command: str, arguments: Mapping[str, Any] | None = None) -> int:
        """Ask without waiting; the number of the request.

        A service that refuses more clients may have hung up by now; what it has said is still there
        to be read.

        Raises: BrokenError, DeadlineExceeded.
        """
        self._number += 1
        request = Request(command, id=self._number, arguments=dict(arguments or {}))
        self._socket.settimeout(ANSWER)
        try:
            self._socket.sendall(encode_line(request))
        except TimeoutError:
            raise self._silent(ANSWER) from None
        except (BrokenPipeError, ConnectionResetError):
            pass
        except OSError:
            raise self._gone() from None
        return self._number

    def _line(self, until: float, timeout: float) -> bytes:
        while b"\n" not in self._read:
            left = until - time.monotonic()
            if left <= 0:
                raise self._silent(timeout)
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(_CHUNK)
            except TimeoutError:
                raise self._silent(timeout) from None
            except OSError:
                raise self._gone() from None
            if not data:
                raise self._gone()
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _silent(self, timeout: float) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"process {self.peer.pid} did not answer within {timeout:g} s; its event loop may be "
            "blocked"
        )

    def _gone(self) -> BrokenError:
        return BrokenError(f"process {self.peer.pid} has hung up without an answer")

    # --- its end --------------------------------------------------------------------------------

    def wait_gone(self, timeout: float) -> bool:
        """Wait until the process has ended; False if it has not within `timeout` seconds."""
        until = time.monotonic() + timeout
        if self._process >= 0:
            watched: int = self._process
        else:
            # Without a handle of the process, its hanging up has to do.
            watched = self._socket.fileno()
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        while True:
            left = until - time.monotonic()
            ready = poll.poll(max(left, 0) * 1000)
            if ready and (self._process >= 0 or self._hung_up()):
                return True
            if left <= 0:
                return False

    def exit_code(self) -> int | None:
        """The exit code of a process that was asked to stop and is gone, as it has told it; None
        when it could not, since it was killed or its loop was blocked."""
        self._socket.settimeout(0)
        while not self._hung_up():
            continue
        for line in reversed(self._read.splitlines()):
            with suppress(InvalidRequest):
                if (code := decode_reply(line).exit_code) is not None:
                    return code
        return None

    def _hung_up(self) -> bool:
        """Take what it says; whether there will be no more."""
        try:
            data = self._socket.recv(_CHUNK)
        except OSError:
            return True
        self._read += data
        return not data

    def kill(self) -> bool:
        """End the process at once (SIGKILL); False where it cannot be named for certain."""
        if self._process < 0:
            return False
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        return True

    def close(self) -> None:
        """Hang up; what was asked for goes on. Idempotent."""
        self._socket.close()
        if self._process >= 0:
            os.close(self._process)
            self._process = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def find_target(target: str, folder: Path, environ: Mapping[str, str]) -> Path:
    """The socket of a service as it is named on the command line; where it would be, if it is not.

    Args:
        target: of the service.
        folder: that it was started in.
        environ: says where sockets are.
    """
    paths = [place / name_of(target, folder) for place in candidates(environ, os.geteuid())]
    return next((path for path in paths if _exists(path)), paths[0])


def reachable(environ: Mapping[str, str]) -> dict[Path, int]:
    """The sockets of this user at which somebody listens, and the process that does."""
    found = {}
    for place in candidates(environ, os.geteuid()):
        for path in sorted(place.glob("*.sock")):
            with suppress(ResourceError, PermissionDenied), ControlClient(path, patience=0) as each:
                found[path] = each.peer.pid
    return found


def as_json(value: Snapshot | Outcome) -> str:
    """A line for scripts."""
    return msgspec.json.encode(value).decode()


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _connected(path: Path, patience: float) -> socket.socket:
    left = patience
    while True:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(ANSWER)
        try:
            sock.connect(str(path))
        except OSError as error:
            sock.close()
            if isinstance(error, ConnectionRefusedError) and left > 0:
                time.sleep(_AGAIN)
                left -= _AGAIN
                continue
            raise _unreachable(path, error) from None
        return sock


def _unreachable(path: Path, error: OSError) -> Exception:
    if isinstance(error, PermissionError):
        return PermissionDenied(
            f"the control socket {path} belongs to another user; be that user, or root"
        )
    if isinstance(error, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
        there = "left behind by one that was killed" if _exists(path) else "there is none"
        return NotRunning(f"nobody listens at the control socket {path} ({there})")
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(f"nobody takes connections at {path}; the process may be stopped")
    return ResourceError(f"the control socket {path} cannot be used: {error.strerror or error}")
