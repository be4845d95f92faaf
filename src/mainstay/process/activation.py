"""Listening sockets that whoever starts the service has opened: sd_listen_fds(3).

``LISTEN_FDS`` counts descriptors from 3 on, ``LISTEN_FDNAMES`` names them, and ``LISTEN_PID`` says
whom they are for. Each is given to the listener whose address asks for it: ``fd://NAME`` by its
name, any other address by what the socket is bound to, as the kernel knows it. So the same
configuration binds its sockets by itself where nobody has.

They are not ours: the path of a Unix socket is never removed, since the manager listens on.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mainstay.errors import UsageError
from mainstay.net.address import Address
from mainstay.net.registry import Granted, ListenRequest
from mainstay.process.notify import fd_name

__all__ = ["FIRST", "Activation", "activated"]

_log = logging.getLogger(__name__)

FIRST: Final = 3
"""The first descriptor that is passed (SD_LISTEN_FDS_START)."""

_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


def activated(environ: MutableMapping[str, str], first: int = FIRST) -> Activation | None:
    """What was passed to this process, or None.

    The variables are removed, and the descriptors are closed on exec, so that what this process
    starts does not take them for its own.

    Args:
        environ: the environment.
        first: the first descriptor.
    """
    meant, count, names = (environ.get(each, "") for each in _VARIABLES[:3])
    for each in _VARIABLES:
        environ.pop(each, None)
    if not count or meant != str(os.getpid()):
        return None
    if not (count.isascii() and count.isdecimal()):
        _log.warning("LISTEN_FDS=%s is no number; ignored", count)
        return None
    named = names.split(":") if names else []
    found = []
    for index in range(int(count)):
        descriptor = first + index
        try:
            os.set_inheritable(descriptor, False)
        except OSError:
            _log.warning("LISTEN_FDS=%s, but descriptor %d is not open", count, descriptor)
            break
        found.append(_Passed(named[index] if index < len(named) else "unknown", descriptor))
    return Activation(found) if found else None


@dataclass(slots=True)
class _Passed:
    name: str
    descriptor: int
    taken: bool = False


class Activation:
    """The sockets that were passed; `take` is an `mainstay.net.registry.Upstream`.

    Args:
        passed: what there is; use `activated`.
    """

    def __init__(self, passed: list[_Passed]) -> None:
        self._passed = passed

    async def take(self, request: ListenRequest) -> Granted | None:
        """The socket that is meant by an address, or None when it has to be bound.

        Raises: UsageError for a name that nothing was passed under, and for a socket that is none
            that listens.
        """
        address = Address.from_text(request.address)
        for each in self._passed:
            if not each.taken and _is_meant(address, each):
                return self._grant(request, each)
        if address.name:
            names = ", ".join(each.name for each in self._passed)
            raise UsageError(
                f"cannot listen on {address}: no socket of that name was passed, only {names}; "
                "name it with FileDescriptorName= in the socket unit"
            )
        return None

    def close_rest(self) -> list[str]:
        """Close what nobody has asked for, and say the names: their clients would wait for ever."""
        rest = [each for each in self._passed if not each.taken]
        for each in rest:
            each.taken = True
            with suppress(OSError):
                os.close(each.descriptor)
        return [each.name for each in rest]

    def _grant(self, request: ListenRequest, passed: _Passed) -> Granted:
        try:
            sock = socket.socket(fileno=passed.descriptor)
        except OSError:
            raise UsageError(
                f"cannot listen on {request.address}: what was passed is no socket"
            ) from None
        if not (sock.type == socket.SOCK_STREAM and _listens(sock)):
            sock.detach()
            raise UsageError(
                f"cannot listen on {request.address}: the socket that was passed does not listen; "
                "a unit needs ListenStream= and Accept=no"
            )
        passed.taken = True
        sock.setblocking(False)
        return Granted(sock, None, False)

    def __repr__(self) -> str:
        return f"<Activation {', '.join(each.name for each in self._passed)}>"


def _is_meant(address: Address, passed: _Passed) -> bool:
    if address.name:
        return passed.name == address.name
    if address.kind == "fd":
        return passed.descriptor == address.descriptor
    if passed.name == fd_name(str(address)):
        return True  # kept by the manager for us, under the name that we gave it
    try:
        with socket.socket(fileno=os.dup(passed.descriptor)) as sock:
            bound = sock.getsockname()
            family = sock.family
    except OSError:
        return False
    if address.kind == "unix":
        return family == socket.AF_UNIX and bound == address.path
    if family not in (socket.AF_INET, socket.AF_INET6) or bound[1] != address.port:
        return False
    hosts = _EVERYWHERE if not address.host else _ALIASES.get(address.host, (address.host,))
    return bound[0] in hosts


_EVERYWHERE: Final = ("::", "0.0.0.0")  # noqa: S104 - what the kernel says of one that has no host
_ALIASES: Final = {"localhost": ("127.0.0.1", "::1")}


def _listens(sock: socket.socket) -> bool:
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False
