"""Sockets that are taken over from a parent, and found for a successor."""

import os
import socket
from pathlib import Path

import pytest

from mainstay.core.scope import Scope
from mainstay.net.binding import inode_of
from mainstay.net.listener import Listener
from mainstay.net.registry import LISTENERS, Granted, ListenerRegistry, ListenRequest

pytestmark = pytest.mark.real_loop


async def test_without_a_parent_a_listener_binds_and_can_be_found() -> None:
    """By the address that was configured, whatever port it became; until it is closed."""
    registry = ListenerRegistry()
    with Scope("service", parent=None) as scope:
        scope.set(LISTENERS, registry)
        listener = Listener("tcp://127.0.0.1:0")
        await listener.bind()
        assert registry.find("tcp://127.0.0.1:0") is listener
        assert registry.find(str(listener.address)) is None
        [(request, found)] = registry
        assert (request.address, found) == ("tcp://127.0.0.1:0", listener)
        await listener.aclose()
    assert registry.find("tcp://127.0.0.1:0") is None


async def test_a_socket_that_a_parent_holds_is_taken_over() -> None:
    """It is not bound again, and not listened on again: it is one object of the kernel."""
    held = socket.create_server(("127.0.0.1", 0))
    held.setblocking(False)
    asked: list[ListenRequest] = []

    async def upstream(request: ListenRequest) -> Granted | None:
        asked.append(request)
        if request.address != "tcp://127.0.0.1:0":
            return None
        return Granted(held.dup(), None, owned=False)

    with Scope("service", parent=None) as scope:
        scope.set(LISTENERS, ListenerRegistry(upstream))
        taken, own = Listener("tcp://127.0.0.1:0"), Listener("tcp://localhost:0")
        await taken.bind()
        await own.bind()
        assert taken.address.port == held.getsockname()[1]
        assert own.address.port != taken.address.port
        assert [each.address for each in asked] == ["tcp://127.0.0.1:0", "tcp://localhost:0"]
        await taken.aclose()
        await own.aclose()
    with socket.create_connection(held.getsockname()):
        pass  # the parent's listens on
    held.close()


@pytest.mark.parametrize(("owned", "shared"), [(True, False), (True, True), (False, False)])
async def test_a_path_is_removed_by_its_last_owner(
    tmp_path: Path, owned: bool, shared: bool
) -> None:
    """The last generation removes it, a worker never does."""
    path = str(tmp_path / "socket")
    held = socket.socket(socket.AF_UNIX)
    held.bind(path)
    held.listen()

    async def upstream(request: ListenRequest) -> Granted:
        return Granted(held.dup(), inode_of(path), owned)

    registry = ListenerRegistry(upstream)
    with Scope("service", parent=None) as scope:
        scope.set(LISTENERS, registry)
        listener = Listener(f"unix:{path}")
        await listener.bind()
        assert (listener in registry.shared) is owned
        if not shared:
            registry.shared.clear()
        await listener.aclose()
    assert os.path.exists(path) is (shared or not owned)  # noqa: ASYNC240, PTH110
    held.close()
