"""Facts about `mainstay.net.tls`, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from mainstay.config import load
from mainstay.errors import ConfigError
from mainstay.net.listener import Listener
from mainstay.net.tls import CertificateFiles, ServerTls, TlsSettings
from mainstay.net.tls_client import ClientTls, ClientTlsSettings
from mainstay.net.tls_identity import identity_of
from tests.net.certificates import Authority, Pair, encrypted
from tests.net.serving import PATIENCE


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def settings(pair: Pair, **others: Any) -> TlsSettings:
    return TlsSettings(certificate=pair.certificate, key=pair.key, **others)


class Telling(asyncio.Protocol):
    """Answers every line with who the client is and what was agreed upon."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        self.told = f"{identity_of(transport)} {tls.selected_alpn_protocol()}\n".encode()

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.told)

    def connection_lost(self, error: Exception | None) -> None:
        self.listener.release()


@asynccontextmanager
async def serving(tls: ServerTls) -> AsyncIterator[Listener]:
    """A listener that speaks `tls`; at its end every connection has gone."""
    listener = Listener("tcp://127.0.0.1:0")
    await listener.bind()
    listener.accept(
        lambda: Telling(listener),
        ssl=tls.context,
        handshake_timeout=tls.settings.handshake_timeout,
    )
    try:
        yield listener
    finally:
        await listener.aclose()
        async with asyncio.timeout(PATIENCE):
            while listener.statistics().connections:  # noqa: ASYNC110 - nobody else tells
                await asyncio.sleep(0.001)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - statistics tell, and nobody else
            await asyncio.sleep(0.001)


class Client:
    """One connection; its streams, and what it saw of the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.tls: ssl.SSLObject = writer.get_extra_info("ssl_object")

    @classmethod
    @asynccontextmanager
    async def connected(
        cls,
        listener: Listener,
        ca: str,
        name: str | None = "example.org",
        alpn: tuple[str, ...] = (),
        own: Pair | None = None,
        context: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Client]:
        files: dict[str, Any] = (
            {} if own is None else {"certificate": own.certificate, "key": own.key}
        )
        made = ClientTls(ClientTlsSettings(ca=ca, **files), alpn=alpn).context
        context = context or made
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.address.port, ssl=context, server_hostname=name
        )
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with_errors = asyncio.gather(writer.wait_closed(), return_exceptions=True)
            await with_errors

    @property
    def names(self) -> list[str]:
        certificate = cast(dict[str, Any], self.tls.getpeercert())
        return [name for _, name in certificate["subjectAltName"]]

    async def told(self) -> str:
        self.writer.write(b"?")
        return (await self.reader.readline()).decode().strip()


@pytest.mark.real_loop
async def test_a_client_gets_the_certificate_of_the_name_it_asks_for(authority: Authority) -> None:
    """Exact before wildcard, a wildcard for one label, and the first for any other name."""
    first = authority.issue("example.org")
    star = authority.issue("*.example.net", file="star")
    exact = authority.issue("api.example.net", file="exact")
    further = tuple(
        CertificateFiles(certificate=pair.certificate, key=pair.key) for pair in (star, exact)
    )
    async with serving(ServerTls(settings(first, certificates=further))) as listener:
        for asked, given in [
            ("example.org", "example.org"),
            ("www.example.net", "*.example.net"),
            ("WWW.Example.NET", "*.example.net"),
            ("api.example.net", "api.example.net"),
        ]:
            async with Client.connected(listener, authority.path, asked) as client:
                assert client.names == [given]
        for stranger in ("a.b.example.net", "example.net", "else.where"):
            with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
                async with Client.connected(listener, authority.path, stranger):
                    pass


@pytest.mark.real_loop
async def test_a_client_without_a_name_gets_the_first_certificate(authority: Authority) -> None:
    """A client that connects by address sends no name."""
    first = authority.issue("127.0.0.1")
    async with (
        serving(ServerTls(settings(first))) as listener,
        Client.connected(listener, authority.path, "127.0.0.1") as client,
    ):
        assert client.names == ["127.0.0.1"]


@pytest.mark.real_loop
@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (("h2", "http/1.1"), "h2"),
        (("http/1.1", "h2"), "h2"),
        (("http/1.1",), "http/1.1"),
        (("h3",), "None"),
        ((), "None"),
    ],
)
async def test_the_protocol_is_agreed_on_in_the_handshake(
    authority: Authority, offered: tuple[str, ...], agreed: str
) -> None:
    """HTTP/2 before HTTP/1.1 whatever the client's order; none when there is none in common."""
    tls = ServerTls(settings(authority.issue("example.org")))
    async with (
        serving(tls) as listener,
        Client.connected(listener, authority.path, alpn=offered) as client,
    ):
        assert await client.told() == f"None {agreed}"


