"""The client of the control socket: what it finds, what it waits for, and what it says."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from mainstay.errors import BrokenError, DeadlineExceeded, InvalidRequest, PermissionDenied
from mainstay.interfaces.controlled import Outcome
from mainstay.process import control_client
from mainstay.process.control import MOST_CLIENTS
from mainstay.process.control_client import ControlClient, NotRunning, find_target, reachable
from mainstay.process.control_place import PeerProcess, name_of
from tests.process.controls import Board, place, served

__all__ = ["place"]

LONG: Final = 60
"""Seconds for what takes a moment, on a machine that is busy."""


@pytest.fixture
def board(place: Path) -> Iterator[Board]:
    """A board that is served at ``control`` below `place`, by a loop of its own."""
    made: list[Board] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    ending = asyncio.Event()

    async def main() -> None:
        made.append(Board())
        with served(place / "control", made[0]):
            ready.set()
            await ending.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert ready.wait(LONG)
    yield made[0]
    loop.call_soon_threadsafe(ending.set)
    thread.join(LONG)
    loop.close()


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Somebody who takes one connection at `path`, says `answer`, and hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(LONG)


# --- asking -------------------------------------------------------------------------------------


def test_the_status_arrives_whole(place: Path, board: Board) -> None:
    """What the service says of itself is what the operator gets, values and all."""
    with ControlClient(place / "control") as client:
        assert client.status(LONG) == board.status()
        assert client.peer == PeerProcess(os.getpid(), os.geteuid())


def test_one_too_many_hears_so_however_late_it_asks(place: Path, board: Board) -> None:
    """The service has hung up by then, and its refusal is still what the operator is told."""
    with ExitStack() as stack:
        path = place / "control"
        others = [stack.enter_context(ControlClient(path)) for _ in range(MOST_CLIENTS)]
        for each in others:
            each.status(LONG)  # it has its place
        late = stack.enter_context(ControlClient(path))
        poll = select.poll()
        poll.register(late._socket.fileno(), select.POLLHUP)
        assert poll.poll(LONG * 1000)
        with pytest.raises(BrokenError, match="16 others use the control socket") as caught:
            late.status(LONG)
        assert caught.value.reason == "OVERLOADED"


def test_a_restart_tells_its_steps_and_its_end(place: Path, board: Board) -> None:
    """Each step is told as it is done, and the outcome is that of the service."""
    steps: list[str] = []
    board.outcome = Outcome(1.5, "reload", False, 2.5, "it does not import", 3, 99)
    with ControlClient(place / "control") as client:
        assert client.restart("reload", steps.append, LONG) == board.outcome
    assert steps == ["started 4711", "serving"]


def test_a_refusal_keeps_its_reason(place: Path, board: Board) -> None:
    """The operator reads the sentence of the service, and a script its word."""
    with ControlClient(place / "control") as client:
        with pytest.raises(BrokenError, match="there are no workers to scale") as caught:
            client.ask("scale", {"workers": 3}, timeout=LONG)
        assert caught.value.reason == "USAGE"
        assert client.ask("drain", timeout=LONG) == {}
    assert board.asked == ["drain True"]


def test_a_service_that_does_not_answer_is_not_waited_for(place: Path) -> None:
    """A blocked event loop takes the connection, as the kernel does it, and says nothing."""
    with socket.socket(socket.AF_UNIX) as blocked:
        blocked.bind(str(place / "control"))
        blocked.listen()
        with (
            ControlClient(place / "control") as client,
            pytest.raises(DeadlineExceeded, match="event loop may be blocked"),
        ):
            client.status(0.05)


def test_a_service_that_dies_meanwhile_is_said_to_be_gone(place: Path) -> None:
    """Half an answer is none."""
    with (
        answering(place / "control", b'{"id": 1, "prog'),
        ControlClient(place / "control") as client,
        pytest.raises(BrokenError, match="hung up without an answer"),
    ):
        client.status(LONG)


def test_an_answer_that_is_none_is_said_to_be_so(place: Path) -> None:
    """Whatever listens there, it is nothing of ours."""
    with (
        answering(place / "control", b"220 mail.example.org ESMTP\n"),
        ControlClient(place / "control") as client,
        pytest.raises(InvalidRequest, match="cannot be understood"),
    ):
        client.status(LONG)


# --- finding ------------------------------------------------------------------------------------


def test_nobody_there_is_one_line(place: Path) -> None:
    """Whether there is no socket, or one that was left behind, the message says."""
    with pytest.raises(NotRunning, match="there is none"):
        ControlClient(place / "control")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place / "control"))
    with pytest.raises(NotRunning, match="left behind"):
        ControlClient(place / "control", patience=0)


def test_a_change_of_generations_is_waited_for(place: Path) -> None:
    """Between the old one's letting go and the new one's coming nobody listens, and soon will."""
    path = place / "control"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        come = threading.Timer(0.1, listener.listen)
        come.start()
        with ControlClient(path, patience=LONG) as client:
            assert client.peer.pid == os.getpid()
        come.join()


_AS_SOMEBODY = """
import os, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from typing import Final
import mainstay.process.control_client as all_of_it
import mainstay.errors
os.setegid(65534); os.seteuid(65534)
try:
    all_of_it.ControlClient(Path(sys.argv[1]))
