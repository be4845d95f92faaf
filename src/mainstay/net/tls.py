"""TLS of a server: certificates by name, renewed while it runs.

What the listener gets is one context that never changes, the front. A client's first message makes
it choose, by the name that the client asks for, among the contexts of the certificates; a reload
puts new ones there, whole or not at all. Connections that are open keep what they began with.

* The certificate of the exact name, else of a wildcard for it (one label, RFC 6125 §6.4.3), else the
  first one.
* Files are looked at every `TlsSettings.reload_interval` seconds, in a thread: their times, sizes
  and inodes, symbolic links followed, since a mounted secret is renewed by moving a link. What
  cannot be loaded is logged once, and the old stays in use until the files change again: a
  certificate and its key are two files, and are rarely written at once.
* With client certificates no session is resumed. A ticket would carry the old verdict past a
  change of the authorities.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mainstay.core.threads import to_thread
from mainstay.errors import ConfigError
from mainstay.net.tls_files import (
    Described,
    TlsVersion,
    context_with,
    describe,
    load_ca,
    load_chain,
)

__all__ = ["ALPN", "CertificateFiles", "ServerTls", "TlsSettings", "TlsStatistics"]

ALPN: Final = ("h2", "http/1.1")
"""What an HTTP server speaks, by preference (RFC 7301)."""

_log = logging.getLogger(__name__)

_Signature: TypeAlias = "tuple[tuple[str, int, int, int] | None, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """A further certificate, for clients that ask for one of its names.

    Attributes:
        certificate: PEM file, with the chain behind the certificate.
        key: PEM file; None when the key stands in the same file.
        key_password_file: file with the password of an encrypted key, and nothing else.
    """

    certificate: str
    key: str | None = None
    key_password_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How a server speaks TLS; a part of its configuration.

    Attributes:
        certificate: PEM file, with the chain behind the certificate. Its names count too, and it
            is what a client gets who asks for no name, or for one that nobody has.
        key: PEM file; None when the key stands in the same file.
        key_password_file: file with the password of an encrypted key, and nothing else.
        certificates: further ones, chosen by the name that a client asks for (SNI).
        client_ca: PEM file with the authorities of client certificates.
        client_auth: ``required``: a client without a good certificate is turned away. ``optional``:
            it may have none. ``none``: it is not asked.
        minimum_version: older versions of TLS are refused.
        reload_interval: seconds between two looks at the files; None: only `ServerTls.reload`.
        handshake_timeout: seconds that a client has for the handshake.
    """

    certificate: str
    key: str | None = None
    key_password_file: str | None = None
    certificates: tuple[CertificateFiles, ...] = ()
    client_ca: str | None = None
    client_auth: Literal["none", "optional", "required"] = "none"
    minimum_version: TlsVersion = "1.2"
    reload_interval: float | None = 10.0
    handshake_timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class TlsStatistics:
    """A moment's facts about a server's certificates.

    Attributes:
        certificates: names and expiry of each, the default first.
        reloads: times that changed files were taken.
        failures: times that they were refused.
    """

    certificates: tuple[Described, ...]
    reloads: int
    failures: int


@dataclass(frozen=True, slots=True)
class _Loaded:
    default: ssl.SSLContext
    exact: Mapping[str, ssl.SSLContext]
    wildcard: Mapping[str, ssl.SSLContext]
    described: tuple[Described, ...]


