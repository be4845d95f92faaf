"""Facts about `mainstay.net.listener`, on every loop it runs on."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

import pytest
import uvloop

from mainstay.errors import ClosedError, ResourceError, UsageError
from mainstay.net import listener as module
from mainstay.net.listener import ACCEPTS_PER_TURN, Listener
from mainstay.testing import VirtualLoop
from tests.net.serving import PATIENCE

Loops = Callable[[], asyncio.AbstractEventLoop]

on_every_loop = pytest.mark.parametrize(
    "loop_factory",
    [asyncio.SelectorEventLoop, uvloop.new_event_loop, VirtualLoop],
    ids=["asyncio", "uvloop", "virtual"],
)


class Echo(asyncio.Protocol):
    """Sends back what it gets, and tells the listener when it ends."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.listener.release()


@asynccontextmanager
async def listening(address: str = "tcp://127.0.0.1:0", **options: int) -> AsyncIterator[Listener]:
    """A bound listener; at the end it is closed and every connection has gone."""
    listener = Listener(address, **options)  # type: ignore[arg-type]
    await listener.bind()
    try:
        yield listener
    finally:
        await listener.aclose()
        await until(lambda: listener.statistics().connections == 0)


def begin(listener: Listener) -> None:
    listener.accept(lambda: Echo(listener))


def connected(listener: Listener) -> socket.socket:
    """A client that is in the queue when this returns: the kernel alone connects it."""
    return socket.create_connection(("127.0.0.1", listener.address.port), timeout=PATIENCE)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - statistics tell, and nobody else
            await asyncio.sleep(0.001)


async def echoed(client: socket.socket, data: bytes = b"ping") -> bool:
    """Whether the client is served; closes it."""
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    with client:
        await loop.sock_sendall(client, data)
        async with asyncio.timeout(PATIENCE):
            return await loop.sock_recv(client, 100) == data


@on_every_loop
async def test_clients_wait_from_bind_and_are_served_from_accept(loop_factory: Loops) -> None:
    """`bind` makes the queue, `accept` serves who is in it."""
    async with listening() as listener:
        client = connected(listener)
        await asyncio.sleep(0)
        assert listener.statistics().accepted == 0
        begin(listener)
        assert await echoed(client)


@on_every_loop
async def test_no_accepted_connection_is_lost_by_a_stop(loop_factory: Loops) -> None:
    """300 of 300 clients are served though the listener stops while they come (cpython#109564).

    The stop falls into every turn of the loop between the client's arrival and its service.
    """
    async with listening() as listener:
        served = 0
        for number in range(300):
            client = connected(listener)
            begin(listener)
            for _ in range(number % 4):
                await asyncio.sleep(0)
            await listener.stop()
            if listener.statistics().accepted == number:  # still queued: nobody's loss
                begin(listener)
            served += await echoed(client)
            await listener.stop()
        assert served == listener.statistics().accepted == 300


@on_every_loop
async def test_no_connection_is_lost_by_closing(loop_factory: Loops) -> None:
    """`aclose` right after a turn that accepted leaves the connections served."""
    for turns in range(4):
        async with listening() as listener:
            clients = [connected(listener) for _ in range(5)]
            begin(listener)
            for _ in range(turns):
                await asyncio.sleep(0)
            await listener.aclose()
            accepted = listener.statistics().accepted
            results = await asyncio.gather(*map(echoed, clients), return_exceptions=True)
            assert results.count(True) == accepted


@on_every_loop
async def test_what_stays_in_the_queue_is_served_after_a_rollback(loop_factory: Loops) -> None:
    """Between `stop` and the next `accept` clients wait, and none is refused."""
    async with listening() as listener:
        begin(listener)
        await listener.stop()
        clients = [connected(listener) for _ in range(10)]
        begin(listener)
        assert all(await asyncio.gather(*map(echoed, clients)))


@on_every_loop
async def test_another_holder_of_the_socket_serves_the_queue(loop_factory: Loops) -> None:
    """Clients queued when we close are served by whoever shares the socket."""
    async with listening() as listener:
        clients = [connected(listener) for _ in range(10)]
        async with listening(f"fd:{os.dup(listener.fileno())}") as other:
            await listener.aclose()
            begin(other)
            assert all(await asyncio.gather(*map(echoed, clients)))


@on_every_loop
async def test_one_turn_accepts_a_bounded_number(loop_factory: Loops) -> None:
    """A flood is taken in portions, so that other work comes in between."""
    async with listening() as listener:
        clients = [connected(listener) for _ in range(ACCEPTS_PER_TURN + 5)]
        begin(listener)
        seen = set()
        while listener.statistics().accepted < len(clients):
            seen.add(listener.statistics().accepted)
            await asyncio.sleep(0)
        assert ACCEPTS_PER_TURN in seen
        assert all(await asyncio.gather(*map(echoed, clients)))


