"""What long streams see of a restart: each is told to leave, in the way of its protocol."""

import socket
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
import pytest
from hpack import Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    SettingsFrame,
)
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_websocket

from tests.process.world import PATIENCE, World, ask, connect, until

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
F = TypeVar("F", bound=Frame)


def test_a_websocket_is_told_to_come_back(tmp_path: Path) -> None:
    """It goes on until the probation is over, then ends with 1012, and finds the new generation."""
    # Long enough for what is said meanwhile, on a machine that stands still for seconds.
    with World(tmp_path, probation=10) as world:
        url = world.address.replace("tcp://", "ws://") + "/echo"
        with connect_websocket(url, open_timeout=PATIENCE) as session:
            session.send("before")
            assert session.recv(PATIENCE) == "before"
            world.send(1)
            world.wait_said("restart: serving")
            session.send("meanwhile")
            assert session.recv(PATIENCE) == "meanwhile"
            with pytest.raises(ConnectionClosed) as closed:
                session.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
            assert closed.value.rcvd.reason == "the service is restarting"
        with connect_websocket(url, open_timeout=PATIENCE) as session:
            session.send("after")
            assert session.recv(PATIENCE) == "after"


def test_events_hear_of_the_drain(tmp_path: Path) -> None:
    """The generator sees `scope.draining`, says a last word, and its stream ends whole."""
    with World(tmp_path) as world, connect(world.address, PATIENCE) as sock:
        sock.sendall(b"GET /events HTTP/1.1\r\nhost: world\r\n\r\n")
        got = sock.recv(65536)
        while b"here" not in got:
            got += sock.recv(65536)
        world.restart()
        while part := sock.recv(65536):
            got += part
        assert b"draining" in got
        assert got.endswith(b"0\r\n\r\n")


def test_an_idle_connection_is_answered_once_more(tmp_path: Path) -> None:
    """A request on its way when the drain begins gets its answer, with ``connection: close``."""
    world = World(tmp_path)
    world.configure(("tcp://127.0.0.1:0",), "[mainstay.http.limits]\nlame_duck = 60.0")
    with world, connect(world.address, PATIENCE) as sock:
        request = b"GET / HTTP/1.1\r\nhost: world\r\n\r\n"
        sock.sendall(request)
        assert b"connection: close" not in sock.recv(65536)
        world.send(1)
        world.wait_said("restarted in")
        reply = b""
        while b"connection: close" not in reply:
            sock.sendall(request)
            reply = sock.recv(65536)
        assert reply.endswith(str(world.pid).encode())
        assert sock.recv(65536) == b""
        world.gone(world.pid)


def test_http2_says_goodbye_in_two_steps(tmp_path: Path) -> None:
    """GOAWAY with the highest number first, so that a stream that is opened before it arrives is
    answered; then one with the last stream (RFC 9113 §6.8)."""
    with World(tmp_path) as world, connect(world.address, PATIENCE) as sock:
        heads = Encoder().encode(
            [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "x")]
        )
        asked = HeadersFrame(1, heads, flags=["END_HEADERS", "END_STREAM"])
        sock.sendall(PREFACE + SettingsFrame().serialize() + asked.serialize())
        assert wait_frame(sock, DataFrame).data == str(world.pid).encode()
        world.send(1)
        steps = [wait_frame(sock, GoAwayFrame) for _ in range(2)]
        assert [each.last_stream_id for each in steps] == [2**31 - 1, 1]
        assert [each.error_code for each in steps] == [0, 0]


def wait_frame(sock: socket.socket, kind: type[F]) -> F:
    """The next frame of this kind; pings are answered."""
    while True:
        frame, length = Frame.parse_frame_header(memoryview(read(sock, 9)))
        frame.parse_body(memoryview(read(sock, length)))
        if isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            sock.sendall(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
        if isinstance(frame, kind):
            return frame


def read(sock: socket.socket, size: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        assert part, "the connection has ended"
        data += part
    return data


def test_a_stream_of_grpc_ends_well(tmp_path: Path) -> None:
    """A stock client: its stream hears of the drain and ends with OK; the next call on the same
    channel is the new generation's, and none fails."""
    world = World(tmp_path)
    world.set("rpc")
    with world:
        target = world.address.removeprefix("tcp://")
        # Without retries of its own: what is lost would show.
        with grpc.insecure_channel(target, [("grpc.enable_retries", 0)]) as channel:
            ticks: Any = channel.unary_stream("/world.v1.World/Ticks")
            stream = ticks(b"", timeout=PATIENCE)
            assert next(stream) == b"\n\x04here"
            pid = world.restart()
            assert list(stream) == [b"\n\x08draining"]
            assert stream.code() is grpc.StatusCode.OK
            again = ticks(b"", timeout=PATIENCE)
            assert next(again) == b"\n\x04here"
            again.cancel()
        until(lambda: ask(world.address) == pid)
