"""From an address to a socket that listens.

Rules this file keeps:

* **Nothing is left behind by a failure**: neither a socket nor a file.
* **A written address means itself.** ``[::]`` takes IPv6 only, so that ``0.0.0.0`` can stand beside
  it; ``:8000``, which names no family, takes both. A host name takes one address, IPv4 first: who
  connects by the same name tries them all.
* **A Unix path is replaced only if nobody answers there.** It gets its mode before it listens, and
  until it listens nobody can connect, so there is no moment with a wider mode. Two processes that
  start at once on one stale path are not kept apart; the later one wins.
* **An inherited socket is taken as it is.** It is one kernel object with whoever else holds it, so
  calling `listen` again would change the queue for all (`docs/decisions/012-acceptor.md`).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from typing import Final

from mainstay.errors import ResourceError, UsageError
from mainstay.net.address import Address

__all__ = ["Inode", "bind_socket", "inode_of"]

Inode = tuple[int, int]
"""What tells one file from another at the same path: device and number."""

# How long a socket found at a Unix path may take to answer before it counts as alive but busy.
_PROBE_SECONDS: Final = 1.0


async def bind_socket(
    address: Address, *, backlog: int, reuse_port: bool, unix_mode: int
) -> socket.socket:
    """A non-blocking socket that listens on `address`; for the arguments see `Listener`.

    Raises: ResourceError when the address cannot be had now; UsageError when it never can.
    """
    if address.kind == "fd":
        return _adopt(address)
    if address.kind == "unix":
        return _listen_unix(address, backlog, unix_mode)
    sock = await _bind_tcp(address, reuse_port=reuse_port)
    return _listening(sock, address, backlog)


def inode_of(path: str) -> Inode | None:
    """The file at `path` itself, links not followed; None if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _bind_tcp(address: Address, *, reuse_port: bool) -> socket.socket:
    if address.host:
        family, where = await _resolve(address)
        return _bound(family, where, address, reuse_port=reuse_port, only=True)
    if socket.has_dualstack_ipv6():
        where = ("::", address.port)
        return _bound(socket.AF_INET6, where, address, reuse_port=reuse_port, only=False)
    where = ("0.0.0.0", address.port)  # noqa: S104 - it is what was asked for
    return _bound(socket.AF_INET, where, address, reuse_port=reuse_port, only=False)


async def _resolve(address: Address) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise ResourceError(
            f"cannot listen on {address}: the host name is not known ({error.strerror}); "
            "use a number such as 127.0.0.1, or leave the host out to take every interface"
        ) from error
    found.sort(key=lambda entry: entry[0] is not socket.AF_INET)
    return found[0][0], found[0][4]


def _bound(
    family: socket.AddressFamily,
    where: tuple[object, ...],
    address: Address,
    *,
    reuse_port: bool,
    only: bool,
) -> socket.socket:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _refused(address, error) from error
    try:
        # A restart must not wait for the connections of the process before to leave TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        sock.bind(where)
    except OSError as error:
        sock.close()
        raise _refused(address, error) from error
    return sock


def _listen_unix(address: Address, backlog: int, mode: int) -> socket.socket:
    path = address.path
    _remove_stale(address)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
    except OSError as error:
        sock.close()
        if error.errno is None:  # CPython's own "path too long"
            raise UsageError(f"cannot listen on {address}: {error}; use a shorter path") from error
        raise _refused(address, error) from error
    try:
        os.chmod(path, mode)  # noqa: PTH101 - beside bind, which takes text
        return _listening(sock, address, backlog)
    except BaseException:
        sock.close()
        os.unlink(path)  # noqa: PTH108
        raise


def _remove_stale(address: Address) -> None:
    """Make room at a Unix path that a dead process left behind."""
    path = address.path
    try:
        found = os.lstat(path)
    except OSError:
        return  # nothing there, or nothing we may see: `bind` has the better error
    if not stat.S_ISSOCK(found.st_mode):
        raise UsageError(f"cannot listen on {address}: a file that is no socket is in the way")
    if _answers(path):
        raise _refused(address, OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)))
    if inode_of(path) == (found.st_dev, found.st_ino):
        os.unlink(path)  # noqa: PTH108


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # a full queue, or a socket of another type or user: not ours to remove
    return True


def _adopt(address: Address) -> socket.socket:
    if address.name:
        raise UsageError(
            f"cannot listen on {address}: no sockets were passed to this process; start it by a "
            "service manager that does, or choose another address"
        )
    try:
        sock = socket.socket(fileno=address.descriptor)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {address}: that descriptor is no open socket ({error.strerror}); "
            "whoever starts the process has to pass it"
        ) from error
    listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if sock.type != socket.SOCK_STREAM or not listens:
        sock.detach()  # not ours to close
        raise UsageError(f"cannot listen on {address}: that socket is not a listening stream")
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _listening(sock: socket.socket, address: Address, backlog: int) -> socket.socket:
    try:
        sock.setblocking(False)
        # With SO_REUSEADDR, Linux lets two sockets bind one port and tells only here.
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise _refused(address, error) from error
    return sock


_ADVICE: Final = {
    errno.EADDRINUSE: "somebody listens there already; stop them, or choose another address",
    errno.EADDRNOTAVAIL: "this machine has no such address; choose one of its own",
    errno.EACCES: "not permitted; ports below 1024 and foreign directories need a privilege",
    errno.ENOENT: "the directory does not exist; create it first",
}


def _refused(address: Address, error: OSError) -> ResourceError:
    advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return ResourceError(
        f"cannot listen on {address}: {advice}", metadata={"address": str(address)}
    )
