"""Who the other end of a TLS connection proved to be."""

from __future__ import annotations

import ssl
from typing import Any

__all__ = ["identity_in", "identity_of"]


def identity_of(transport: Any) -> str | None:
    """The name in the certificate that the peer of an asyncio transport was verified by, or None.

    None without TLS, without a certificate, and when certificates are not asked for.
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    return None if tls is None else identity_in(tls.getpeercert())


def identity_in(certificate: Any) -> str | None:
    """The name in a decoded certificate: a URI, before a DNS name, before the common name.

    A SPIFFE ID is a URI and names the workload, where a DNS name is often a host's; one that begins
    with ``spiffe://`` goes before other URIs. An unverified certificate decodes to nothing.
    """
    if not certificate:
        return None
    others = certificate.get("subjectAltName", ())
    uris = [value for kind, value in others if kind == "URI"]
    for uri in uris:
        if uri.startswith("spiffe://"):
            return str(uri)
    hosts = [value for kind, value in others if kind == "DNS"]
    pairs = (pair for group in certificate.get("subject", ()) for pair in group)
    commons = [value for name, value in pairs if name == "commonName"]
    return next(iter([*uris, *hosts, *commons]), None)
