"""A service as an ASGI application, for other servers::

    uvicorn hello:service.asgi

The other server has the sockets, the signals and the log; the service starts and stops with the
lifespan, which has to be on.
"""

from __future__ import annotations

import asyncio
from typing import Any

from mainstay.core.effects import Effects
from mainstay.core.seen import see
from mainstay.errors import UsageError
from mainstay.http.asgi.server import AsgiServer
from mainstay.http.asgi.types import AsgiScope, Receive, Send
from mainstay.net.limits import Limits
from mainstay.net.port import PortApplication
from mainstay.service.declaration import Declaration
from mainstay.service.loading import FRAMEWORK, OWN, configuration
from mainstay.service.running import Running

__all__ = ["ServiceAsgi"]


class ServiceAsgi:
    """The ASGI application of a service. It can be started again after it has stopped.

    Args:
        declaration: what the service is made of.
    """

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self._server: AsgiServer | None = None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """See ASGI 3.

        Raises: UsageError for a request without a lifespan before it.
        """
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] in ("http", "websocket"):
            if self._server is None:
                message = (
                    f"{self._declaration.name} has not started: a service starts with the ASGI "
                    "lifespan; switch it on in the server, or pass it on from the application "
                    "that this one is mounted in"
                )
                raise UsageError(message)
            await self._server.serve(scope, receive, send)
        else:
            raise UsageError(f"a service does not speak {scope['type']!r} by ASGI")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            running = self._make()
            await running.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        told = asyncio.ensure_future(receive())
        told.add_done_callback(see)  # however it comes, it is the word to stop
        asked = asyncio.ensure_future(running.wait_stop_asked())
        # A component that fails stops the service. The other server cannot be told before it asks:
        # until then requests get 503.
        await asyncio.wait([told, asked], return_when=asyncio.FIRST_COMPLETED)
        report = await running.finish()
        await asyncio.wait([told, asked])
        self._server = None
        if report.failure is not None:
            message = str(report.failure)
            await send({"type": "lifespan.shutdown.failed", "message": message})
            raise report.failure
        await send({"type": "lifespan.shutdown.complete"})

    def _make(self) -> Running:
        declaration = self._declaration
        loaded = configuration(declaration, files=None, flags=(), environ=Effects().environ)
        config: Any = None if declaration.config is None else loaded.get(OWN)
        return Running(
            declaration,
            settings=loaded.get(FRAMEWORK),
            config=config,
            front=self._front,
        )

    def _front(self, application: PortApplication, limits: Limits) -> AsgiServer:
        self._server = AsgiServer(application, limits)
        return self._server
