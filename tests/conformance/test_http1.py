"""HTTP/1.1 over real sockets: a corpus of malformed requests, and of unusual ones that are right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.http1_bad import BAD, SMUGGLED, Bad
from tests.conformance.http1_client import Client, parse_replies
from tests.conformance.http1_good import GOOD, Good
from tests.conformance.program import serving

Address = tuple[str, int]


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with serving() as address:
        yield address


def split(data: bytes) -> list[bytes]:
    """In two: in the middle of the last line, which is where parsers go wrong."""
    return [data[: len(data) - 3], data[len(data) - 3 :]]


@pytest.mark.parametrize("parts", ["whole", "split"])
@pytest.mark.parametrize("row", BAD, ids=lambda row: row.name)
def test_what_can_be_misread_is_refused_once_and_the_connection_closed(
    address: Address, row: Bad, parts: str
) -> None:
    """The status says what is wrong, and what follows is never taken for a request."""
    with Client(address) as client:
        data = row.data + (SMUGGLED if row.followed else b"")
        client.send(*([data] if parts == "whole" else [*split(row.data), data[len(row.data) :]]))
        sent = client.wait_closed()
    replies, rest = parse_replies(sent, [False] * 99, ended=True)
    assert [reply.status for reply in replies[:-1]] == list(row.before), sent
    assert replies, "closed without an answer"
    assert replies[-1].status in row.statuses, sent
    assert replies[-1].fields[b"connection"] == b"close"
    assert not rest
    assert b"smuggled" not in sent


def read_like(client: Client, row: Good) -> None:
    heads = list(row.heads) or [False] * len(row.replies)
    replies = client.replies(heads)
    assert [reply.status for reply in replies] == [status for status, _ in row.replies], (
        client.received
    )
    for reply, (_, body) in zip(replies, row.replies, strict=True):
        if body != b"*":
            assert reply.body == body
    if row.closes:
        sent = client.wait_closed()
        assert b"smuggled" not in sent
        assert replies[-1].fields[b"connection"] == b"close"
    else:
        assert b"close" not in replies[-1].fields.get(b"connection", b"")
        assert client.is_open(), "closed, or said more than it was asked"


@pytest.mark.parametrize("row", GOOD, ids=lambda row: row.name)
def test_what_is_right_is_answered(address: Address, row: Good) -> None:
    """Each request gets its reply, in order, and the connection goes on unless it should not."""
    with Client(address) as client:
        client.send(row.data)
        read_like(client, row)


SLOW = [
    row
    for row in GOOD
    # A packet for each byte would take long; and these close while the bytes are on their way.
    if len(row.data) < 3000 and row.name not in ("close-ends-it", "unread-body-then-get")
]


@pytest.mark.parametrize("row", SLOW, ids=lambda row: row.name)
def test_it_does_not_matter_how_the_bytes_come(address: Address, row: Good) -> None:
    """One byte in each packet gets the same replies."""
    with Client(address) as client:
        client.send(*(row.data[at : at + 1] for at in range(len(row.data))))
        read_like(client, row)


def test_the_body_waits_for_the_100_that_was_asked_for(address: Address) -> None:
    """`Expect: 100-continue` is answered when the handler reads, and then the body is taken."""
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with Client(address) as client:
        client.send(head)
        assert [reply.status for reply in client.replies([False], interim=True)] == [100]
        client.send(b"hello")
        last = client.replies([False, False], interim=True)[-1]
        assert (last.status, last.body) == (200, b"POST /echo 5 hello")
        assert client.is_open()


def test_no_100_comes_when_the_body_is_there_already(address: Address) -> None:
    """Nobody waits for it (RFC 9110 §10.1.1)."""
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with Client(address) as client:
        client.send(head + b"hello")
        assert [reply.status for reply in client.replies([False], interim=True)] == [200]


def test_a_final_status_instead_of_100_ends_the_connection(address: Address) -> None:
    """The peer may or may not send the body now, so nothing can follow it."""
    head = b"POST /missing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with Client(address) as client:
        client.send(head)
        client.wait_closed()
        (reply,) = client.replies([False], interim=True)
    assert reply.status == 404
    assert reply.fields[b"connection"] == b"close"


def test_head_has_the_length_and_no_body(address: Address) -> None:
    """It answers what GET would, without the bytes (RFC 9110 §9.3.2)."""
    with Client(address) as client:
        client.send(b"HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        (reply,) = client.replies([True])
        assert reply.fields[b"content-length"] == b"%d" % len("HEAD /echo 0 ")
        assert client.is_open()


def test_a_peer_that_ends_its_side_is_answered_or_let_go(address: Address) -> None:
    """A whole request before the end gets its reply; half of one gets none, and no crash."""
    with Client(address) as client:
        client.send(b"GET /echo HTTP/1.1\r\nHo")
        client.socket.shutdown(1)
        assert client.wait_closed() == b""
    with Client(address) as client:
        client.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        (reply,) = client.replies([False])
        client.socket.shutdown(1)
        assert reply.status == 200
        assert client.wait_closed() == client.received
