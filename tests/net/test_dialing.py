"""Connections to real servers, with TLS, over Unix sockets and through proxies."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mainstay.errors import BrokenError, ConfigError
from mainstay.net.client_http1 import Http1Connection
from mainstay.net.client_http2 import Http2Connection
from mainstay.net.client_limits import ClientLimits
from mainstay.net.dialing import Dialer, Tls
from mainstay.net.origin import Origin, Proxy, basic
from mainstay.net.outgoing import ClientConnection, Outgoing, Shared
from mainstay.net.tls_client import ClientTls, ClientTlsSettings
from tests.net.certificates import Authority
from tests.net.client_connections import Owner
from tests.net.closed_port import closed_port
from tests.net.raw_server import RawServer, Script, Talk, always, raw_server

pytestmark = pytest.mark.real_loop


def dialer(tls: Tls = None, versions: tuple[str, ...] = ("2", "1.1"), **limits: Any) -> Dialer[Any]:
    return Dialer(Shared(ClientLimits(**limits)), tls, versions, Http2Connection)


async def answer(connection: ClientConnection, origin: Origin) -> bytes:
    """What the server says, and then the connection is closed."""
    assert connection.reserve()
    outgoing = Outgoing("GET", origin.scheme, origin.authority, "/", [(b"host", b"h")])
    reply = await connection.exchange(outgoing)
    body = await reply.receive()
    await connection.aclose()
    return body


def server_tls(authority: Authority, *names: str, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    pair = authority.issue(*(names or ("127.0.0.1",)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def https(server: RawServer, **more: Any) -> Origin:
    return Origin("https", "127.0.0.1", server.port, **more)


async def test_without_tls() -> None:
    """HTTP/1.1, unless HTTP/2 is the only one wanted."""
    async with raw_server(always(b"hi")) as server:
        origin = Origin("http", "127.0.0.1", server.port)
        connection = await dialer().dial(origin, Owner())
        assert await answer(connection, origin) == b"hi"
        other = await dialer(versions=("2",)).dial(origin, Owner())
        assert isinstance(other, Http2Connection)
        await other.aclose()


@pytest.mark.parametrize(
    ("alpn", "kind"),
    [(("h2",), Http2Connection), (("http/1.1",), Http1Connection), ((), Http1Connection)],
)
async def test_tls_says_which_version(tmp_path: Path, alpn: tuple[str, ...], kind: type) -> None:
    """What the server agrees to, and 1.1 if it says nothing."""
    authority = Authority(tmp_path)
    settings = ClientTlsSettings(ca=authority.path)
    async with raw_server(always(b"hi"), tls=server_tls(authority, alpn=alpn)) as server:
        connection = await dialer(settings).dial(https(server), Owner())
        found: type = type(connection)
        assert found is kind
        await connection.aclose()


def test_which_origins_may_share_a_connection() -> None:
    """Those that may turn out to speak HTTP/2."""
    http, tls = Origin("http", "a", 80), Origin("https", "a", 443)
    for versions, shared in {("2", "1.1"): [tls], ("1.1",): [], ("2",): [http, tls]}.items():
        made = Dialer.__new__(Dialer)
        made._versions = versions
        assert [each for each in (http, tls) if made.may_share(each)] == shared


@pytest.mark.parametrize("kind", ["settings", "loaded", "context"])
async def test_ways_to_say_whom_to_trust(tmp_path: Path, kind: str) -> None:
    """Settings, what was loaded from them, or a context of one's own."""
    authority = Authority(tmp_path)
    settings = ClientTlsSettings(ca=authority.path)
    ways: dict[str, Callable[[], Tls]] = {
        "settings": lambda: settings,
        "loaded": lambda: ClientTls(settings),
        "context": lambda: ssl.create_default_context(cafile=authority.path),
    }
    async with raw_server(always(b"hi"), tls=server_tls(authority)) as server:
        connection = await dialer(ways[kind]()).dial(https(server), Owner())
        assert await answer(connection, https(server)) == b"hi"


async def test_a_name_other_than_the_hosts(tmp_path: Path) -> None:
    """`server_name` of the settings is what the certificate must be for."""
    authority = Authority(tmp_path)
    settings = ClientTlsSettings(ca=authority.path, server_name="api.example.org")
    async with raw_server(always(b"hi"), tls=server_tls(authority, "api.example.org")) as server:
        connection = await dialer(settings).dial(https(server), Owner())
        assert await answer(connection, https(server)) == b"hi"


