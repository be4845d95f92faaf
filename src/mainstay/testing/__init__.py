"""What services, and mainstay itself, are tested with.

`run` runs a coroutine on a `VirtualLoop`, where time is virtual and a deadlock is an error, in a
root scope with `virtual_effects`. `http_client` runs a whole service and yields a client for it,
without a socket in between; `http_server` does so with one, and `rpc_channel` yields a channel for
RPC. `ServiceClient` and `TestSocket` are what they yield, for annotations.
`mainstay.testing.contracts` holds the suites that adapters of the plug points have to pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstay.testing.clock import VirtualClock, VirtualLoop
from mainstay.testing.effects import virtual_effects
from mainstay.testing.process import FakeProcess, ProcessExited
from mainstay.testing.running import run

if TYPE_CHECKING:
    from mainstay.testing.http import ServiceClient, http_client, http_server
    from mainstay.testing.rpc import rpc_channel
    from mainstay.testing.websocket import TestSocket

__all__ = [
    "FakeProcess",
    "ProcessExited",
    "ServiceClient",
    "TestSocket",
    "VirtualClock",
    "VirtualLoop",
    "http_client",
    "http_server",
    "rpc_channel",
    "run",
    "virtual_effects",
]


def __getattr__(name: str) -> Any:
    # Who tests without HTTP does not load it, nor who tests without RPC.
    if name == "rpc_channel":
        from mainstay.testing import rpc  # noqa: PLC0415

        return rpc.rpc_channel
    if name == "TestSocket":
        from mainstay.testing import websocket  # noqa: PLC0415

        return websocket.TestSocket
    if name in ("ServiceClient", "http_client", "http_server"):
        from mainstay.testing import http  # noqa: PLC0415

        return getattr(http, name)
    message = f"module 'mainstay.testing' has no attribute {name!r}"
    raise AttributeError(message)