@pytest.mark.real_loop
async def test_new_files_are_taken_under_open_connections(authority: Authority) -> None:
    """After a reload new connections see the new certificate; open ones go on."""
    tls = ServerTls(settings(authority.issue("example.org", "old.example.org")))
    async with serving(tls) as listener, Client.connected(listener, authority.path) as before:
        authority.issue("example.org", "new.example.org")
        tls.reload()
        async with Client.connected(listener, authority.path) as after:
            assert after.names == ["example.org", "new.example.org"]
        assert before.names == ["example.org", "old.example.org"]
        assert await before.told() == "None None"
    assert tls.statistics().reloads == 1
    assert tls.statistics().certificates[0].names == ("example.org", "new.example.org")


@pytest.mark.real_loop
async def test_changed_files_are_noticed(authority: Authority, tmp_path: Path) -> None:
    """The watch sees a link that was moved to other files, as mounted secrets are renewed."""
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        authority.folder = folder
        authority.issue(f"v{number}.example.org")
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "1")
    pair = Pair(str(link / "server.pem"), str(link / "server.key"))
    tls = ServerTls(settings(pair, reload_interval=0.01))
    watch = asyncio.create_task(tls.watch())
    (tmp_path / "next").symlink_to(tmp_path / "2")
    (tmp_path / "next").rename(link)
    await until(lambda: bool(tls.statistics().reloads))
    watch.cancel()
    await asyncio.wait([watch])
    assert tls.statistics().certificates[0].names == ("v2.example.org",)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The levels of what the watch has logged."""
    return [each.levelname for each in caplog.records if each.name == "mainstay.net.tls"]


@pytest.mark.real_loop
async def test_bad_new_files_leave_the_old_in_use(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """They are told of once, and tried again when they change."""
    caplog.set_level(logging.INFO, "mainstay.net.tls")
    pair = authority.issue("example.org")
    tls = ServerTls(settings(pair, reload_interval=0.01))
    watch = asyncio.create_task(tls.watch())
    async with serving(tls) as listener:
        key = Path(pair.key)
        shutil.copy(key, key.with_name("good.key"))
        authority.issue("other.org", file="other")
        key.with_name("other.key").replace(key)
        await until(lambda: len(said(caplog)) == 1)
        async with Client.connected(listener, authority.path) as client:
            assert client.names == ["example.org"]
        tls._look()  # the same files, once more
        assert tls.statistics().failures == 1
        key.with_name("good.key").replace(key)
        await until(lambda: bool(tls.statistics().reloads))
    await until(lambda: len(said(caplog)) == 2)
    watch.cancel()
    await asyncio.wait([watch])
    assert said(caplog) == ["ERROR", "INFO"]
    assert "does not belong" in caplog.text


async def test_without_an_interval_nothing_is_watched(authority: Authority) -> None:
    """The watch ends at once."""
    tls = ServerTls(settings(authority.issue("example.org"), reload_interval=None))
    await tls.watch()
    assert tls.statistics().reloads == 0


@pytest.mark.real_loop
async def test_a_client_is_known_by_its_certificate(authority: Authority) -> None:
    """Required: the name in a good certificate becomes the peer's identity."""
    tls = ServerTls(
        settings(authority.issue("example.org"), client_ca=authority.path, client_auth="required")
    )
    own = authority.issue("billing.internal", file="client")
    async with (
        serving(tls) as listener,
        Client.connected(listener, authority.path, own=own) as client,
    ):
        assert await client.told() == "billing.internal None"


async def refused(listener: Listener, ca: str, own: Pair | None) -> bool:
    """Whether the server turned the client away; in TLS 1.3 that shows on the first read."""
    try:
        async with Client.connected(listener, ca, own=own) as client:
            return not await client.told()
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.real_loop
async def test_a_required_certificate_is_required(authority: Authority, tmp_path: Path) -> None:
    """Without one, and with one of another authority, a client is turned away and released."""
    other = Authority(tmp_path, "other-ca")
    tls = ServerTls(
        settings(authority.issue("example.org"), client_ca=authority.path, client_auth="required")
    )
    stranger = other.issue("billing.internal", file="stranger")
    async with serving(tls) as listener:
        assert await refused(listener, authority.path, None)
        assert await refused(listener, authority.path, stranger)
    assert listener.statistics().failed == 2


