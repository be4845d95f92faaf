"""The control socket: who may use it, whose its path is, and what comes in and out."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import socket
import stat
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mainstay.errors import Conflict, UsageError
from mainstay.process import control
from mainstay.process.control import MOST_CLIENTS, ControlServer
from mainstay.process.control_messages import LINE
from mainstay.process.lock import FileLock
from tests.process.controls import Board, place, served
from tests.unseen import listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["place"]

pytestmark = pytest.mark.real_loop


class Wire:
    """A connection that says what no client of ours would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, line: object) -> None:
        text = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
        self._writer.write(text)

    async def hear(self) -> dict[str, Any] | None:
        """The next line; None when the server has hung up."""
        async with asyncio.timeout(45):
            line = await self._reader.readline()
        return json.loads(line) if line else None

    async def ask(self, command: str, **arguments: object) -> dict[str, Any] | None:
        self.say({"version": 1, "id": 7, "command": command, "arguments": arguments})
        return await self.hear()

    async def hang_up(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    def say_no_more(self) -> None:
        self._writer.write_eof()


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[Wire]:
    """A connection to `path` for as long as the block."""
    wire = Wire(*await asyncio.open_unix_connection(path))
    try:
        yield wire
    finally:
        await wire.hang_up()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def open_up(folder: Path, mode: int) -> None:
    folder.chmod(mode)


async def alone(server: ControlServer) -> None:
    """Wait until the last client has left."""
    async with asyncio.timeout(45):
        while server.clients:  # noqa: ASYNC110 - no event says it
            await asyncio.sleep(0)


# --- the path -----------------------------------------------------------------------------------


async def test_nobody_else_can_open_the_socket(place: Path) -> None:
    """Its mode is 0600 whatever the umask, and nothing of its making is left beside it."""
    path = place / "control"
    before = os.umask(0)
    try:
        with served(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert names(place) == ["control"]
    finally:
        os.umask(before)
    assert names(place) == []


async def test_a_socket_without_a_listener_is_replaced(place: Path) -> None:
    """What a killed process has left behind is in nobody's way."""
    path = place / "control"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with served(path):
        async with connected(path) as wire:
            answer = await wire.ask("status")
    assert answer is not None
    assert answer["result"]["name"] == "board"


async def test_a_socket_with_a_listener_is_left_alone(place: Path) -> None:
    """A second service with the same path is told which process has it, and the first goes on."""
    path = place / "control"
    with served(path):
        second = ControlServer(Board(), path)
        with pytest.raises(Conflict, match=rf"process {os.getpid()} has the control socket"):
            second.start()
        second.close()
        async with connected(path) as wire:
            assert await wire.ask("status") is not None


async def test_a_file_is_not_taken_for_a_socket(place: Path) -> None:
    """It is somebody's, and the path a mistake."""
    path = place / "control"
    path.write_text("precious", "utf-8")
    with pytest.raises(UsageError, match="is something else"):
        ControlServer(Board(), path).start()
    assert path.read_text("utf-8") == "precious"


async def test_a_folder_of_others_is_refused(place: Path) -> None:
    """Where others may write, they may put their own socket in the place of ours."""
    open_up(place, 0o777)
    with pytest.raises(UsageError, match="chmod go-w"):
        ControlServer(Board(), place / "control").start()
    assert names(place) == []


async def test_the_next_generation_takes_the_path_when_the_old_lets_go(place: Path) -> None:
    """The path leads to the old one first and to the new one then, and the old removes nothing."""
    path = place / "control"
    old_board, new_board = Board(), Board()
    with served(path, old_board) as old:
        new = ControlServer(new_board, path)
        waiting = asyncio.ensure_future(new.wait_free())
        async with connected(path) as wire:
            await wire.ask("drain")
        assert (old_board.asked, new.listening) == (["drain True"], False)
        old.release()
        async with asyncio.timeout(45):
            await waiting
    with closing(new):
        async with connected(path) as wire:
            await wire.ask("resume")
        assert new_board.asked == ["drain False"]
    assert not path.exists()


async def test_a_client_is_answered_after_the_path_was_let_go(place: Path) -> None:
    """Whoever asked for a restart hears how it ended, from the generation that leaves."""
    board = Board()
    board.may_end.clear()
    with served(place / "control", board) as server:
        async with connected(place / "control") as wire:
            assert await wire.ask("restart") == {"id": 7, "progress": "started 4711"}
            server.release()
            board.may_end.set()
            assert await wire.hear() == {"id": 7, "progress": "serving"}
            end = await wire.hear()
    assert end is not None
    assert end["result"]["ok"] is True


async def test_a_path_that_is_somebody_elses_by_now_is_not_removed(place: Path) -> None:
    """A socket was put in its place: the end of the first one is no reason to remove that."""
    path = place / "control"
    with served(path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.exists()


# --- who may ask --------------------------------------------------------------------------------

_AS_SOMEBODY = """
import os, socket, sys
os.setegid(65534); os.seteuid(65534)
with socket.socket(socket.AF_UNIX) as each:
    each.connect(sys.argv[1])
    each.settimeout(45)
    try:
        each.sendall(b'{"id": 1, "command": "stop"}\\n')
        print(each.recv(100))
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_another_user_is_dropped_and_counted(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Even where the modes would let it in, the kernel's word about the peer counts."""
    path = place / "control"
    board = Board()
    with served(path, board) as server:
        # pytest's folders are closed to others, so the path is reached by a descriptor.
        path.chmod(0o666)
        folder = os.open(place, os.O_RDONLY)
        open_up(place, 0o711)
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _AS_SOMEBODY,
                f"/proc/self/fd/{folder}/control",
                pass_fds=[folder],
                stdout=subprocess.PIPE,
            )
            said, _ = await child.communicate()
        finally:
            os.close(folder)
        assert said.strip() in (b"b''", b"ConnectionResetError", b"BrokenPipeError")
        assert (server.dropped, board.asked) == (1, [])
    assert f"process {child.pid} of user 65534" in caplog.text


async def test_clients_beyond_the_bound_are_told(place: Path) -> None:
    """One too many hears so and is closed, and the others are served."""
    path = place / "control"
    with served(path) as server:
        wires = [Wire(*await asyncio.open_unix_connection(path)) for _ in range(MOST_CLIENTS)]
        assert await wires[-1].ask("status") is not None
        async with connected(path) as wire:
            refusal = await wire.hear()
            assert refusal is not None
            assert refusal["error"]["reason"] == "OVERLOADED"
            assert await wire.hear() is None
        assert await wires[0].ask("status") is not None
        for each in wires:
            await each.hang_up()
        await alone(server)


async def test_silent_clients_are_closed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for nothing does not keep a place."""
    monkeypatch.setattr(control, "_IDLE", 0.01)
    with served(place / "control"):
        async with connected(place / "control") as wire:
            assert await wire.hear() is None


# --- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hello\n", "is no request"),
        (b"\xff\xfe\n", "is no request"),
        (b"[]\n", "is no request"),
        (b'{"id": 3}\n', "is no request"),
        (b'{"command": "explode"}\n', "there is no command 'explode'"),
        (b'{"command": "status", "version": 2}\n', "of version 2, and this service speaks 1"),
    ],
)
async def test_garbage_is_answered_with_a_line(place: Path, line: bytes, said: str) -> None:
    """It says what is wrong, the connection stays, and nothing is done."""
    board = Board()
    with served(place / "control", board):
        async with connected(place / "control") as wire:
            wire.say(line)
            answer = await wire.hear()
            assert answer is not None
            assert said in answer["error"]["message"]
            assert await wire.ask("status") is not None
    assert board.asked == []


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("scale", {}, "missing required field `workers`"),
        ("scale", {"workers": "many"}, "Expected `int`"),
        ("scale", {"workers": 0}, "one worker at least"),
        ("stop", {"now": True}, "unknown field `now`"),
        ("status", {"all": True}, "unknown field `all`"),
    ],
)
async def test_wrong_arguments_do_nothing(
    place: Path, command: str, arguments: dict[str, Any], said: str
) -> None:
    """An argument that is not known is refused: somebody meant something by it."""
    board = Board()
    with served(place / "control", board):
        async with connected(place / "control") as wire:
            answer = await wire.ask(command, **arguments)
    assert answer is not None
    assert said in answer["error"]["message"]
    assert board.asked == []


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_without_bound_is_cut_off(place: Path, end: bytes) -> None:
    """Nobody can fill the memory with a request."""
    with served(place / "control"):
        async with connected(place / "control") as wire:
            wire.say(b"x" * (LINE + 1) + end)
            answer = await wire.hear()
            assert answer is not None
            assert answer["error"]["reason"] == "TOO_LARGE"
            assert await wire.hear() is None


async def test_several_requests_at_once_are_answered_in_order(place: Path) -> None:
    """One is done after the other, the last one also when nothing more will come."""
    board = Board()
    with served(place / "control", board):
        async with connected(place / "control") as wire:
            wire.say(
                b'{"id": 1, "command": "drain"}\n{"id": 2, "command": "nonsense"}\n'
                b'{"id": 3, "command": "resume"}\n{"id": 4, "command": "reopen_logs"}\n'
            )
            wire.say_no_more()
            first, second, third, fourth = [await wire.hear() for _ in range(4)]
            assert await wire.hear() is None
    assert first == {"id": 1, "result": {}}
    assert second is not None
    assert "error" in second
    assert (third, fourth) == ({"id": 3, "result": {}}, {"id": 4, "result": {}})
    assert board.asked == ["drain True", "drain False", "reopen_logs"]


async def test_any_number_of_lines_at_once_is_answered(place: Path) -> None:
    """However many come in one read, and however wrong: each by itself, in its turn."""
    with served(place / "control"):
        async with connected(place / "control") as wire:
            wire.say(b"x\n" * 20_000)
            answers = [await wire.hear() for _ in range(20_000)]
            assert all(each is not None and "error" in each for each in answers)
            assert await wire.ask("status") is not None


async def test_who_takes_no_answers_is_not_read(place: Path) -> None:
    """What waits to be done waits with the client; once it takes the answers, all are there."""
    board = Board()
    line = b'{"id": 1, "command": "drain"}\n'
    with served(place / "control", board), socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        client.connect(str(place / "control"))
        sent = rounds = 0
        while rounds < 200:  # as often as the loop turns without anything being taken
            await asyncio.sleep(0)
            try:
                sent += client.send(line * 1000)
                rounds = 0
            except BlockingIOError:
                rounds += 1
            assert sent < 64 << 20, "it reads on and on"
        assert 0 < len(board.asked) < sent // len(line)
        whole = sent // len(line)
        loop, answers = asyncio.get_running_loop(), b""
        async with asyncio.timeout(45):
            while answers.count(b"\n") < whole:
                answers += await loop.sock_recv(client, 1 << 20)
    assert len(board.asked) == whole


async def test_who_takes_no_answers_is_closed_in_the_end(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was to be said: it would keep its place otherwise."""
    monkeypatch.setattr(control, "_IDLE", 0.3)
    with served(place / "control") as server, socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        client.connect(str(place / "control"))
        loop = asyncio.get_running_loop()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            async with asyncio.timeout(45):
                while True:
                    await loop.sock_sendall(client, b'{"id": 1, "command": "status"}\n' * 1000)
        await alone(server)


# Listens as a control socket does, and leaves with a child that keeps a copy, unread.
FORKED = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1] + ".new")
server.listen(3)
if os.fork() == 0:
    input()
    os._exit(0)
