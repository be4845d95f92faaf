"""A whole service and a channel to it, in one process and without a socket.

`rpc_channel` is to RPC what `http_client` is to HTTP: every byte passes the real HTTP/2, envelopes,
middleware and binding, on connections that are kept in memory, so that time can be virtual::

    async with rpc_channel(service) as channel:
        reply = await greeter.client(channel).say_hello(HelloRequest("Ada"))
        assert reply == HelloReply("Hello, Ada!")
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mainstay.core.effects import Effects
from mainstay.errors import UsageError
from mainstay.net.client_streams import StreamConnection
from mainstay.rpc.client.channel import Channel
from mainstay.service.running import Running
from mainstay.service.service import Service
from mainstay.service.settings import Settings
from mainstay.testing.memory_server import MemoryDialer, serve_in_memory

__all__ = ["ServiceChannel", "rpc_channel"]


class ServiceChannel(Channel):
    """A `Channel` to a service in the same process.

    Args:
        running: see the attribute.
        target: the host that the service sees.
        options: see `Channel`.

    Attributes:
        running: the service: `Running.call` for its handlers, `Running.scope`, `Running.stop`.
    """

    def __init__(self, running: Running, target: str, **options: Any) -> None:
        super().__init__(target, **options)
        self.running = running


@asynccontextmanager
async def rpc_channel(
    service: Service,
    *,
    config: Any = None,
    settings: Settings | None = None,
    effects: Effects | None = None,
    overrides: Mapping[Any, Any] | None = None,
    target: str = "localhost:80",
    **options: Any,
) -> AsyncIterator[ServiceChannel]:
    """Run the service, with connections in memory in the place of its server.

    Args:
        service: with a method of RPC at least.
        config: see `Service.running`.
        settings: see there.
        effects: see there.
        overrides: see there.
        target: the host that the service sees; the channel reaches no other than the service.
        **options: of the channel, such as ``metadata``; see `Channel`.

    Raises: as `Service.running`; UsageError for a service without RPC.
    """
    if not service.declaration.rpc:
        raise UsageError(f"{service!r} has no method of RPC that a channel could call")
    served = serve_in_memory(
        service, config=config, settings=settings, effects=effects, overrides=overrides
    )
    async with served as (running, server):
        options["dialer"] = lambda shared: MemoryDialer(shared, server, StreamConnection)
        async with ServiceChannel(running, target, **options) as channel:
            yield channel
