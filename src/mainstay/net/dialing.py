"""From an origin to an open connection: socket or proxy, tunnel, TLS, and the version of HTTP.

Which version is spoken is TLS's word (ALPN), or the caller's where there is no TLS. Everything has
to be done within `ClientLimits.connect_timeout`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeAlias, TypeVar, cast

from mainstay.errors import BrokenError
from mainstay.net.client_http1 import CLOSE_TIMEOUT, Http1Connection
from mainstay.net.eyeballs import connect
from mainstay.net.origin import Origin, Proxy
from mainstay.net.outgoing import ConnectionOwner, Shared
from mainstay.net.tls_client import ClientTls, ClientTlsSettings
from mainstay.wire.http1_client import ReplyError, ReplyHead, ReplyReader, request_head

__all__ = ["Dialer", "Tls"]

Tls: TypeAlias = "ClientTls | ClientTlsSettings | ssl.SSLContext | None"


class _Connection(Protocol):
    """What both versions of HTTP are for the loop."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self, error: Exception | None) -> None: ...


_SUCCESS: Final = range(200, 300)

C = TypeVar("C", bound=_Connection)


class Dialer(Generic[C]):
    """Opens the connections of one client.

    Args:
        shared: of the client.
        tls: whom to trust and who we are; the system's authorities unless given. Settings are
            loaded, in a thread, when the first connection needs them.
        versions: of HTTP, by preference: ``2`` and ``1.1``. Without TLS it is 1.1, unless ``2`` is
            the only one.
        new_http2: makes a connection of HTTP/2.
    """

    def __init__(
        self,
        shared: Shared,
        tls: Tls,
        versions: Sequence[str],
        new_http2: Callable[[Shared, str, ConnectionOwner], C],
    ) -> None:
        self._shared = shared
        self._tls: ClientTls | ssl.SSLContext | None = None
        self._settings: ClientTlsSettings | None = None
        if isinstance(tls, ClientTlsSettings):
            self._settings = tls
        else:
            self._tls = tls
        self._loaded = False
        self._proxy_tls: ClientTls | None = None
        self._versions = tuple(versions)
        self._new_http2 = new_http2

    async def dial(self, origin: Origin, owner: ConnectionOwner) -> C | Http1Connection:
        """Open a connection to `origin`.

        Raises: BrokenError when it cannot be had, in time.
        """
        limit = self._shared.limits.connect_timeout
        try:
            async with asyncio.timeout(limit):
                return await self._dial(origin, owner)
        except TimeoutError:
            raise BrokenError(f"cannot connect to {origin} within {limit:g} s") from None
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message or str(error)
            message = f"{origin} is not trusted: {why}"
            raise BrokenError(message, retryable=False) from error
        except OSError as error:
            why = error.strerror or str(error) or type(error).__name__
            raise BrokenError(f"cannot connect to {origin}: {why}") from error

    def may_share(self, origin: Origin) -> bool:
        """Whether a connection to `origin` may turn out to be HTTP/2."""
        if origin.forwarded:
            return False
        return "2" in self._versions and (origin.scheme == "https" or len(self._versions) == 1)

    async def _dial(self, origin: Origin, owner: ConnectionOwner) -> C | Http1Connection:
        proxy = None if origin.unix else origin.proxy
        # Before there is a socket to be lost: files may be missing.
        context = await self._context() if origin.scheme == "https" else None
        name = self._server_name(origin.host) if context is not None else None
        if proxy is not None:
            between = await self._proxy_context() if proxy.tls else None
            opened = await connect(proxy.host, proxy.port)
            if context is not None:
                return await self._tunnel(origin, proxy, opened, between, owner)
            context, name = between, proxy.host if proxy.tls else None
        elif origin.unix:
            opened = await _connect_unix(origin)
        else:
            opened = await connect(origin.host, origin.port)
        chooser = _Chooser[C | Http1Connection](lambda version: self._new(version, origin, owner))
        await self._adopt(opened, chooser, context, name)
        return chooser.chosen()

    async def _adopt(
        self,
        opened: socket.socket,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext | None,
        name: str | None,
    ) -> asyncio.Transport:
        """Give the socket a transport, with TLS if there is a context."""
        try:
            transport, _ = await self._shared.loop.create_connection(
                lambda: protocol,
                sock=opened,
                ssl=context,
                server_hostname=name,
                ssl_shutdown_timeout=None if context is None else CLOSE_TIMEOUT,
            )
        except BaseException:
            opened.close()
            raise
        return transport

    async def _tunnel(
        self,
        origin: Origin,
        proxy: Proxy,
        opened: socket.socket,
        between: ssl.SSLContext | None,
        owner: ConnectionOwner,
    ) -> C | Http1Connection:
        """CONNECT through the proxy, then TLS with the server (RFC 9110 §9.3.6)."""
        limits = self._shared.limits
        asking = _Asking(ReplyReader(head_size=limits.head_size, header_count=limits.header_count))
        name = None if between is None else proxy.host
        transport = await self._adopt(opened, asking, between, name)
        try:
            status = await asking.connect(transport, origin.with_port, proxy.authorization)
            if status not in _SUCCESS:
                message = f"{proxy} answered {status} when asked for {origin.with_port}"
                raise BrokenError(message, retryable=False)
            chooser = _Chooser[C | Http1Connection](
                lambda version: self._new(version, origin, owner)
            )
            made = await self._shared.loop.start_tls(
                transport,
                chooser,
                await self._context(),
                server_hostname=self._server_name(origin.host),
                ssl_shutdown_timeout=CLOSE_TIMEOUT,
            )
            if made is None:
                raise ConnectionResetError("the proxy closed the connection")
            chooser.connection_made(made)
            return chooser.chosen()
        except BaseException:
            transport.abort()
            raise

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            alpn = ["h2" if version == "2" else "http/1.1" for version in self._versions]
            self._tls = await self._load(alpn)
        return self._tls.context if isinstance(self._tls, ClientTls) else self._tls

    async def _proxy_context(self) -> ssl.SSLContext:
        """For TLS with a proxy, which is asked by HTTP/1.1 whatever the server speaks."""
        if self._tls is not None and not self._loaded:
            return await self._context()  # made by the caller
        if self._proxy_tls is None:
            self._proxy_tls = await self._load(["http/1.1"])
        return self._proxy_tls.context

    async def _load(self, alpn: Sequence[str]) -> ClientTls:
        # In a thread: it reads all the authorities there are.
        self._loaded = True
        load = self._shared.loop.run_in_executor
        return await load(None, lambda: ClientTls(self._settings, alpn=alpn))

    def _server_name(self, host: str) -> str:
        return self._tls.server_hostname(host) if isinstance(self._tls, ClientTls) else host

    def _new(self, alpn: str | None, origin: Origin, owner: ConnectionOwner) -> C | Http1Connection:
        prior = alpn is None and self._versions == ("2",)
        if (alpn == "h2" or prior) and not origin.forwarded:
            return self._new_http2(self._shared, str(origin), owner)
        return Http1Connection(self._shared, str(origin), owner)


