"""Who really calls, where proxies stand between: ``x-forwarded-*`` and ``forwarded`` (RFC 7239).

Anybody can send these fields, so a word of them counts only if a proxy that is trusted wrote it.
Each proxy appends the address it was called from; the list is walked from the right, beginning
with the peer of the connection, for as long as the one who wrote a member is trusted. The first
address that is not a trusted proxy's is the caller. What stands left of it may be invented.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeGuard

from mainstay.core.call import Call, Handler, Middleware
from mainstay.core.metadata import Metadata, Peer
from mainstay.errors import UsageError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import ip_of, listed
from mainstay.net.calls import ExchangeCall

__all__ = ["ForwardedFields", "parse_forwarded", "trusted_proxies"]

ForwardedFields: TypeAlias = Literal["x-forwarded", "forwarded"]

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_PAIR: Final = re.compile(
    r"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)")[ \t]*"""
)
_MOST: Final = 32
"""Proxies in a row that are looked at."""


class _Hop(NamedTuple):
    """What one proxy said: who called it, and how."""

    address: str
    scheme: str = ""
    host: str = ""


def trusted_proxies(
    networks: Sequence[str], *, fields: ForwardedFields = "x-forwarded", unix: bool = False
) -> Middleware:
    """Let what trusted proxies say of the caller count.

    For HTTP and RPC: ``request.peer``, ``request.scheme``, ``request.host`` and the peer of the call's scope are those
    of the caller from then on; so list it before whatever uses them: the log, limits, sessions. The
    identity of a certificate is the proxy's, and is taken off.

    Args:
        networks: of the proxies, such as ``10.0.0.0/8`` or ``127.0.0.1``. Everybody in them can
            claim to be anybody.
        fields: which ones the proxies write; ``x-forwarded`` is -For, -Proto and -Host. Only one
            kind, because proxies pass the other on as clients made it up.
        unix: whether who connects by a Unix socket is a trusted proxy.

    Raises: UsageError for what is no network.
    """
    if isinstance(networks, str):
        raise UsageError(f"trusted_proxies: networks is a list, such as [{networks!r}]")
    if fields not in ("x-forwarded", "forwarded"):
        raise UsageError(f"trusted_proxies: fields are x-forwarded or forwarded, not {fields!r}")
    trusted = _Trusted(networks)
    read = _x_forwarded if fields == "x-forwarded" else _forwarded

    def layer(call: Call, next: Handler) -> Awaitable[Any]:
        if isinstance(call, ExchangeCall):
            peer = call.exchange.peer
            here = ip_of(peer)
            if here in trusted if here else unix and peer.address.startswith("unix"):
                headers = call.request.headers if _is_http(call) else call.scope.metadata
                hop = _caller(read(headers), trusted)
                if hop is not None:
                    _believe(call, hop)
        return next(call)

    layer.__name__ = layer.__qualname__ = "trusted_proxies"
    return layer


def _is_http(call: ExchangeCall) -> TypeGuard[HttpCall]:
    return isinstance(call, HttpCall)


class _Trusted:
    """Networks; addresses that were looked up are remembered, because proxies are few."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        for network in networks:
            try:
                self._networks.append(ip_network(network))
            except ValueError as error:
                raise UsageError(f"trusted_proxies: {error}") from None
        self._known: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        found = self._known.get(address)
        if found is None:
            parsed = ip_address(address)
            found = any(parsed in network for network in self._networks)
            if len(self._known) < 1000:  # noqa: PLR2004 - peers choose what is looked up
                self._known[address] = found
        return found


def _caller(hops: list[_Hop], trusted: _Trusted) -> _Hop | None:
    """The last hop whose writer is trusted; None when nothing was said that can be read."""
    found = None
    for hop in reversed(hops[-_MOST:]):
        address = ip_of(Peer(hop.address))
        if not address:
            # "unknown", or a name that hides somebody (RFC 7239 §6): who it was cannot be told, and
            # what stands further left was written by them. How they called is known all the same.
            if found is None and (hop.scheme or hop.host):
                found = hop._replace(address="")
            return found
        found = hop._replace(address=address)
        if address not in trusted:
            break
    return found


def _believe(call: ExchangeCall, hop: _Hop) -> None:
    request = call.request if _is_http(call) else None
    if hop.address:
        # The port is the proxy's business: 0, so that the address keeps its shape.
        host = f"[{hop.address}]" if ":" in hop.address else hop.address
        peer = Peer(f"{host}:0")
        call.exchange.peer = peer
        if request is not None:
            request.peer = peer
        if call._made is not None:
            call._made.peer = peer
    if request is None:
        return  # methods of RPC have no use for how they were called
    if hop.scheme:
        request.scheme = hop.scheme
    if hop.host:
        request.host = hop.host


def _x_forwarded(headers: Metadata) -> list[_Hop]:
    addresses = listed(headers.get_all("x-forwarded-for"))
    schemes = listed(headers.get_all("x-forwarded-proto"))
    hosts = listed(headers.get_all("x-forwarded-host"))
    hops = []
    for index, address in enumerate(addresses or [""]):
        scheme = _SCHEMES.get(_beside(schemes, index, len(addresses)).lower(), "")
        host = _beside(hosts, index, len(addresses))
        hops.append(_Hop(address, scheme, host if _HOST.fullmatch(host) else ""))
    return hops


def _beside(values: list[str], index: int, number: int) -> str:
    """The value of the same proxy: proxies either append to all lists, or replace these."""
    if not values:
        return ""
    return values[index] if len(values) == number else values[-1]


def _forwarded(headers: Metadata) -> list[_Hop]:
    hops = []
    for pairs in parse_forwarded(",".join(headers.get_all("forwarded"))):
        scheme = _SCHEMES.get(pairs.get("proto", "").lower(), "")
        host = pairs.get("host", "")
        hops.append(_Hop(pairs.get("for", ""), scheme, host if _HOST.fullmatch(host) else ""))
    return hops


def parse_forwarded(field: str) -> list[Mapping[str, str]]:
    """The elements of a ``forwarded`` field (RFC 7239 §4), names in lower case.

    Returns nothing at all for a field that is malformed somewhere: what stands to the right of the
    fault might be inside of quotes that a peer has opened.
    """
    elements: list[Mapping[str, str]] = []
    pairs: dict[str, str] = {}
    at, end = 0, len(field)
    while at < end:
        if field[at] in ",;":
            if field[at] == "," and pairs:
                elements.append(pairs)
                pairs = {}
            at += 1
            continue
        if field[at] in " \t" and not field[at:].strip(" \t"):
            break
        match = _PAIR.match(field, at)
        if match is None or (match.end() < end and field[match.end()] not in ",;"):
            return []
        name = match[1].lower()
        if name in pairs:
            return []
        pairs[name] = match[2] if match[3] is None else re.sub(r"\\(.)", r"\1", match[3])
        at = match.end()
    if pairs:
        elements.append(pairs)
    return elements
