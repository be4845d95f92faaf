"""Facts about `mainstay.net.binding`."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from mainstay.errors import ResourceError, UsageError
from mainstay.net.address import Address
from mainstay.net.binding import bind_socket, inode_of


async def bound(text: str, *, reuse_port: bool = False, unix_mode: int = 0o600) -> socket.socket:
    address = Address.from_text(text)
    return await bind_socket(address, backlog=16, reuse_port=reuse_port, unix_mode=unix_mode)


def connects(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=30).close()
    except OSError:
        return False
    return True


async def test_a_number_is_bound_as_written() -> None:
    """The socket listens, non-blocking and not inheritable, at the address asked for."""
    with await bound("tcp://127.0.0.1:0") as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
        assert not sock.getblocking()
        assert not sock.get_inheritable()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


async def test_a_name_takes_one_address_ipv4_first() -> None:
    """`localhost` is 127.0.0.1."""
    with await bound("localhost:0") as sock:
        assert sock.getsockname()[0] == "127.0.0.1"


async def test_no_host_takes_both_families() -> None:
    """A bare port answers on IPv4, and on IPv6 where the machine has it."""
    with await bound(":0") as sock:
        port = sock.getsockname()[1]
        assert connects(("127.0.0.1", port))
        assert connects(("::1", port)) is socket.has_dualstack_ipv6()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the machine has no IPv6")
async def test_a_written_ipv6_address_is_ipv6_only() -> None:
    """``[::]`` leaves the IPv4 port to somebody else."""
    # A port that nobody has in either family, which port 0 of one does not say of the other.
    with await bound(":0") as both:
        port = both.getsockname()[1]
    with await bound(f"tcp://[::]:{port}"), await bound(f"tcp://0.0.0.0:{port}"):
        assert connects(("::1", port))


async def test_an_address_in_use_is_named() -> None:
    """The error names the address and says what to do; a later try may succeed."""
    with await bound("tcp://127.0.0.1:0") as sock:
        text = f"tcp://127.0.0.1:{sock.getsockname()[1]}"
        with pytest.raises(ResourceError, match="listens there already; stop them") as caught:
            await bound(text)
    assert text in str(caught.value)
    assert caught.value.retryable
    assert caught.value.metadata["address"] == text


async def test_a_port_is_free_again_at_once() -> None:
    """Connections of the process before, in TIME_WAIT, do not keep the port."""
    with await bound("tcp://127.0.0.1:0") as sock:
        port = sock.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=30):
            sock.setblocking(True)
            sock.accept()[0].close()
    (await bound(f"tcp://127.0.0.1:{port}")).close()


async def test_reuse_port_is_an_option() -> None:
    """Two sockets share a port if both ask for it, and only then."""
    with await bound("tcp://127.0.0.1:0", reuse_port=True) as sock:
        text = f"tcp://127.0.0.1:{sock.getsockname()[1]}"
        (await bound(text, reuse_port=True)).close()
        with pytest.raises(ResourceError):
            await bound(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tcp://192.0.2.1:0", "no such address"),
        ("unix:/nonexistent/x.sock", "directory does not exist"),
        ("tcp://no-such-host.invalid:0", "name is not known"),
    ],
)
async def test_what_cannot_be_bound_is_explained(text: str, words: str) -> None:
    """The machine's refusal comes with advice."""
    with pytest.raises(ResourceError, match=words):
        await bound(text)


async def test_a_unix_path_has_its_mode(tmp_path: Path) -> None:
    """Who may connect is decided by the mode, whatever the umask."""
    for mode in (0o600, 0o666):
        path = tmp_path / f"{mode:o}.sock"
        with await bound(f"unix:{path}", unix_mode=mode):
            assert stat.S_IMODE(path.stat().st_mode) == mode


async def test_a_stale_unix_path_is_replaced(tmp_path: Path) -> None:
    """The file that a dead process left is no hindrance."""
    path = tmp_path / "x.sock"
    (await bound(f"unix:{path}")).close()
    before = inode_of(str(path))
    with await bound(f"unix:{path}"), socket.socket(socket.AF_UNIX) as client:
        assert before is not None
        client.connect(str(path))


async def test_a_live_unix_path_is_left_alone(tmp_path: Path) -> None:
    """When somebody answers there, the path stays theirs, even with a full queue."""
    path = tmp_path / "x.sock"
    with await bound(f"unix:{path}") as sock:
        sock.listen(0)
        with pytest.raises(ResourceError, match="listens there already"):
            await bound(f"unix:{path}")
        with pytest.raises(ResourceError, match="listens there already"):
            await bound(f"unix:{path}")  # the probe before fills the queue
        assert path.exists()


async def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    """What is no socket is not ours to remove."""
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(UsageError, match="no socket is in the way"):
        await bound(f"unix:{path}")
    assert path.read_text() == "data"


async def test_a_path_too_long_is_the_user_s_fault(tmp_path: Path) -> None:
    """The kernel's limit on socket paths is told as what it is."""
    with pytest.raises(UsageError, match="shorter path"):
        await bound(f"unix:{tmp_path}/{'x' * 200}")


async def test_an_inherited_listener_is_adopted() -> None:
    """A descriptor of a listening socket works, and is not inherited further."""
    with await bound("tcp://127.0.0.1:0") as sock:
        descriptor = os.dup(sock.fileno())
        os.set_inheritable(descriptor, True)
        with await bound(f"fd:{descriptor}") as adopted:
            assert adopted.fileno() == descriptor
            assert adopted.getsockname() == sock.getsockname()
            assert not adopted.get_inheritable()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_an_inherited_socket_that_does_not_listen_is_refused(kind: int) -> None:
    """The socket stays open: it is not ours to close."""
    with socket.socket(type=kind) as sock:
        with pytest.raises(UsageError, match="not a listening stream"):
            await bound(f"fd:{sock.fileno()}")
        assert sock.getsockname()


async def test_an_inherited_descriptor_that_is_no_socket_is_refused(tmp_path: Path) -> None:
    """A file, or nothing at all, under the number is the operator's mistake."""
    with (tmp_path / "file").open("w") as file:
        with pytest.raises(UsageError, match="no open socket"):
            await bound(f"fd:{file.fileno()}")
        number = file.fileno()
    with pytest.raises(UsageError, match="no open socket"):
        await bound(f"fd:{number}")
