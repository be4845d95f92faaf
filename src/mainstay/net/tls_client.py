"""TLS of a client: whom it trusts, and who it says it is."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from mainstay.errors import ConfigError
from mainstay.net.tls_files import TlsVersion, context_with, load_ca, load_chain

__all__ = ["ClientTls", "ClientTlsSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTlsSettings:
    """How a client speaks TLS; a part of its configuration.

    Attributes:
        ca: PEM file with the authorities to trust instead of the system's.
        certificate: PEM file with our own certificate and its chain, for servers that ask.
        key: PEM file; None when the key stands with the certificate.
        key_password_file: file with the password of an encrypted key, and nothing else.
        server_name: what the server's certificate must be for; the host's name unless given.
        verify: False trusts everybody, which is for tests.
        minimum_version: older versions of TLS are refused.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password_file: str | None = None
    server_name: str | None = None
    verify: bool = True
    minimum_version: TlsVersion = "1.2"


class ClientTls:
    """Contexts for outgoing connections. Reads files: make it in a thread, or before the loop runs.

    Args:
        settings: what to load.
        alpn: protocols by preference; empty for none.

    Attributes:
        settings: as given.
        context: for ``loop.create_connection``.

    Raises: ConfigError with the file and what is wrong with it.
    """

    def __init__(
        self, settings: ClientTlsSettings | None = None, *, alpn: Iterable[str] = ("http/1.1",)
    ) -> None:
        self.settings = settings or ClientTlsSettings()
        self._alpn = list(alpn)
        self.context = self._load()

    def reload(self) -> None:
        """Take the files as they are now, for connections made from now on. Blocks.

        Raises: ConfigError with the file and what is wrong with it; the old stays in use.
        """
        self.context = self._load()

    def server_hostname(self, host: str) -> str:
        """What to give ``create_connection`` as ``server_hostname`` for a connection to `host`."""
        return self.settings.server_name or host

    def __repr__(self) -> str:
        trusts = "anybody" if not self.settings.verify else self.settings.ca or "the system"
        return f"<ClientTls trusts={trusts} certificate={self.settings.certificate}>"

    def _load(self) -> ssl.SSLContext:
        settings = self.settings
        context = context_with(ssl.PROTOCOL_TLS_CLIENT, settings.minimum_version)
        if settings.key is not None and settings.certificate is None:
            raise ConfigError(f"key is {settings.key!r}, but no certificate goes with it")
        if not settings.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif settings.ca is not None:
            load_ca(context, settings.ca)
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if settings.certificate is not None:
            load_chain(context, settings.certificate, settings.key, settings.key_password_file)
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        return context
