"""Addresses that a client is given: checked, split and encoded once, and kept.

A URL is refused rather than mended: a blank or a line break in it is a mistake of who built it, and
clearing it away (as browsers do) is how checks are bypassed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

from mainstay.core.redact import hide_in_urls
from mainstay.errors import UsageError
from mainstay.net.origin import basic

__all__ = ["Params", "Url", "join_base", "parse_url", "resolve", "with_params"]

Params: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, Any]]"
"""Query parameters. None is left out, a list or tuple comes several times, booleans are ``true`` and
``false``."""

_SAFE: Final = "!$&'()*+,;=:@/-._~%"
_PLAIN: Final = re.compile(r"[!$-;=?-Z_a-z~@%&'()*+,]*")
_BAD: Final = re.compile(r"[\x00-\x20\x7f\\]")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
_PORTS: Final = {"http": 80, "https": 443}
_PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL.

    Attributes:
        scheme: ``http`` or ``https``.
        host: in lower case, without brackets, in ASCII.
        port: given, or the scheme's own.
        target: path and query, encoded.
        authorization: what user and password in the URL mean, or None.
    """

    scheme: str
    host: str
    port: int
    target: str
    authorization: str | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        """Host, and port if it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def same_origin(self, other: Url) -> bool:
        """Whether scheme, host and port are the same (RFC 6454 §4)."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


@lru_cache(maxsize=512)
def parse_url(text: str) -> Url:
    """Check, split and encode a URL.

    Raises: UsageError that quotes it, passwords hidden.
    """
    if _BAD.search(text):
        raise _wrong(text, "it has a blank, a backslash or a control character in it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _wrong(text, str(error)) from None
    if parts.scheme not in _PORTS:
        raise _wrong(text, "it has to begin with http:// or https://, or the client needs base_url")
    host = _ascii_host(text, parts.hostname or "")
    if port == 0:
        raise _wrong(text, "its port is 0")
    authorization = None
    if parts.username is not None:
        authorization = basic(unquote(parts.username), unquote(parts.password or ""))
    target = _encoded(parts.path, _SAFE) or "/"
    if not target.startswith("/"):
        target = "/" + target
    if parts.query:
        target = f"{target}?{_encoded(parts.query, _SAFE + '?')}"
    return Url(parts.scheme, host, port or _PORTS[parts.scheme], target, authorization)


def resolve(base: Url, reference: str) -> Url:
    """What `reference`, of a ``location`` field, means at `base` (RFC 3986 §5).

    Raises: UsageError when it is no http URL.
    """
    return parse_url(urljoin(str(base), reference))


def join_base(base: str, url: str) -> str:
    """A relative `url` below `base`, whose path is kept whole; an absolute one as it is."""
    if not base or url.startswith(("http://", "https://")):
        return url
    if not url:
        return base
    if url.startswith("?"):
        return base + url
    return f"{base.rstrip('/')}/{url.lstrip('/')}"


def with_params(url: str, params: Params | None) -> str:
    """`url` with more parameters in its query."""
    pairs = _pairs(params) if params else []
    if not pairs:
        return url
    url, _, _ = url.partition("#")
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}{urlencode(pairs, quote_via=quote)}"


def _pairs(params: Params) -> list[tuple[str, str]]:
    found = []
    for name, value in params.items() if isinstance(params, Mapping) else params:
        several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        for each in value if several else (value,):
            if each is not None:
                text = str(each).lower() if isinstance(each, bool) else str(each)
                found.append((name, text))
    return found


def _ascii_host(text: str, host: str) -> str:
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise _wrong(text, f"{host!r} is no host name") from None
    if not _HOST.fullmatch(host):
        raise _wrong(text, f"{host!r} is no host name")
    return host.lower()


def _encoded(part: str, safe: str) -> str:
    return part if _PLAIN.fullmatch(part) else quote(part, safe=safe)


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(f"the URL {hide_in_urls(text)!r}: {why}")
