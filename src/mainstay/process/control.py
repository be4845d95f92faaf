"""The control socket: answers what an operator of this machine asks of a service that runs.

Who may ask: the user that the service runs as, and root; the kernel says who it is (SO_PEERCRED),
besides the mode of the socket, 0600. The socket is made under another name, closed to others, and
renamed when it is ready, so that it is never open to anybody, and never half made.

Whose path it is: of the generation in charge. A process that finds somebody answering there does
not take it. In a hot restart the old generation keeps it through the probation, as it is who can
still roll back; it lets go as it leaves (`ControlServer.release`), and the new one, which has been
looking (`ControlServer.wait_free`), renames its own over it. Whoever ends removes the path only if
the socket there is the own one.

A client asks one thing at a time: while that is done, nothing more is read of it. What it has asked
for goes on if it leaves.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
import time
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from mainstay.errors import (
    BusyError,
    Conflict,
    Error,
    InvalidRequest,
    Overloaded,
    ResourceError,
    UsageError,
)
from mainstay.interfaces.controlled import Controlled, RestartKind
from mainstay.process.control_messages import (
    COMMANDS,
    LINE,
    Refusal,
    Reply,
    Request,
    ScaleArguments,
    StopArguments,
    arguments_of,
    decode_request,
    encode_line,
)
from mainstay.process.control_place import check_folder, check_path, peer_of
from mainstay.process.forks import keep_from_forks
from mainstay.process.identity import is_running
from mainstay.process.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MOST_CLIENTS", "ControlServer"]

_log = logging.getLogger(__name__)

MOST_CLIENTS: Final = 16
"""Connections at a time; one more is told so and closed."""

_IDLE: Final = 60.0
"""Seconds for which a client may be silent without anything under way."""

_LOOK: Final = 0.1
"""Seconds between two looks at a path that somebody else has."""

_TURN: Final = ".mainstay-control.lock"
"""The file in the folder of the socket that is held while a socket is made there."""

_TURN_PATIENCE: Final = 5.0
"""Seconds that a start waits for its turn, which blocks the loop: others need milliseconds, and on
a machine that is busy some more. Counted in looks, as no time is lost in which nobody runs."""

_TURN_LOOK: Final = 0.005
"""Seconds between two tries to have it."""

_LONG: Final = 60.0
"""Seconds of looking after which the log says who has the path."""

_REST: Final = 1.0
"""Seconds without accepting after the system has no descriptor left."""


class ControlServer:
    """See the top of the file. Make and use it on the running loop.

    Args:
        controlled: what answers.
        path: of the socket.
        uid: of those who may ask besides root; that of this process unless given.
        tidy: whether the folder is for control sockets alone, so that what killed processes have
            left there is removed.

    Attributes:
        path: see above.
        listening: whether it can be reached.
        clients: connections now.
        dropped: peers that were not allowed, since the start.
    """

    def __init__(
        self, controlled: Controlled, path: Path, *, uid: int | None = None, tidy: bool = False
    ) -> None:
        self.path = path
        self.listening = False
        self.dropped = 0
        self._controlled = controlled
        self._tidy = tidy
        self._uid = os.geteuid() if uid is None else uid
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self._seen: tuple[tuple[int, int], int] | None = None
        self._clients: set[_Client] = set()
        self._arriving: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._spare = -1
        keep_from_forks(self)

    @property
    def clients(self) -> int:
        """Connections now."""
        return len(self._clients)

    # --- the path -------------------------------------------------------------------------------

    def start(self) -> None:
        """Be reachable from now on, unless somebody else is there.

        It may block for seconds, while others make theirs in the same folder.

        Raises: Conflict when a process answers at the path; UsageError when the path or its folder
            is not fit for it; ResourceError when the system refuses.
        """
        self._start(_TURN_PATIENCE)

    def _start(self, patience: float) -> None:
        if self._listener is not None:
            return
        check_path(self.path)
        check_folder(self.path.parent, self._uid)
        try:
            with _turn(self.path.parent, patience):
                self._check_free()
                if self._tidy:
                    _remove_stale(self.path.parent)
                listener, inode = self._bind()
        except OSError as error:
            raise ResourceError(
                f"the control socket {self.path} cannot be made: {error.strerror or error}"
            ) from error
        self._listener, self._inode = listener, inode
        self._keep_spare()
        self.listening = True
        self._loop.add_reader(listener.fileno(), self._accept)

    async def wait_free(self) -> None:
        """Be reachable as soon as nobody else is there any more. Raises: as `start` does."""
        patience: float | None = self._loop.time() + _LONG
        while True:
            try:
                self._start(0.0)
            except Conflict as error:
                if patience is not None and self._loop.time() >= patience:
                    _log.warning("after %g s, the control socket is not free: %s", _LONG, error)
                    patience = None
                await asyncio.sleep(_LOOK)
            else:
                return

    def _check_free(self) -> None:
        """See that nobody answers at the path. Raises: Conflict, UsageError.

        Whoever made the socket that is there is known by what the kernel says of a connection. When
        that process is gone and the socket still takes connections, something that it has forked
        holds a copy, and nobody will ever answer.
        """
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise UsageError(
                f"{self.path} is to be the control socket, and is something else; remove it"
            )
        pid = _holder_of(self.path)
        if pid is None:
            return
        inode = (found.st_dev, found.st_ino)
        if pid:
            self._seen = (inode, pid)
        elif self._seen is not None and self._seen[0] == inode:
            # Its queue is full, maybe with our own looks.
            pid = self._seen[1]
        if not pid:
            raise Conflict(f"another process has the control socket {self.path}")
        if not _is_gone(pid):
            raise Conflict(f"process {pid} has the control socket {self.path} and answers there")

    def _bind(self) -> tuple[socket.socket, tuple[int, int]]:
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.setblocking(False)
            listener.bind(str(temporary))
            temporary.chmod(0o600)
            listener.listen(MOST_CLIENTS)
            found = temporary.lstat()
            temporary.rename(self.path)
        except BaseException:
            listener.close()
            temporary.unlink(missing_ok=True)
            raise
        return listener, (found.st_dev, found.st_ino)

    def release(self) -> None:
        """Let the next generation have the path; clients that are here are answered to the end.

        The path stays, so that it leads to somebody at once when that one takes it. Idempotent.
        """
        self.listening = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        self._give_spare()

    def close(self, code: int | None = None) -> None:
        """Be gone, path included if it is the own one. Idempotent.

        Args:
            code: exit code of the process, which ends; for whoever has asked it to stop.
        """
        if self._listener is not None and self._is_ours():
            with suppress(OSError):
                self.path.unlink()
        self.release()
        for client in list(self._clients):
            if code is not None and client.stopped is not None:
                client.send(Reply(client.stopped, exit_code=code))
            client.close()
        for task in self._tasks:
            task.cancel()

    def descriptors(self) -> list[int]:
        """See `mainstay.process.forks.Holder`."""
        found = [each.fileno() for each in self._arriving]
        found += [each.fileno() for each in self._clients]
        if self._listener is not None:
            found.append(self._listener.fileno())
        return [each for each in dict.fromkeys(found) if each >= 0]  # one that arrives is in both

    def _is_ours(self) -> bool:
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._inode

    # --- clients --------------------------------------------------------------------------------

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock = self._take(self._listener)
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return
        except OSError as error:
            _log.warning("the control socket takes nobody for now: %s", error.strerror)
            self._loop.remove_reader(self._listener.fileno())
            self._timer = self._loop.call_later(_REST, self._go_on)
            return
        sock.setblocking(False)
        try:
            peer = peer_of(sock)
        except OSError:
            sock.close()
            return
        if peer.uid not in (self._uid, 0):
            self.dropped += 1
            _log.warning(
                "process %d of user %d tried to use the control socket, and may not",
                peer.pid,
                peer.uid,
            )
            sock.close()
            return
        client = _Client(self, peer.pid)
        full = len(self._clients) >= MOST_CLIENTS
        self._clients.add(client)
        self._arriving.add(sock)
        connecting = self._loop.create_task(self._connect(sock, client, full), name="control")
        self._tasks.add(connecting)
        connecting.add_done_callback(partial(self._connected, sock))

    def _connected(self, sock: socket.socket, connecting: asyncio.Task[None]) -> None:
        self._tasks.discard(connecting)
        self._arriving.discard(sock)
        if connecting.cancelled():
            # One that is cancelled before its first step has closed nothing. Not any earlier: its
            # transport may be on its way to reading from it.
            sock.close()

    def _take(self, listener: socket.socket) -> socket.socket:
        """The next connection. With the table of descriptors full the spare one makes room for it:
        that is when an operator has to be heard. Raises: OSError."""
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno != errno.EMFILE or self._spare < 0:
                raise
        self._give_spare()
        return listener.accept()[0]

    def _keep_spare(self) -> None:
        """Have a descriptor to give up, if there is one to be had."""
        if self._spare < 0 and self._listener is not None:
            with suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _give_spare(self) -> None:
        spare, self._spare = self._spare, -1
        if spare >= 0:
            os.close(spare)

    async def _connect(self, sock: socket.socket, client: _Client, full: bool) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: client, sock)
        except OSError:
            sock.close()
            self.left(client)
            return
        if full:
            message = f"{MOST_CLIENTS} others use the control socket already; try again"
            client.send(Reply(error=Refusal(Overloaded.reason, message)))
            client.close()

    def _go_on(self) -> None:
        self._timer = None
        self._keep_spare()
        if self._listener is not None:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def left(self, client: _Client) -> None:
        """A client is gone."""
        self._clients.discard(client)
        self._loop.call_soon(self._keep_spare)  # its own descriptor is closed by then

    # --- commands -------------------------------------------------------------------------------

    def ask(self, line: bytes, client: _Client) -> None:
        """Do what a line says, and answer `client`."""
        try:
            request = decode_request(line)
        except InvalidRequest as error:
            client.send(Reply(error=Refusal(error.reason, error.message)))
            # Not at once: a thousand such lines would be a thousand calls deep.
            self._loop.call_soon(client.done)
            return
        # Kept here and not with the client: a restart goes on when the operator hangs up.
        task = self._loop.create_task(self._answer(request, client), name=request.command)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Request, client: _Client) -> None:
        try:
            result = await self._do(request, client)
            reply = Reply(request.id, result=result)
        except Error as error:
            reply = Reply(request.id, error=Refusal(error.reason, error.message))
        except Exception as error:
            _log.exception("the command %s failed", request.command)
            reply = Reply(request.id, error=Refusal("BUG", f"{request.command} failed: {error!r}"))
        client.send(reply)
        client.done()

    async def _do(self, request: Request, client: _Client) -> dict[str, Any]:
        """Do it; what is to be told of it."""
        controlled = self._controlled
        command = request.command
        arguments = arguments_of(request, COMMANDS[command])
        if command != "status":
            _log.info("process %d asks by the control socket: %s", client.pid, command)
        if command == "status":
            return _built(controlled.status())
        if command in ("restart", "reload", "replace"):
            progress = partial(self._progress, request.id, client)
            return _built(await controlled.restart(cast("RestartKind", command), progress))
        if isinstance(arguments, StopArguments):
            # Said before it is done: what is done may take the loop.
            stop = partial(controlled.stop, f"process {client.pid} asked for it", arguments.force)
            self._loop.call_soon(stop)
            client.stopped = request.id
            return {"pid": os.getpid()}
        if isinstance(arguments, ScaleArguments):
            if arguments.workers < 1:
                raise UsageError("there has to be one worker at least; to have none, stop it")
            return {
                "before": await controlled.scale(arguments.workers),
                "workers": arguments.workers,
            }
        if command == "reopen_logs":
            controlled.reopen_logs()
        else:
            controlled.drain(command == "drain")
        return {}

    def _progress(self, number: int, client: _Client, text: str) -> None:
        client.send(Reply(number, progress=text))

    def __repr__(self) -> str:
        return f"<ControlServer {self.path}>"


class _Client(asyncio.Protocol):
    """One connection: lines in, one at a time, and lines out.

    What it asks ahead waits, in the kernel but for one read of it; who does not take its answers is
    not read either.

    Attributes:
        pid: of the process at its other end.
        stopped: the number of its wish to stop the service, of whose end it is told; or None.
    """

    def __init__(self, server: ControlServer, pid: int) -> None:
        self.pid = pid
        self.stopped: int | None = None
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._read = bytearray()
        self._busy = False
        self._ending = False
        self._writable = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._rest()

    def data_received(self, data: bytes) -> None:
        self._read += data
        self._next()

    def eof_received(self) -> bool:
        """It says no more, and may still wait for an answer."""
        self._ending = True
        if not self._busy and self._writable:
            self.close()
        return True

    def pause_writing(self) -> None:
        """It does not take its answers as fast."""
        self._writable = False

    def resume_writing(self) -> None:
        """It has taken them."""
        self._writable = True
        if not self._busy:
            self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._stop_timer()
        self._server.left(self)

    def fileno(self) -> int:
        """Of its socket; negative without one."""
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        return -1 if sock is None else int(sock.fileno())

    def send(self, reply: Reply) -> None:
        """Say something, if it is still there."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode_line(reply))

    def done(self) -> None:
        """What it has asked for is answered."""
        self._busy = False
        if self._transport is None or self._transport.is_closing():
            return
        self._rest()
        if self._writable:
            self._go_on()

    def _go_on(self) -> None:
        """Do the next thing, if there is one."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self._ending:
            self._transport.resume_reading()
        self._next()
        if self._ending and not self._busy:
            self.close()

    def close(self) -> None:
        """End the connection; what was said still arrives."""
        self._stop_timer()
        if self._transport is not None:
            self._transport.close()

    def _next(self) -> None:
        """Ask for the next line, if there is a whole one."""
        if self._busy or self._transport is None:
            return
        end = self._read.find(b"\n")
        if max(end, 0) > LINE or (end < 0 and len(self._read) > LINE):
            message = f"the request is longer than {LINE} bytes"
            self.send(Reply(error=Refusal("TOO_LARGE", message)))
            self.close()
            return
        if end < 0:
            return
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        self._busy = True
        self._stop_timer()
        if not self._ending:
            self._transport.pause_reading()
        self._server.ask(line, self)

    def _rest(self) -> None:
        self._stop_timer()
        if self.stopped is not None:
            return  # it waits for the end, and a drain may be long
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_IDLE, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._transport is not None:
            # What it does not take would keep the connection open.
            self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@contextmanager
def _turn(folder: Path, patience: float) -> Iterator[None]:
    """Keep others of us from looking for a stale socket in `folder` at the same moment.

    The lock is on a file that only this user may open. The folder itself could be locked by anybody
    who may read it, for as long as they like.

    Raises: Conflict when it is another's turn for more than `patience` seconds; ResourceError.
    """
    lock = FileLock(folder / _TURN)
    for look in count():
        try:
            lock.take()
        except BusyError:
            if look >= patience / _TURN_LOOK:
                raise Conflict(f"another process makes a control socket in {folder}") from None
            time.sleep(_TURN_LOOK)
        else:
            break
    try:
        yield
    finally:
        lock.remove()


def _remove_stale(folder: Path) -> None:
    """Remove the sockets that nobody listens at; of a generation that is just coming, it makes a
    new one."""
    for path in folder.glob("*.sock"):
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.setblocking(False)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()


def _holder_of(path: Path) -> int | None:
    """Which process listens at `path`; None when nobody does, 0 when that cannot be known."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except OSError:
            # No room, or no right: somebody has it.
            return 0
        with suppress(OSError, UsageError):
            return peer_of(probe).pid
    return 0


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's, which procfs may hide
    return not is_running(pid)


def _built(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", msgspec.to_builtins(value))
