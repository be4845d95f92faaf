"""Where the control socket of a service is, and whether that is a safe place.

By default in a folder of the user that nobody else can enter: below ``$XDG_RUNTIME_DIR``, for root
in ``/run``, else ``/tmp/mainstay-UID``, which is used only if it is ours and closed to others. The
name follows from the target and the folder it is started in, so that ``mainstay status TARGET``
finds it from there.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
import struct
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mainstay.errors import UsageError

__all__ = [
    "PATH_MOST",
    "PeerProcess",
    "candidates",
    "check_folder",
    "check_path",
    "default_path",
    "name_of",
    "of_others",
    "other_names",
    "peer_of",
]

PATH_MOST: Final = 107
"""Bytes of the longest path of a Unix socket; see unix(7)."""

# What the path has while it is made: a dot, a process id, a dot.
_TEMPORARY: Final = 10
_SLUG_MOST: Final = 40
_CREDENTIALS: Final = struct.Struct("=iII")


@dataclass(frozen=True, slots=True)
class PeerProcess:
    """Who is at the other end of a Unix socket, as the kernel knows it.

    Attributes:
        pid: of the process that connected or listens; 0 outside of our PID namespace.
        uid: of it, at that moment.
    """

    pid: int
    uid: int


def peer_of(sock: socket.socket) -> PeerProcess:
    """Who is at the other end. Raises: UsageError where the system does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        raise UsageError("the control socket needs Linux: here nobody says who connects")
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return PeerProcess(pid, uid)


def name_of(target: str, folder: Path) -> str:
    """The name of the socket of a service.

    Args:
        target: as it is named on the command line.
        folder: that it is started in.
    """
    slug = re.sub(r"[^A-Za-z0-9_.]+", "-", target).strip("-.")[:_SLUG_MOST] or "service"
    seed = f"{folder.resolve()}\0{target}".encode(errors="surrogateescape")
    return f"{slug}-{hashlib.sha256(seed).hexdigest()[:8]}.sock"


def other_names(target: str, folder: Path, found: Collection[str]) -> list[str]:
    """Other targets from `folder` that may mean the same service: with the name in the module for
    one without it, and the reverse.

    Args:
        target: as it was named.
        folder: that it was named in.
        found: names of sockets that there are.
    """
    module, _, name = target.partition(":")
    others = [module]
    if not name:
        stems = [each[: -len("-12345678.sock")] for each in found]
        names = [each.removeprefix(f"{module}-") for each in stems if each.startswith(f"{module}-")]
        others = [f"{module}:{each}{call}" for each in names for call in ("", "()")]
    return [each for each in others if name_of(each, folder) in found]


def candidates(environ: Mapping[str, str], uid: int) -> list[Path]:
    """The folders that the socket may be in, the best first; root has one only."""
    if uid == 0:
        return [Path("/run/mainstay")]
    folders = [Path(f"/tmp/mainstay-{uid}")]  # noqa: S108 - used if it is ours and closed only
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        folders.insert(0, Path(runtime, "mainstay"))
    return folders


def of_others(name: str, uid: int, root: Path = Path("/")) -> list[tuple[Path, int]]:
    """The sockets of that name in the default folders of all other users, and whose they are.

    Nobody but root can look there, or would be answered.

    Args:
        name: see `name_of`.
        uid: of this process.
        root: of the file system.
    """
    if uid != 0:
        return []
    found = []
    for pattern in (f"run/user/*/mainstay/{name}", f"tmp/mainstay-*/{name}"):
        for path in sorted(root.glob(pattern)):
            with suppress(OSError):
                status = path.lstat()
                if stat.S_ISSOCK(status.st_mode):
                    found.append((path, status.st_uid))
    return found


def default_path(target: str, folder: Path, environ: Mapping[str, str], uid: int) -> Path:
    """Where the socket of a service is made; its folder is there afterwards.

    Raises: UsageError when there is no safe folder.
    """
    wrong = ""
    for place in candidates(environ, uid):
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            check_folder(place, uid, private=True)
        except OSError as error:
            wrong = f"{place} cannot be had: {error.strerror}"
        except UsageError as error:
            wrong = str(error)
        else:
            return place / name_of(target, folder)
    raise UsageError(wrong)


def check_folder(folder: Path, uid: int, *, private: bool = False) -> None:
    """See that nobody else can put something in the place of the socket.

    Args:
        folder: that the socket is in.
        uid: of this process.
        private: whether others may not even enter it.

    Raises: UsageError that says what is wrong with it.
    """
    try:
        # A link is somebody's word for another folder: one of ours is none.
        found = folder.lstat() if private else folder.stat()
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be had: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{folder} is no folder")
    if found.st_uid not in (uid, 0) or (private and found.st_uid != uid):
        raise UsageError(
            f"the folder {folder} belongs to user {found.st_uid}, who could take over the control "
            "socket; name one of your own"
        )
    open_to_others = found.st_mode & (0o077 if private else 0o022)
    if open_to_others:
        raise UsageError(
            f"the folder {folder} is open to others (mode {stat.S_IMODE(found.st_mode):04o}), who "
            "could take over the control socket; name one of your own, or close it: "
            f"chmod {'go=' if private else 'go-w'} {folder}"
        )


def check_path(path: Path) -> None:
    """See that the kernel takes such a path. Raises: UsageError."""
    length = len(os.fsencode(path))
    if length + _TEMPORARY > PATH_MOST:
        raise UsageError(
            f"the path of the control socket has {length} bytes, and may have "
            f"{PATH_MOST - _TEMPORARY}: {path}"
        )
