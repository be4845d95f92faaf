"""A new connection: which protocol the peer speaks, from TLS or from its first bytes.

HTTP/2 with prior knowledge begins with a preface that no other request can begin with (RFC 9113
§3.4). Over TLS the peer has said it by ALPN.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from mainstay.core.metadata import Peer
from mainstay.core.wheel import Timer
from mainstay.net.http1 import Http1Connection
from mainstay.net.port import Port
from mainstay.net.tls_identity import identity_of
from mainstay.wire.http1 import HeadParser

__all__ = ["Sniffer", "Speaker"]

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Speaker(Protocol):
    """A connection that takes over from the sniffer."""

    def begin(self) -> None:
        """Join the port."""

    def data_received(self, data: bytes) -> None:
        """What the sniffer has read."""


class Sniffer(asyncio.Protocol):
    """Reads the first bytes and hands the transport on.

    Args:
        port: of the server.
        parser: for HTTP/1.1 connections.
        released: called once, when the connection is gone.
    """

    __slots__ = (
        "_parser",
        "_peer",
        "_port",
        "_released",
        "_scheme",
        "_seen",
        "_timer",
        "_transport",
    )

    def __init__(self, port: Port, parser: HeadParser, released: Callable[[], None]) -> None:
        self._port = port
        self._parser = parser
        self._released = released
        self._seen = b""
        self._timer: Timer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        tls = transport.get_extra_info("ssl_object")
        self._scheme = "http" if tls is None else "https"
        self._peer = Peer(
            _address_of(self._transport), None if tls is None else identity_of(transport)
        )
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self._become(2)
            return
        port = self._port
        port.connections.add(self)
        due = port.monotonic() + port.limits.header_timeout
        self._timer = port.wheel.at(due, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._seen:
            data = self._seen + data
        if data[:3] != b"PRI":
            if len(data) < 3 and _PREFACE.startswith(data):  # noqa: PLR2004 - of "PRI"
                self._seen = data
            else:
                self._become(1, data)
        elif data.startswith(_PREFACE):
            self._become(2, data)
        elif _PREFACE.startswith(data):
            self._seen = data
        else:
            self._become(1, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop()
        self._released()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._port.closed(self)

    def _become(self, version: int, data: bytes = b"") -> None:
        port, transport = self._port, self._transport
        connection: Any
        if version == 1:
            connection = Http1Connection(
                port, self._parser, transport, self._peer, self._scheme, self._released
            )
        else:
            from mainstay.net.http2 import Http2Connection  # noqa: PLC0415 - only who needs it

            connection = Http2Connection(port, transport, self._peer, self._scheme, self._released)
        transport.set_protocol(connection)
        connection.begin()
        self._stop()
        if data:
            connection.data_received(data)

    # --- as a connection of the port ------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """See `Connection`."""
        return False

    def drain(self) -> None:
        """See `Connection`; who has just connected may be about to ask."""
        if self._timer is not None:
            self._timer.cancel()
        due = self._port.monotonic() + self._port.limits.lame_duck
        self._timer = self._port.wheel.at(due, self._transport.close)

    def abort(self) -> None:
        """See `Connection`."""
        self._transport.abort()


def _address_of(transport: asyncio.Transport) -> str:
    """Where the peer calls from: ``10.0.0.7:51234``, ``[::1]:51234``, ``unix``."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return "unix"
    host, number = name[:2]
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