@pytest.mark.real_loop
async def test_an_optional_certificate_is_checked_when_there_is_one(
    authority: Authority, tmp_path: Path
) -> None:
    """None is fine and has no identity; a bad one is not fine."""
    other = Authority(tmp_path, "other-ca")
    tls = ServerTls(
        settings(authority.issue("example.org"), client_ca=authority.path, client_auth="optional")
    )
    stranger = other.issue("billing.internal", file="stranger")
    own = authority.issue("billing.internal", file="client")
    async with serving(tls) as listener:
        async with Client.connected(listener, authority.path) as client:
            assert await client.told() == "None None"
        async with Client.connected(listener, authority.path, own=own) as client:
            assert await client.told() == "billing.internal None"
        assert await refused(listener, authority.path, stranger)


@pytest.mark.real_loop
@pytest.mark.parametrize("client_auth", ["none", "required"])
async def test_sessions_are_resumed_only_without_client_certificates(
    authority: Authority, client_auth: str
) -> None:
    """A ticket would outlive a change of the client authorities."""
    own = authority.issue("billing.internal", file="client")
    ca = {} if client_auth == "none" else {"client_ca": authority.path}
    pair = authority.issue("example.org")
    tls = ServerTls(settings(pair, client_auth=client_auth, **ca))
    made = ClientTlsSettings(ca=authority.path, certificate=own.certificate, key=own.key)
    context = ClientTls(made, alpn=()).context
    async with (
        serving(tls) as listener,
        Client.connected(listener, authority.path, context=context) as client,
    ):
        await client.told()
        session = client.tls.session
        assert session is not None
        assert session.has_ticket is (client_auth == "none")


@pytest.mark.real_loop
@pytest.mark.parametrize(("minimum", "spoken"), [("1.2", "TLSv1.2"), ("1.3", None)])
async def test_versions_below_the_minimum_are_refused(
    authority: Authority, minimum: Any, spoken: str | None
) -> None:
    """TLS 1.2 where it is allowed, and else not."""
    tls = ServerTls(settings(authority.issue("example.org"), minimum_version=minimum))
    context = ClientTls(ClientTlsSettings(ca=authority.path), alpn=()).context
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(tls) as listener:
        if spoken is None:
            # asyncio closes without the alert that would say why.
            with pytest.raises((ssl.SSLError, ConnectionError)):
                async with Client.connected(listener, authority.path, context=context):
                    pass
            await until(lambda: listener.statistics().failed == 1)
        else:
            async with Client.connected(listener, authority.path, context=context) as client:
                assert client.tls.version() == spoken


def test_tls_1_1_is_refused(authority: Authority) -> None:
    """A client that speaks nothing newer is turned away for that reason."""
    tls = ServerTls(settings(authority.issue("example.org")))
    # A ClientHello whose version is 3.2: OpenSSL of today no longer sends one itself.
    hello = b"\x03\x02" + bytes(32) + b"\0" + b"\0\x02\xc0\x13" + b"\x01\0"
    message = b"\x01" + len(hello).to_bytes(3, "big") + hello
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)
    side = tls.context.wrap_bio(incoming, outgoing, server_side=True)
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        side.do_handshake()


def test_client_authentication_names_what_is_missing(authority: Authority) -> None:
    """Authorities without the wish to check, and the reverse, are mistakes."""
    pair = authority.issue("example.org")
    with pytest.raises(ConfigError, match="client_ca must name the file"):
        ServerTls(settings(pair, client_auth="required"))
    with pytest.raises(ConfigError, match="say 'optional' or 'required'"):
        ServerTls(settings(pair, client_ca=authority.path))


def test_an_encrypted_key_is_opened_by_the_password_in_a_file(authority: Authority) -> None:
    """Settings hold paths and no secret, so they may be shown; the repr names the certificates."""
    pair = encrypted(authority.issue("example.org"), "open sesame")
    file = Path(pair.key + ".password")
    file.write_text("open sesame\n")
    further = CertificateFiles(
        certificate=pair.certificate, key=pair.key, key_password_file=str(file)
    )
    made = settings(pair, key_password_file=str(file), certificates=(further,))
    assert repr(ServerTls(made)) == "<ServerTls example.org example.org client_auth=none>"


def test_settings_are_loaded_from_a_file(tmp_path: Path) -> None:
    """By the same loader as the rest of a service's configuration."""
    file = tmp_path / "settings.toml"
    file.write_text(
        '[tls]\ncertificate = "a.pem"\nclient_auth = "optional"\nclient_ca = "ca.pem"\n'
        '[[tls.certificates]]\ncertificate = "b.pem"\nkey = "b.key"\n'
    )
    loaded = load({"tls": TlsSettings}, name="shop", files=[file], environ={})
    assert loaded[TlsSettings] == TlsSettings(
        certificate="a.pem",
        certificates=(CertificateFiles(certificate="b.pem", key="b.key"),),
        client_ca="ca.pem",
        client_auth="optional",
    )