async def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    """By default the system's are trusted, and no others; a retry would not help."""
    async with raw_server(always(), tls=server_tls(Authority(tmp_path))) as server:
        with pytest.raises(BrokenError, match="is not trusted") as caught:
            await dialer().dial(https(server), Owner())
        assert not caught.value.retryable


async def test_a_certificate_for_another_is_refused(tmp_path: Path) -> None:
    """The name is checked."""
    authority = Authority(tmp_path)
    settings = ClientTlsSettings(ca=authority.path)
    async with raw_server(always(), tls=server_tls(authority, "other.example.org")) as server:
        with pytest.raises(BrokenError, match=r"is not trusted.*127"):
            await dialer(settings).dial(https(server), Owner())


async def test_a_missing_file_is_a_mistake_of_configuration(tmp_path: Path) -> None:
    """And not of the server."""
    async with raw_server(always()) as server:
        settings = ClientTlsSettings(ca=str(tmp_path / "none.pem"))
        with pytest.raises(ConfigError, match=r"none\.pem"):
            await dialer(settings).dial(https(server), Owner())


async def test_a_refused_connection_names_the_server() -> None:
    """And the reason of the system."""
    with closed_port() as port:
        message = rf"cannot connect to http://127\.0\.0\.1:{port}: .*"
        with pytest.raises(BrokenError, match=message):
            await dialer().dial(Origin("http", "127.0.0.1", port), Owner())


async def test_a_silent_server_is_given_up() -> None:
    """The handshake counts; and nothing of it is left behind."""

    async def script(talk: Talk) -> None:
        await talk.wait_left()

    async with raw_server(script) as server:
        with pytest.raises(BrokenError, match=r"within 0\.1 s"):
            await dialer(connect_timeout=0.1).dial(https(server), Owner())


async def test_a_unix_socket(tmp_path: Path) -> None:
    """The host is a name only."""
    path = tmp_path / "s"
    async with raw_server(always(b"hi"), path=path):
        origin = Origin("http", "localhost", 80, unix=str(path))
        connection = await dialer().dial(origin, Owner())
        assert await answer(connection, origin) == b"hi"
    with pytest.raises(BrokenError, match="cannot connect to http://localhost at"):
        await dialer().dial(origin, Owner())


def tunnels(heads: list[bytes], answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Script:
    """A proxy that connects to whatever it is asked for."""

    async def script(talk: Talk) -> None:
        head = await talk.head()
        heads.append(head)
        talk.say(answer)
        if b" 200 " not in answer:
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))

        async def pass_on() -> None:
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    talk.say(data)

        passing = asyncio.create_task(pass_on())
        with suppress(ConnectionError):
            while data := await talk.reader.read(65536):
                writer.write(data)
        writer.close()
        await passing

    return script


@pytest.mark.parametrize("secure", [False, True])
async def test_a_tunnel(tmp_path: Path, secure: bool) -> None:
    """CONNECT with credentials, then TLS with the server, also inside TLS with the proxy."""
    authority = Authority(tmp_path)
    tls = server_tls(authority)
    heads: list[bytes] = []
    async with (
        raw_server(always(b"hi"), tls=tls) as server,
        raw_server(tunnels(heads), tls=tls if secure else None) as proxy,
    ):
        way = Proxy("127.0.0.1", proxy.port, tls=secure, authorization=basic("u", "p"))
        origin = https(server, proxy=way)
        settings = ClientTlsSettings(ca=authority.path)
        connection = await dialer(settings).dial(origin, Owner())
        assert await answer(connection, origin) == b"hi"
        assert heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n".encode())
        assert b"proxy-authorization: Basic dTpw\r\n" in heads[0]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n", "answered 407"),
        (b"SSH-2.0\r\n", "does not speak HTTP"),
        (b"", "the proxy closed the connection"),
    ],
)
async def test_a_proxy_that_refuses(said: bytes, message: str) -> None:
    """Its status, or what is wrong with it."""
    async with raw_server(tunnels([], said)) as proxy:
        way = Proxy("127.0.0.1", proxy.port)
        with pytest.raises(BrokenError, match=message):
            await dialer().dial(Origin("https", "h", 443, proxy=way), Owner())


async def test_a_forward_proxy_is_what_is_connected_to() -> None:
    """Requests without TLS are given to it."""
    async with raw_server(always(b"hi")) as proxy:
        origin = Origin("http", "nowhere.invalid", 80, proxy=Proxy("127.0.0.1", proxy.port))
        connection = await dialer().dial(origin, Owner())
        assert await answer(connection, origin) == b"hi"
