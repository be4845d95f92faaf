"""The bytes of a connection after its upgrade."""

from collections.abc import Callable

import pytest

from mainstay.errors import PeerGone
from mainstay.net.exchange import Exchange
from mainstay.net.http1_tunnel import Http1Tunnel


class Connection:
    """Notes what the tunnel wants of it."""

    def __init__(self) -> None:
        self.done: list[str | bytes] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    @property
    def writable(self) -> bool:
        return not self.done

    async def wait_writable(self) -> None:
        raise PeerGone("nobody there")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")

    def close(self) -> None:
        self.done.append("close")


def make(gone: Callable[[str], None] | None = None) -> tuple[Http1Tunnel, Connection]:
    connection = Connection()
    exchange = Exchange()
    exchange.gone = gone
    return Http1Tunnel(connection, 10, exchange), connection


def test_what_comes_before_somebody_listens_waits() -> None:
    """In order; above the bound the peer has to wait, until there is a listener."""
    tunnel, connection = make()
    tunnel.arrived(b"12345")
    assert connection.done == []
    tunnel.arrived(b"678901")
    assert connection.done == ["pause"]
    heard: list[bytes] = []
    tunnel.listen(heard.append)
    assert heard == [b"12345678901"]
    assert connection.done == ["pause", "resume"]
    tunnel.arrived(b"more")
    assert heard[1:] == [b"more"]


async def test_the_rest_is_the_connections() -> None:
    """Writing, waiting, pausing and closing."""
    tunnel, connection = make()
    tunnel.write(b"out")
    tunnel.pause()
    tunnel.resume()
    tunnel.close()
    assert connection.done == [b"out", "pause", "resume", "close"]
    with pytest.raises(PeerGone, match="nobody there"):
        await tunnel.wait_writable()


def test_its_end_is_told_twice() -> None:
    """As an empty part to who listens, and with the reason to the call, if one still asks."""
    told: list[str] = []
    heard: list[bytes] = []
    tunnel, _ = make(told.append)
    tunnel.listen(heard.append)
    tunnel.lose("the peer closed the connection")
    assert (heard, told) == ([b""], ["the peer closed the connection"])
    silent, _ = make()
    silent.lose("nobody cares")