os.rename(sys.argv[1] + ".new", sys.argv[1])
input()
"""


async def test_a_copy_of_the_listener_in_a_child_is_no_holder(place: Path) -> None:
    """It takes connections for ever and answers none: who made it has ended, so it is replaced,
    even when the queue is full by then."""
    path = place / "control"
    server = ControlServer(Board(), path)
    # Both read from it; its end, with this process at the latest, ends both.
    keeps, kept = os.pipe()
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORKED, str(path), stdin=keeps
    )
    os.close(keeps)
    try:
        async with asyncio.timeout(45):
            while "control" not in names(place):  # noqa: ASYNC110 - no event says it
                await asyncio.sleep(0)
            waiting = asyncio.create_task(server.wait_free())
            while control._holder_of(path) != 0:  # noqa: ASYNC110 - no event says it
                await asyncio.sleep(0)
            assert not waiting.done()
            other.kill()
            await other.wait()
            await waiting
        assert server.listening
    finally:
        os.close(kept)
    server.close()
    assert names(place) == []


@pytest.mark.parametrize("turns", range(6))
async def test_one_that_arrives_as_it_closes_is_let_go_of(place: Path, turns: int) -> None:
    """In whichever turn of the loop, and the loop has nothing to complain of."""
    complaints = listen()
    server = ControlServer(Board(), place / "control")
    server.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(place / "control"))
        server._accept()
        for _ in range(turns):
            await asyncio.sleep(0)
        server.close()
        client.setblocking(False)
        async with asyncio.timeout(45):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
        for _ in range(5):
            await asyncio.sleep(0)
    assert complaints() == []


async def test_a_long_wait_is_told_once(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever looks for the socket in vain finds in the log who has it."""
    monkeypatch.setattr(control, "_LONG", 0.0)
    monkeypatch.setattr(control, "_LOOK", 0.0)
    with served(place / "control"):
        second = ControlServer(Board(), place / "control")
        waiting = asyncio.create_task(second.wait_free())
        async with asyncio.timeout(45):
            while "is not free" not in caplog.text:  # noqa: ASYNC110 - no event says it
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        waiting.cancel()
    assert caplog.text.count(f"is not free: process {os.getpid()} has the control socket") == 1


