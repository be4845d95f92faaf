"""Where the service under test is, and how to connect to it."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

__all__ = ["CONNECT_TIMEOUT", "Endpoint", "Streams"]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CONNECT_TIMEOUT = 10.0
"""Seconds; a connection that takes longer hangs."""


@dataclass(frozen=True)
class Endpoint:
    """An address of the service.

    Attributes:
        port: of the loopback address; 0 for a Unix socket.
        path: of the Unix socket.
        authority: file of the certificate authority, when TLS is spoken.
    """

    port: int = 0
    path: str = ""
    authority: str = ""

    @classmethod
    def from_text(cls, text: str, authority: str = "") -> Endpoint:
        """From ``PORT`` or ``unix:PATH``."""
        if text.startswith("unix:"):
            return cls(path=text.removeprefix("unix:"), authority=authority)
        return cls(port=int(text), authority=authority)

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else str(self.port)

    @property
    def listen(self) -> str:
        """As the configuration of the service has it."""
        return f"unix:{self.path}" if self.path else f"tcp://127.0.0.1:{self.port}"

    def tls(self, *protocols: str) -> ssl.SSLContext | None:
        """For a client that speaks those; None for plain text."""
        if not self.authority:
            return None
        context = ssl.create_default_context(cafile=self.authority)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    async def connect(self, context: ssl.SSLContext | None = None) -> Streams:
        """A new connection. Raises: OSError, TimeoutError."""
        name = "localhost" if context is not None else None
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if self.path:
                return await asyncio.open_unix_connection(
                    self.path, ssl=context, server_hostname=name
                )
            return await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=context, server_hostname=name
            )
