"""A whole service and a client for it, in one process and without a socket.

`http_client` is what most tests of a service need: every byte passes the real parsers, router,
middleware and binding, on connections that are kept in memory, so that time can be virtual::

    async with http_client(service) as client:
        reply = await client.get("/users/7")
        assert reply.json() == {"name": "Ada"}

`http_server` runs the service on a real socket, for whoever needs one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from mainstay.core.effects import Effects
from mainstay.errors import BrokenError, UsageError
from mainstay.http.client import HttpClient
from mainstay.http.client.urls import Params, parse_url
from mainstay.http.client.verbs import RequestOptions
from mainstay.http.headers import HeaderSource
from mainstay.net.client_http1 import Http1Connection
from mainstay.net.client_http2 import Http2Connection
from mainstay.net.origin import Origin
from mainstay.net.outgoing import ConnectionOwner, Shared
from mainstay.service.running import Running
from mainstay.service.service import Service
from mainstay.service.settings import Settings
from mainstay.testing.memory_server import MemoryDialer, MemoryServer, serve_in_memory
from mainstay.testing.websocket import TestSocket, ask_for_socket

__all__ = ["ServiceClient", "http_client", "http_server"]


class _Dialer(MemoryDialer[Http1Connection | Http2Connection]):
    """Opens the connections of one client, to the service that it is for and to no other."""

    def __init__(self, shared: Shared, server: MemoryServer, base_url: str, http2: bool) -> None:
        super().__init__(shared, server, Http2Connection if http2 else Http1Connection)
        base = parse_url(base_url)
        self._origin = Origin(base.scheme, base.host, base.port)
        self._http2 = http2

    async def dial(
        self, origin: Origin, owner: ConnectionOwner
    ) -> Http1Connection | Http2Connection:
        """See `ClientDialer`."""
        if origin != self._origin:
            message = f"the client of a test reaches {self._origin} only, not {origin}"
            raise BrokenError(message, retryable=False)
        return await super().dial(origin, owner)

    def may_share(self, origin: Origin) -> bool:
        """See `ClientDialer`."""
        return self._http2


class ServiceClient(HttpClient):
    """An `HttpClient` of a service in the same process.

    Args:
        running: the service.
        server: it is reached by; None when it listens on a socket.
        options: see `HttpClient`.

    Attributes:
        running: the service: `Running.call` for its handlers, `Running.scope`, `Running.stop`.
    """

    def __init__(self, running: Running, server: MemoryServer | None, **options: Any) -> None:
        super().__init__(**options)
        self.running = running
        self._server = server

    @asynccontextmanager
    async def websocket(
        self,
        url: str,
        *,
        params: Params | None = None,
        subprotocols: Sequence[str] = (),
        headers: HeaderSource = (),
        compress: bool = False,
    ) -> AsyncIterator[TestSocket]:
        """Talk over a WebSocket, by HTTP/1.1: ``async with client.websocket("/chat") as socket:``.

        At the end of the block it says goodbye and waits for the answer.

        Args:
            url: path and query.
            params: added to the query.
            subprotocols: offered, by preference.
            headers: of the request.
            compress: whether to offer permessage-deflate.

        Raises: UpstreamError with the reply when the service does not accept it.
        """
        base = self._base
        assert base is not None
        options: RequestOptions = {"headers": headers, "params": params}
        request = self._request("GET", url, options, streamed=True)[0]
        socket = TestSocket(asyncio.get_running_loop())
        if self._server is not None:
            self._server.connect(socket)
        else:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: socket, base.host, base.port)
        try:
            await ask_for_socket(
                socket,
                request.url.authority,
                request.url.target,
                request.headers.fields(),
                subprotocols,
                compress=compress,
                random=self._effects.random,
            )
            yield socket
            await socket.close()
        finally:
            await socket.aclose()


@asynccontextmanager
async def http_client(
    service: Service,
    *,
    config: Any = None,
    settings: Settings | None = None,
    effects: Effects | None = None,
    overrides: Mapping[Any, Any] | None = None,
    base_url: str = "http://localhost",
    **options: Any,
) -> AsyncIterator[ServiceClient]:
    """Run the service, with connections in memory in the place of its HTTP server.

    Args:
        service: with a route at least.
        config: see `Service.running`.
        settings: see there.
        effects: see there.
        overrides: see there.
        base_url: whom the client asks: the host that the service sees. It reaches no other.
        **options: of the client; see `HttpClient`. HTTP/1.1 is spoken, unless
            ``versions=("2",)``.

    Raises: as `Service.running`; UsageError for a service that answers nothing by HTTP.
    """
    served = serve_in_memory(
        service, config=config, settings=settings, effects=effects, overrides=overrides
    )
    async with served as (running, server):
        http2 = tuple(options.setdefault("versions", ("1.1",))) == ("2",)
        options["dialer"] = lambda shared: _Dialer(shared, server, base_url, http2)
        async with ServiceClient(running, server, base_url=base_url, **options) as client:
            yield client


@asynccontextmanager
async def http_server(
    service: Service,
    *,
    config: Any = None,
    settings: Settings | None = None,
    effects: Effects | None = None,
    overrides: Mapping[Any, Any] | None = None,
    **options: Any,
) -> AsyncIterator[ServiceClient]:
    """Run the service with its HTTP server on a free port of this machine; yields a client whose
    `base_url` says where.

    Args:
        service: with a route at least.
        config: see `Service.running`.
        settings: see there; ``http.listen`` is replaced.
        effects: see there.
        overrides: see there.
        **options: of the client; see `HttpClient`.
    """
    settings = settings or Settings()
    settings = replace(settings, http=replace(settings.http, listen=("tcp://127.0.0.1:0",)))
    life = service.running(config=config, settings=settings, effects=effects, overrides=overrides)
    async with life as running:
        found = [each for each in running.addresses if each.startswith("tcp://")]
        if not found:
            raise UsageError(f"{service!r} has no route that a client could ask for")
        base_url = found[-1].replace("tcp", "http", 1)
        async with ServiceClient(running, None, base_url=base_url, **options) as client:
            yield client