@on_every_loop
async def test_the_limit_holds_newcomers_in_the_queue(loop_factory: Loops) -> None:
    """At the limit nothing is accepted; each release lets one in."""
    async with listening(limit=2) as listener:
        begin(listener)
        clients = [connected(listener) for _ in range(3)]
        await until(lambda: listener.statistics().paused)
        assert repr(listener) == (
            f"<Listener {listener.address} accepting paused connections=2/2 accepted=2>"
        )
        clients[0].close()
        await until(lambda: listener.statistics().accepted == 3)
        for client in clients[1:]:
            assert await echoed(client)


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """As many descriptors open as the process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, hard))
    hoard = []
    try:
        while True:
            try:
                hoard.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        for descriptor in hoard:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@on_every_loop
async def test_a_lack_of_descriptors_pauses_and_passes(
    loop_factory: Loops, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without descriptors clients wait, the log says so once, and they are served afterwards."""
    monkeypatch.setattr(module, "PAUSE", 0.01)
    caplog.set_level(logging.INFO, "mainstay.net.listener")
    async with listening() as listener:
        clients = [connected(listener) for _ in range(3)]
        with no_descriptors_left():
            begin(listener)
            await until(lambda: listener.statistics().paused)
            await asyncio.sleep(0.05)
            assert listener.statistics().accepted == 0
        assert all(await asyncio.gather(*map(echoed, clients)))
    ours = [record for record in caplog.records if record.name == "mainstay.net.listener"]
    told = [record.levelname for record in ours]
    assert told == ["ERROR", "INFO"]
    assert "ulimit -n" in caplog.text


@on_every_loop
async def test_a_pause_does_not_outlive_the_stop(
    loop_factory: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener stopped while it pauses does not begin again by itself."""
    monkeypatch.setattr(module, "PAUSE", 0.01)
    async with listening() as listener:
        client = connected(listener)
        with no_descriptors_left():
            begin(listener)
            await until(lambda: listener.statistics().paused)
            await listener.stop()
        await asyncio.sleep(0.05)
        assert listener.statistics().accepted == 0
        client.close()


@on_every_loop
async def test_a_broken_factory_costs_one_connection(
    loop_factory: Loops, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection is closed and logged with its traceback; the next one is served."""
    async with listening() as listener:
        faults = [ZeroDivisionError("broken")]

        def factory() -> Echo:
            if faults:
                raise faults.pop()
            return Echo(listener)

        listener.accept(factory)
        first = connected(listener)
        first.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(first, 1) == b""
        first.close()
        assert await echoed(connected(listener))
        assert listener.statistics().failed == 1
    assert "ZeroDivisionError: broken" in caplog.text


@on_every_loop
async def test_a_stop_with_reuse_port_takes_the_queue(loop_factory: Loops) -> None:
    """The queue of such a socket is lost with it, so those in it are accepted first."""
    async with listening(reuse_port=True) as listener:
        begin(listener)
        clients = [connected(listener) for _ in range(ACCEPTS_PER_TURN * 2)]
        await listener.stop()
        await listener.aclose()
        assert all(await asyncio.gather(*map(echoed, clients)))


async def test_the_port_becomes_known_by_bind() -> None:
    """Port 0 is replaced by the real one, and the repr shows the state."""
    listener = Listener("tcp://127.0.0.1:0")
    assert repr(listener) == "<Listener tcp://127.0.0.1:0 new connections=0 accepted=0>"
    address = await listener.bind()
    assert address.port != 0
    assert listener.address == address
    assert repr(listener) == f"<Listener {address} bound connections=0 accepted=0>"
    await listener.aclose()
    assert repr(listener) == f"<Listener {address} closed connections=0 accepted=0>"


async def test_every_step_out_of_order_is_refused() -> None:
    """Binding twice, accepting twice or unbound, and handing over nothing are usage errors."""
    listener = Listener("tcp://127.0.0.1:0")
    with pytest.raises(ClosedError, match="holds no socket"):
        begin(listener)
    with pytest.raises(ClosedError):
        listener.fileno()
    await listener.bind()
    with pytest.raises(UsageError, match="was bound before"):
        await listener.bind()
    begin(listener)
    with pytest.raises(UsageError, match="accepts already"):
        begin(listener)
    await listener.aclose()
    await listener.aclose()
    with pytest.raises(ClosedError):
        begin(listener)


async def test_a_failed_bind_can_be_tried_again() -> None:
    """When the address becomes free, the same listener takes it."""
    async with listening() as first:
        second = Listener(first.address)
        with pytest.raises(ResourceError):
            await second.bind()
    await second.bind()
    await second.aclose()


async def test_closing_removes_our_unix_path(tmp_path: Path) -> None:
    """The path goes with the listener."""
    path = tmp_path / "x.sock"
    async with listening(f"unix:{path}") as listener:
        begin(listener)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            await until(lambda: listener.statistics().accepted == 1)
    assert not path.exists()


async def test_closing_leaves_a_path_that_is_somebody_else_s(tmp_path: Path) -> None:
    """When another process has bound the path since, or holds our socket, it stays."""
    path = tmp_path / "x.sock"
    async with listening(f"unix:{path}") as listener:
        path.rename(tmp_path / "old.sock")
        async with listening(f"unix:{path}") as newer:
            await listener.aclose()
            assert path.exists()
            await newer.aclose(unlink=False)
            assert path.exists()