D = TypeVar("D", bound=_Connection)


class _Chooser(asyncio.Protocol, Generic[D]):
    """Holds the place of a protocol until it is known which, and what came before."""

    def __init__(self, make: Callable[[str | None], D]) -> None:
        self._make = make
        self._made: D | None = None
        self._early: list[bytes] = []
        self._eof = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS, if any, is agreed."""
        transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        tls = transport.get_extra_info("ssl_object")
        self._made = made = self._make(None if tls is None else tls.selected_alpn_protocol() or "")
        transport.set_protocol(cast(asyncio.Protocol, made))
        made.connection_made(transport)
        for data in self._early:
            made.data_received(data)
        if self._eof:
            made.eof_received()

    def data_received(self, data: bytes) -> None:
        """The server was faster than we."""
        if self._made is None:
            self._early.append(data)
        else:
            self._made.data_received(data)

    def eof_received(self) -> None:
        """The server has left."""
        self._eof = True
        if self._made is not None:
            self._made.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self._made is not None:
            self._made.connection_lost(error)

    def chosen(self) -> D:
        """The connection. Raises: ConnectionResetError when it was lost at once."""
        if self._made is None:
            raise ConnectionResetError("the connection was closed at once")
        return self._made


class _Asking(asyncio.Protocol):
    """Asks a proxy for a tunnel."""

    def __init__(self, reader: ReplyReader) -> None:
        self._reader = reader
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def connect(
        self, transport: asyncio.Transport, authority: str, authorization: str | None
    ) -> int:
        """The status that the proxy answers. Raises: BrokenError."""
        fields = [(b"host", authority.encode())]
        if authorization is not None:
            fields.append((b"proxy-authorization", authorization.encode()))
        self._reader.expect("CONNECT")
        transport.write(request_head("CONNECT", authority, fields))
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """A part of the answer."""
        try:
            events = self._reader.receive(data)
        except ReplyError as error:
            self._fail(f"the proxy: {error}")
            return
        for event in events:
            if isinstance(event, ReplyHead) and not self._answer.done():
                self._answer.set_result(event.status)

    def connection_lost(self, error: Exception | None) -> None:
        """The proxy has left."""
        self._fail("the proxy closed the connection")

    def _fail(self, message: str) -> None:
        if not self._answer.done():
            self._answer.set_exception(BrokenError(message))
            self._answer.exception()  # seen: nobody waits if the caller has left


async def _connect_unix(origin: Origin) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, origin.unix)
    except BaseException:
        made.close()
        raise
    return made