class ServerTls:
    """The certificates of one server. Reads files: make it in a thread, or before the loop runs.

    Args:
        settings: what to load.
        alpn: protocols by preference; empty for none.

    Attributes:
        settings: as given.
        context: for the listener; it stays the same through every reload.

    Raises: ConfigError with the file and what is wrong with it.
    """

    def __init__(self, settings: TlsSettings, *, alpn: Iterable[str] = ALPN) -> None:
        self.settings = settings
        self._alpn = list(alpn)
        self._reloads = self._failures = 0
        if settings.client_auth != "none" and settings.client_ca is None:
            message = (
                f"client_auth is {settings.client_auth!r}, so client_ca must name the file with "
                "the authorities that client certificates are checked against"
            )
            raise ConfigError(message)
        if settings.client_auth == "none" and settings.client_ca is not None:
            message = (
                f"client_ca is {settings.client_ca!r}, but client_auth is 'none'; "
                "say 'optional' or 'required'"
            )
            raise ConfigError(message)
        self._seen = self._signature()
        self._loaded = self._load()
        self.context = self._context(settings.certificate, settings.key, settings.key_password_file)
        self.context.sni_callback = self._choose

    async def watch(self) -> None:
        """Reload whenever the files have changed; runs until it is cancelled."""
        interval = self.settings.reload_interval
        if interval is None:
            return
        while True:
            await asyncio.sleep(interval)
            await to_thread(self._look)

    def reload(self) -> None:
        """Take the files as they are now; new connections get them. Blocks.

        Raises: ConfigError with the file and what is wrong with it; the old stays in use.
        """
        seen = self._signature()
        try:
            loaded = self._load()
        except ConfigError:
            self._failures += 1
            raise
        finally:
            # Also what failed has been looked at: it is tried again when it changes.
            self._seen = seen
        self._loaded = loaded
        self._reloads += 1

    def statistics(self) -> TlsStatistics:
        """The facts of this moment."""
        return TlsStatistics(self._loaded.described, self._reloads, self._failures)

    def __repr__(self) -> str:
        names = [name for described in self._loaded.described for name in described.names]
        return f"<ServerTls {' '.join(names)} client_auth={self.settings.client_auth}>"

    def _look(self) -> None:
        if self._signature() == self._seen:
            return
        try:
            self.reload()
        except ConfigError as error:
            _log.error("TLS: %s; the certificates from before stay in use", error)
        except Exception:
            _log.exception("TLS: the certificates from before stay in use")
        else:
            _log.info("TLS: new certificates are in use: %r", self)

    def _files(self) -> Iterable[CertificateFiles]:
        settings = self.settings
        yield CertificateFiles(
            certificate=settings.certificate,
            key=settings.key,
            key_password_file=settings.key_password_file,
        )
        yield from settings.certificates

    def _signature(self) -> _Signature:
        paths = [path for files in self._files() for path in (files.certificate, files.key)]
        return tuple(_look_at(path) for path in [*paths, self.settings.client_ca] if path)

    def _load(self) -> _Loaded:
        exact: dict[str, ssl.SSLContext] = {}
        wildcard: dict[str, ssl.SSLContext] = {}
        described = []
        contexts = []
        for files in self._files():
            found = describe(files.certificate, files.key, files.key_password_file)
            context = self._context(files.certificate, files.key, files.key_password_file)
            for name in found.names:
                if name.startswith("*."):
                    wildcard.setdefault(name[2:], context)
                else:
                    exact.setdefault(name, context)
            described.append(found)
            contexts.append(context)
        return _Loaded(contexts[0], exact, wildcard, tuple(described))

    def _context(
        self, certificate: str, key: str | None, password_file: str | None
    ) -> ssl.SSLContext:
        settings = self.settings
        context = context_with(ssl.PROTOCOL_TLS_SERVER, settings.minimum_version)
        load_chain(context, certificate, key, password_file)
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        if settings.client_ca is not None:
            load_ca(context, settings.client_ca)
            required = settings.client_auth == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        return context

    def _choose(self, tls: ssl.SSLObject, name: str | None, front: ssl.SSLContext) -> None:
        # Called for every handshake, also when the client asks for no name (`ssl` says so).
        loaded = self._loaded
        chosen = None
        if name:
            name = name.lower().rstrip(".")
            chosen = loaded.exact.get(name) or loaded.wildcard.get(name.partition(".")[2])
        tls.context = chosen or loaded.default


def _look_at(path: str) -> tuple[str, int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return path, found.st_mtime_ns, found.st_size, found.st_ino
