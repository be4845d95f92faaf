"""Facts about `mainstay.process.sockets`, with real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from mainstay.errors import ResourceError
from mainstay.net.registry import Granted, ListenRequest
from mainstay.process.messages import Listen
from mainstay.process.sockets import Sockets

pytestmark = pytest.mark.real_loop


def question(address: str, number: int = 1) -> Listen:
    """A worker wants it."""
    return Listen(number, address, 16)


async def test_an_address_is_one_socket_for_all() -> None:
    """Asked for at once or one after the other; port 0 is the same port."""
    sockets = Sockets()
    asked = [sockets.answer(question("tcp://localhost:0", number)) for number in range(5)]
    answers = await asyncio.gather(*asked)
    assert len({descriptors[0] for _, descriptors in answers}) == 1
    assert [told.number for told, _ in answers] == list(range(5))
    assert {told.address for told, _ in answers} == set(sockets.addresses)
    assert sockets.descriptors == [("tcp://localhost:0", answers[0][1][0])]
    sockets.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(answers[0][1][0])


async def test_an_address_that_cannot_be_had_is_the_workers_to_hear() -> None:
    """And another try may have it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        sockets = Sockets()
        with pytest.raises(ResourceError, match="somebody listens there already"):
            await sockets.answer(question(address))
    told, _ = await sockets.answer(question(address))
    assert told.ok
    sockets.close()


async def test_what_nobody_asks_for_any_more_is_let_go(tmp_path: Path) -> None:
    """With its path; the others stay."""
    sockets = Sockets()
    paths = [tmp_path / "one.sock", tmp_path / "two.sock"]
    for path in paths:
        await sockets.answer(question(f"unix:{path}"))
    sockets.keep({f"unix:{paths[1]}"})
    assert not paths[0].exists()
    assert paths[1].exists()
    sockets.close()
    assert not paths[1].exists()


@pytest.mark.parametrize("case", ["handed over", "kept by a manager", "taken by another"])
async def test_a_path_that_leads_to_somebody_stays(tmp_path: Path, case: str) -> None:
    """It is the next supervisor's, or a manager keeps the socket, or it is another file."""
    path = tmp_path / "one.sock"
    sockets = Sockets()
    await sockets.answer(question(f"unix:{path}"))
    sockets.handed_over = case == "handed over"
    if case == "taken by another":
        path.unlink()
        path.touch()
    sockets.close(unlink=case != "kept by a manager")
    assert path.exists()


async def test_letting_go_closes_and_leaves_the_path(tmp_path: Path) -> None:
    """Workers accept from their own descriptors until they have ended."""
    path = tmp_path / "one.sock"
    sockets = Sockets()
    _, (descriptor,) = await sockets.answer(question(f"unix:{path}"))
    worker = socket.socket(fileno=os.dup(descriptor))
    sockets.let_go()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    worker.close()
    assert path.exists()
    sockets.close()
    assert not path.exists()


@pytest.mark.parametrize("owned", [True, False])
async def test_who_may_hold_a_socket_is_asked_first(tmp_path: Path, owned: bool) -> None:
    """The supervisor before, whose paths are inherited, or a manager, whose are not."""
    path = tmp_path / "one.sock"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    found = path.lstat()
    asked: list[ListenRequest] = []

    async def upstream(request: ListenRequest) -> Granted | None:
        asked.append(request)
        inode = (found.st_dev, found.st_ino)
        return Granted(sock, inode, owned) if request.address.startswith("unix:") else None

    sockets = Sockets(upstream)
    _, (descriptor,) = await sockets.answer(question(f"unix:{path}"))
    assert descriptor == sock.fileno()
    told, _ = await sockets.answer(question("tcp://127.0.0.1:0"))
    assert told.ok
    assert [request.address for request in asked] == [f"unix:{path}", "tcp://127.0.0.1:0"]
    sockets.close()
    assert path.exists() is not owned
