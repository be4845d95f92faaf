"""Peers that are slow on purpose, over real sockets and in real time: they are cut."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.http1_client import PATIENCE, Client
from tests.conformance.program import serving
from tests.process.waiting import wait_until

BOUND = 0.3
"""Seconds, for everything."""

ESTABLISHED = "01"
"""Of a connection in /proc/net/tcp, see proc(5)."""

Address = tuple[str, int]


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with serving(
        header_timeout=BOUND, body_timeout=BOUND, write_timeout=BOUND, keep_alive=BOUND
    ) as address:
        yield address


def is_held(client: Client) -> bool:
    """Whether the server still has its end of the connection, as the kernel knows."""
    ports = [f"{end[1]:04X}" for end in (client.socket.getpeername(), client.socket.getsockname())]
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        if [local.rpartition(":")[2], remote.rpartition(":")[2]] == ports:
            return state == ESTABLISHED
    return False


def test_who_says_nothing_is_let_go(address: Address) -> None:
    """A connection without a byte is closed without a word."""
    began = time.monotonic()
    with Client(address) as client:
        sent = client.wait_closed()
    assert sent == b""
    assert time.monotonic() - began >= BOUND / 2


def test_a_head_that_does_not_end_is_answered_408(address: Address) -> None:
    """However often one more byte comes."""
    with Client(address) as client:
        client.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n")
        client.socket.settimeout(BOUND / 5)
        began = time.monotonic()
        while not client.ended and time.monotonic() < began + PATIENCE:
            client.send(b"A: b\r\n")
            try:
                client._read()
            except TimeoutError:
                continue
        assert client.ended
    assert client.received.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_does_not_come_is_answered_408(address: Address) -> None:
    """And the connection is closed."""
    with Client(address) as client:
        began = time.monotonic()
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
        sent = client.wait_closed()
    assert sent.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= BOUND / 2


def test_an_idle_connection_is_closed_after_a_while(address: Address) -> None:
    """Behind the reply, in silence."""
    with Client(address) as client:
        began = time.monotonic()
        client.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        (reply,) = client.replies([False])
        sent = client.wait_closed()
    assert reply.status == 200
    assert sent.count(b"HTTP/1.1") == 1
    assert time.monotonic() - began >= BOUND / 2


def test_who_does_not_read_the_reply_is_cut_off(address: Address) -> None:
    """It does not hold the handler and its buffers for ever."""
    with Client(address) as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.socket.recv(1) == b"H"
        # Nothing is read until the server has given up; then what is left is less than all of it.
        wait_until(lambda: not is_held(client))
        size = len(client.wait_closed())
    assert size < 655_360_000