except mainstay.errors.PermissionDenied as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_told_so(place: Path, board: Board) -> None:
    """The line names the cause, and is no traceback."""
    place.chmod(0o711)
    folder = os.open(place, os.O_RDONLY)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _AS_SOMEBODY, f"/proc/self/fd/{folder}/control", *sys.path],
            capture_output=True,
            text=True,
            pass_fds=[folder],
            timeout=90,
            check=False,
        )
    finally:
        os.close(folder)
    assert "belongs to another user" in done.stdout
    assert done.stderr == ""
    assert board.asked == []


def test_a_listener_of_another_user_is_not_talked_to(
    place: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would learn what is asked, and could answer anything."""
    monkeypatch.setattr(control_client, "peer_of", lambda sock: PeerProcess(1, 4000))
    monkeypatch.setattr(os, "geteuid", lambda: 4001)
    with pytest.raises(PermissionDenied, match="user 4000 listens"):
        ControlClient(place / "control")


def test_a_service_is_found_by_its_target_and_folder(
    place: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first folder that has the socket counts; without any, the first one is named."""
    first, second = place / "first", place
    monkeypatch.setattr(control_client, "candidates", lambda environ, uid: [first, second])
    name = name_of("board:service", place)
    assert find_target("board:service", place, {}) == first / name
    (place / "control").rename(place / name)
    assert find_target("board:service", place, {}) == second / name
    assert find_target("board:other", place, {}).parent == first
    assert reachable({}) == {second / name: os.getpid()}


# --- the end of the process ---------------------------------------------------------------------

_LISTENER = """
import socket, sys, time
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print("ready", flush=True)
    taken = listener.accept()
    time.sleep(3600)
"""


@pytest.mark.parametrize("handle", [True, False])
def test_the_end_of_the_process_is_waited_for(
    place: Path, handle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops a service knows when it is gone, by its handle or by its hanging up."""
    if not handle:
        monkeypatch.delattr(os, "pidfd_open")
    with subprocess.Popen(
        [sys.executable, "-c", _LISTENER, str(place / "control")], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        with ControlClient(place / "control") as client:
            assert client.peer.pid == child.pid
            assert not client.wait_gone(0)
            assert client.kill() is handle
            if not handle:
                child.kill()
            assert client.wait_gone(LONG)
            assert client.exit_code() is None
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("handle", [True, False])
def test_the_exit_code_is_what_it_says_at_last(
    place: Path, handle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among whatever else it has said, and when it is gone."""
    if not handle:
        monkeypatch.delattr(os, "pidfd_open")
    said = b'{"id":1,"result":{"pid":1}}\nno JSON\n{"id":1,"exit_code":124}\n'
    listener = f"{_LISTENER.strip().rpartition(chr(10))[0]}\n    taken[0].sendall({said!r})\n"
    with subprocess.Popen(
        [sys.executable, "-c", listener, str(place / "control")], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        with ControlClient(place / "control") as client:
            client.send("stop")
            assert client.wait_gone(LONG)
            assert client.exit_code() == 124
