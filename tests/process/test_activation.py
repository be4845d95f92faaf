"""Facts about listening sockets that a service manager passes."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mainstay.errors import UsageError
from mainstay.net.registry import ListenRequest
from mainstay.process.activation import Activation, activated

FIRST = 700
"""Where the tests put descriptors: 3 is somebody's."""


@contextmanager
def passed(*sockets: socket.socket, names: str = "", pid: int = 0) -> Iterator[dict[str, str]]:
    """The variables with which the sockets would be passed to this process."""
    with ExitStack() as stack:
        for index, sock in enumerate(sockets):
            stack.enter_context(sock)
            os.dup2(sock.fileno(), FIRST + index, inheritable=True)
        yield {
            "LISTEN_PID": str(pid or os.getpid()),
            "LISTEN_FDS": str(len(sockets)),
            "LISTEN_FDNAMES": names,
            "OTHER": "stays",
        }
    for index in range(len(sockets)):
        try:
            os.close(FIRST + index)
        except OSError:
            continue


def tcp(host: str = "127.0.0.1") -> socket.socket:
    """A socket that listens on some port."""
    return socket.create_server((host, 0))


def request(address: str) -> ListenRequest:
    """What a listener asks for."""
    return ListenRequest(address, 100, False, 0o600)


def found(environ: dict[str, str]) -> Activation:
    """What was passed."""
    activation = activated(environ, FIRST)
    assert activation is not None
    return activation


async def test_a_socket_is_found_by_its_name() -> None:
    """The kernel object is the one that was passed, non-blocking, and not the taker's to remove."""
    sock = tcp()
    port = sock.getsockname()[1]
    with passed(tcp(), sock, names="admin:web") as environ:
        activation = found(environ)
        granted = await activation.take(request("fd://web"))
        assert granted is not None
        assert granted.socket.getsockname()[1] == port
        assert not granted.socket.getblocking()
        assert (granted.inode, granted.owned) == (None, False)
        granted.socket.close()
        assert activation.close_rest() == ["admin"]
        assert activation.close_rest() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_socket_is_found_by_its_address(host: str) -> None:
    """What the kernel says it is bound to; another port is bound by the service itself."""
    sock = tcp()
    port = sock.getsockname()[1]
    with passed(sock) as environ:
        activation = found(environ)
        assert await activation.take(request(f"tcp://{host}:{port + 1}")) is None
        assert await activation.take(request(f"tcp://10.0.0.1:{port}")) is None
        granted = await activation.take(request(f"tcp://{host}:{port}"))
        assert granted is not None
        assert await activation.take(request(f"tcp://{host}:{port}")) is None
        granted.socket.close()


async def test_every_interface_and_paths_are_found(tmp_path: Path) -> None:
    """A socket without a host for ``:port``, and a Unix socket by its path, which stays."""
    path = tmp_path / "app.sock"
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(path))
    unix.listen()
    every = tcp("")
    port = every.getsockname()[1]
    with passed(unix, every) as environ:
        activation = found(environ)
        for address in (f":{port}", f"unix:{path}"):
            granted = await activation.take(request(address))
            assert granted is not None
            granted.socket.close()
    assert path.exists()


async def test_what_the_manager_kept_is_found_again() -> None:
    """Under the name that it was stored by, even though the configuration says port 0."""
    with passed(tcp(), names="mainstay-tcp---127-0-0-1-0") as environ:
        granted = await found(environ).take(request("tcp://127.0.0.1:0"))
        assert granted is not None
        granted.socket.close()


async def test_by_number_works_as_well() -> None:
    """``fd:3`` means the descriptor, whatever it is called."""
    with passed(tcp()) as environ:
        granted = await found(environ).take(request(f"fd:{FIRST}"))
        assert granted is not None
        granted.socket.close()


def test_nothing_leaks_into_what_the_process_starts() -> None:
    """The variables are gone, and the descriptors closed on exec."""
    with passed(tcp()) as environ:
        assert "unknown" in repr(found(environ))
        assert environ == {"OTHER": "stays"}
        assert fcntl.fcntl(FIRST, fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_what_is_for_another_process_is_left_alone() -> None:
    """Another pid, no count, or one that is no number: nothing was passed."""
    with passed(tcp(), pid=1) as environ:
        assert activated(environ, FIRST) is None
        assert environ == {"OTHER": "stays"}
    assert activated({}) is None
    assert activated({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}) is None


def test_fewer_than_said_is_survived() -> None:
    """A descriptor that is not open ends the list."""
    with passed(tcp()) as environ:
        environ["LISTEN_FDS"] = "5"
        assert found(environ).close_rest() == ["unknown"]


async def test_what_was_not_passed_is_said() -> None:
    """An unknown name, a datagram socket and a file each get one line."""
    with (
        passed(tcp(), names="web") as environ,
        pytest.raises(UsageError, match="no socket of that name was passed, only web"),
    ):
        await found(environ).take(request("fd://admin"))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with (
        passed(datagrams, names="web") as environ,
        pytest.raises(UsageError, match="does not listen"),
    ):
        await found(environ).take(request("fd://web"))
    os.dup2(0, FIRST)
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
    activation = found(environ)
    assert await activation.take(request(":1")) is None
    with pytest.raises(UsageError, match="is no socket"):
        await activation.take(request("fd://web"))
    activation.close_rest()