async def test_a_stranger_s_lock_of_the_folder_holds_nobody_up(place: Path) -> None:
    """Whoever may read the folder may lock it, and that is no business of the socket."""
    open_up(place, 0o755)
    stranger = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(stranger, fcntl.LOCK_EX)
        with served(place / "control"):
            assert names(place) == ["control"]
    finally:
        os.close(stranger)


async def test_one_socket_is_made_at_a_time(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn has an end that is waited for, and a bound; the file is this user's alone."""
    turn = FileLock(place / control._TURN)
    turn.take()
    assert stat.S_IMODE(turn.path.stat().st_mode) == 0o600
    monkeypatch.setattr(control, "_TURN_PATIENCE", 0.0)
    late = ControlServer(Board(), place / "control")
    with pytest.raises(Conflict, match="another process makes a control socket in"):
        late.start()
    waiting = asyncio.create_task(late.wait_free())
    await asyncio.sleep(0)
    assert not late.listening
    turn.remove()
    async with asyncio.timeout(45):
        await waiting
    assert names(place) == ["control"]
    late.close()


async def test_the_turn_of_another_is_waited_for(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that start at the same moment in one folder both get their socket."""
    monkeypatch.setattr(control, "_TURN_PATIENCE", 45.0)
    turn = FileLock(place / control._TURN)
    turn.take()
    monkeypatch.setattr(time, "sleep", lambda seconds: turn.remove())
    with served(place / "control") as server:
        assert server.listening


# --- commands -----------------------------------------------------------------------------------


async def test_two_clients_are_independent(place: Path) -> None:
    """The state can be asked for while a restart is under way on another connection."""
    board = Board()
    board.may_end.clear()
    with served(place / "control", board):
        async with connected(place / "control") as one, connected(place / "control") as two:
            assert await one.ask("reload") == {"id": 7, "progress": "started 4711"}
            answer = await two.ask("status")
            assert answer is not None
            assert answer["result"]["state"] == "running"
            board.may_end.set()
            assert await one.hear() == {"id": 7, "progress": "serving"}
            assert await one.hear() is not None
    assert board.asked == ["reload", "reload ended"]


async def test_a_restart_goes_on_without_the_one_who_asked(place: Path) -> None:
    """Ctrl-C of the command ends the wait, and not the restart."""
    board = Board()
    board.may_end.clear()
    with served(place / "control", board) as server:
        async with connected(place / "control") as wire:
            await wire.ask("restart")
        board.may_end.set()
        await alone(server)
    assert board.asked == ["restart", "restart ended"]


async def test_the_answer_to_stop_comes_before_the_stop(place: Path) -> None:
    """The client knows that it was heard, whatever the loop does next."""
    board = Board()
    with served(place / "control", board):
        async with connected(place / "control") as wire:
            assert await wire.ask("stop", force=True) == {"id": 7, "result": {"pid": os.getpid()}}
            await board.stopped.wait()
    assert board.asked == ["stop force=True"]


async def test_who_stops_it_is_told_how_it_ends(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes, and nobody else is."""
    monkeypatch.setattr(control, "_IDLE", 60.0)
    board = Board()
    server = ControlServer(board, place / "control")
    server.start()
    async with connected(place / "control") as wire, connected(place / "control") as other:
        assert await other.ask("status")
        monkeypatch.setattr(control, "_IDLE", 0.0)
        assert await wire.ask("stop") == {"id": 7, "result": {"pid": os.getpid()}}
        async with connected(place / "control") as silent:
            assert await silent.hear() is None
        server.close(124)
        assert await wire.hear() == {"id": 7, "exit_code": 124}
        assert await wire.hear() is None
        assert await other.hear() is None


async def test_what_cannot_be_done_is_said(place: Path) -> None:
    """The message and the reason of the error arrive, and nothing else of it."""
    with served(place / "control"):
        async with connected(place / "control") as wire:
            assert await wire.ask("scale", workers=3) == {
                "id": 7,
                "error": {"reason": "USAGE", "message": "there are no workers to scale"},
            }


async def test_a_failure_of_ours_is_answered_and_logged(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The client does not wait for ever, and the log has the traceback."""
    board = Board()
    board.broken = True
    with served(place / "control", board):
        async with connected(place / "control") as wire:
            answer = await wire.ask("status")
    assert answer is not None
    assert answer["error"]["reason"] == "BUG"
    assert "no status today" in caplog.text


async def test_an_operator_is_heard_though_there_is_no_descriptor_left(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is kept for that, again and again: it is given up, and had again when the client leaves."""

    class Full:
        """A listener that finds the table full unless the spare descriptor was given up."""

        def __init__(self, listener: socket.socket) -> None:
            self.listener = listener
            self.refused = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.listener, name)

        def accept(self) -> Any:
            if server._spare >= 0:
                self.refused += 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return self.listener.accept()

    with served(place / "control.sock", Board()) as server:
        assert server._listener is not None
        full: Any = Full(server._listener)
        monkeypatch.setattr(server, "_listener", full)
        for number in range(1, 4):
            async with connected(server.path) as one:
                answer = await one.ask("status")
                assert answer is not None
                assert "result" in answer
                assert full.refused == number
            async with asyncio.timeout(45):
                while server._spare < 0:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)
        monkeypatch.undo()
