"""Certificates and keys from files: loaded with a reason for whatever is wrong, and described.

OpenSSL's own errors name neither the file nor the fault ("PEM lib"), and it asks the terminal for
the password of an encrypted key. So files are read and looked at first, a password callback is
always given, and what OpenSSL says is translated by its reason codes.

The names in a certificate are needed to choose one for a client, and the standard library decodes
a certificate only for the peer of a handshake that has verified it. So each certificate is used
once, in memory, with itself as the only trusted root: that gives its names, and it proves on the
way that certificate and key work together, today, for a server.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from mainstay.errors import ConfigError

__all__ = ["Described", "TlsVersion", "context_with", "describe", "load_ca", "load_chain"]

TlsVersion: TypeAlias = Literal["1.2", "1.3"]
"""The oldest version of TLS that is spoken; RFC 8996 ended those before 1.2."""

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_KEY: Final = "PRIVATE KEY-----"

# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL's x509_vfy.h.
_NOT_YET: Final = 9
_EXPIRED: Final = 10


@dataclass(frozen=True, slots=True)
class Described:
    """What a certificate says of itself.

    Attributes:
        names: DNS names and addresses it is for, in lower case; the common name if it has none.
        expires: seconds since the epoch.
    """

    names: tuple[str, ...]
    expires: float


def context_with(protocol: int, minimum: TlsVersion) -> ssl.SSLContext:
    """A context for one side with our floor of versions, and without what leaks (CRIME)."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = _VERSIONS[minimum]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A client that renegotiates makes us do the costly half, as often as it likes.
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def load_chain(
    context: ssl.SSLContext, certificate: str, key: str | None, password_file: str | None
) -> None:
    """Give `context` a certificate with its chain, and the key, from PEM files.

    Args:
        context: gets them.
        certificate: path; the certificate first, then those between it and a root.
        key: path; None when the key stands in the same file.
        password_file: path of the file with the password of an encrypted key, and nothing else.

    Raises: ConfigError with the file and what is wrong with it.
    """
    if _CERTIFICATE not in _text(certificate):
        raise ConfigError(f"{certificate} holds no certificate in PEM form")
    where = key or certificate
    if _KEY not in _text(where):
        raise ConfigError(f"{where} holds no private key in PEM form")
    password = "" if password_file is None else _text(password_file).rstrip("\r\n")
    asked = False

    def tell() -> str:
        nonlocal asked
        asked = True
        return password

    try:
        context.load_cert_chain(certificate, key, tell)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigError(_fault(error, certificate, where, password_file, asked)) from None


def load_ca(context: ssl.SSLContext, path: str) -> None:
    """Trust the certificates in the PEM file `path`, and only those.

    Raises: ConfigError with the file and what is wrong with it.
    """
    text = _text(path)
    if _CERTIFICATE not in text:
        raise ConfigError(f"{path} holds no certificate in PEM form")
    try:
        context.load_verify_locations(cadata=text)
    except ssl.SSLError as error:
        raise ConfigError(f"{path} holds a certificate that cannot be read: {error}") from None


def describe(certificate: str, key: str | None, password_file: str | None) -> Described:
    """Load a server's certificate, prove it in a handshake with ourselves, and say what it is for.

    Raises: ConfigError as `load_chain` does, and when the certificate has expired, is not valid
    yet, or is not for servers.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_chain(server, certificate, key, password_file)
    text = _text(certificate)
    leaf = text[text.index(_CERTIFICATE) : text.index(_END) + len(_END)]
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a leaf may be what is trusted
    client.load_verify_locations(cadata=leaf)
    try:
        found = _shake_hands(server, client)
    except ssl.SSLCertVerificationError as error:
        fault = {_NOT_YET: "is not valid yet", _EXPIRED: "has expired"}.get(
            error.verify_code, f"is not good for a server: {error.verify_message}"
        )
        raise ConfigError(f"the certificate in {certificate} {fault}") from None
    except ssl.SSLError as error:
        raise ConfigError(f"{certificate} cannot be used: {error.reason or error}") from None
    names = [value for kind, value in found.get("subjectAltName", ()) if kind in _HOSTS]
    if not names:
        pairs = (pair for group in found.get("subject", ()) for pair in group)
        names = [value for name, value in pairs if name == "commonName"]
    expires = ssl.cert_time_to_seconds(found["notAfter"])
    return Described(tuple(name.lower() for name in names), float(expires))


_HOSTS: Final = ("DNS", "IP Address")


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """A handshake in memory; what the client learns of the server's certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server)
    for _ in range(10):  # either side needs two turns
        done = 0
        for side in (asking, serving):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            done += 1
        if done == 2:  # noqa: PLR2004 - both
            break
    return asking.getpeercert() or {}


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None


def _fault(
    error: Exception, certificate: str, key: str, password_file: str | None, asked: bool
) -> str:
    reason = getattr(error, "reason", None) or str(error)
    if reason == "KEY_VALUES_MISMATCH":
        return f"the key in {key} does not belong to the certificate in {certificate}"
    if asked and password_file is None:
        return f"the key in {key} is encrypted; name its key_password_file"
    if asked:
        return f"the password in {password_file} does not open the key in {key}"
    return f"{certificate} with the key in {key} cannot be loaded: {reason}"
