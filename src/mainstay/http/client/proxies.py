"""Which proxy a request takes, if any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Self

from mainstay.core.redact import hide_in_urls
from mainstay.errors import UsageError
from mainstay.http.client.urls import Url, parse_url
from mainstay.net.origin import Proxy

__all__ = ["Proxies"]


class Proxies:
    """Proxies by scheme, and who is reached without.

    Args:
        http: for requests to ``http`` URLs: ``http://user:password@proxy:3128``, or None.
        https: for requests to ``https`` URLs, by a tunnel (CONNECT).
        no_proxy: hosts that are reached directly: a name with all below it, an address, a network
            (``10.0.0.0/8``), any of these with a port, or ``*``.

    Raises: UsageError for what is no URL of a proxy.
    """

    __slots__ = ("_by_scheme", "_no_proxy")

    def __init__(
        self, *, http: str | None = None, https: str | None = None, no_proxy: Iterable[str] = ()
    ) -> None:
        self._by_scheme = {"http": _proxy(http), "https": _proxy(https)}
        self._no_proxy = tuple(each.strip().lower() for each in no_proxy if each.strip())

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """By ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``, as curl reads them.

        Only ``http_proxy`` has no form in capitals: a CGI server would take it from a request's
        ``Proxy`` field (CVE-2016-5385).
        """
        every = environ.get("all_proxy") or environ.get("ALL_PROXY")
        https = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
        no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
        return cls(
            http=environ.get("http_proxy") or every or None,
            https=https or every or None,
            no_proxy=no_proxy.split(","),
        )

    def find(self, url: Url) -> Proxy | None:
        """The proxy for a request to `url`, or None."""
        proxy = self._by_scheme[url.scheme]
        if proxy is None or any(_covers(each, url) for each in self._no_proxy):
            return None
        return proxy

    def __repr__(self) -> str:
        ways = " ".join(f"{scheme}={proxy}" for scheme, proxy in self._by_scheme.items() if proxy)
        return f"<Proxies {ways or 'none'}>"


def _proxy(text: str | None) -> Proxy | None:
    if not text:
        return None
    if "://" not in text:
        text = f"http://{text}"
    try:
        url = parse_url(text)
    except UsageError as error:
        raise UsageError(f"the proxy {hide_in_urls(text)!r} cannot be used: {error}") from None
    return Proxy(url.host, url.port, url.scheme == "https", url.authorization)


def _covers(entry: str, url: Url) -> bool:
    if entry == "*":
        return True
    host, colon, port = entry.rpartition(":")
    numbered = colon and port.isdecimal() and (":" not in host or host.endswith("]"))
    if not numbered:
        host, port = entry, ""
    host = host.removeprefix("[").removesuffix("]")
    if port and int(port) != url.port:
        return False
    try:
        return ip_address(url.host) in ip_network(host, strict=False)
    except ValueError:
        name = host.removeprefix("*").removeprefix(".")
        return bool(name) and (url.host == name or url.host.endswith(f".{name}"))
