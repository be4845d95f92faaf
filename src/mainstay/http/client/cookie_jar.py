"""Cookies that servers set and get back (RFC 6265), for a client that asks for them.

Without a list of public suffixes one host must not set cookies for all of ``co.uk``; there is none
here, so a cookie for a whole domain is kept only if that domain has a dot in it, and the jar is for
talking to servers one knows, not for browsing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from math import inf
from typing import Final

from mainstay.http.client.urls import Url

__all__ = ["Cookie", "CookieJar"]

_MOST_COOKIES: Final = 1000
_MOST_OF_DOMAIN: Final = 100
_LONGEST: Final = 4096


@dataclass(slots=True)
class Cookie:
    """One cookie.

    Attributes:
        name, value: as set.
        domain: that it goes to.
        host_only: whether only to that host, and not below it.
        path: it goes to paths below.
        secure: whether only by https.
        expires: seconds since the epoch; ``inf`` for as long as the jar lives.
    """

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires: float

    def __repr__(self) -> str:
        return f"<Cookie {self.name} for {self.domain}{self.path}>"


class CookieJar:
    """Keeps cookies; bounded, the oldest go first.

    Args:
        time: seconds since the epoch, for expiry.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def store(self, url: Url, line: str) -> None:
        """Take a ``set-cookie`` field of the reply from `url`, if it may be set (RFC 6265 §5.3)."""
        cookie = self._parse(url, line)
        if cookie is None:
            return
        key = (cookie.domain, cookie.path, cookie.name)
        self._cookies.pop(key, None)
        if cookie.expires > self._time():
            self._make_room(cookie.domain)
            self._cookies[key] = cookie

    def header(self, url: Url) -> str | None:
        """The ``cookie`` field for a request to `url`, or None (RFC 6265 §5.4)."""
        if not self._cookies:
            return None
        now = self._time()
        path = url.target.partition("?")[0]
        found = [
            each
            for each in self._cookies.values()
            if each.expires > now
            and (url.scheme == "https" or not each.secure)
            and (url.host == each.domain or (not each.host_only and _below(url.host, each.domain)))
            and _path_matches(path, each.path)
        ]
        # Longer paths first; the sort is stable, so older ones come first otherwise.
        found.sort(key=lambda each: -len(each.path))
        return "; ".join(f"{each.name}={each.value}" for each in found) or None

    def clear(self) -> None:
        """Forget all."""
        self._cookies.clear()

    def __iter__(self) -> Iterator[Cookie]:
        return iter(tuple(self._cookies.values()))

    def __len__(self) -> int:
        return len(self._cookies)

    def __repr__(self) -> str:
        return f"<CookieJar cookies={len(self)}>"

    def _parse(self, url: Url, line: str) -> Cookie | None:
        pair, _, rest = line.partition(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not name or len(line) > _LONGEST or not line.isprintable():
            return None
        attributes: dict[str, str] = {}
        for part in rest.split(";"):
            key, _, said = part.partition("=")
            attributes[key.strip().lower()] = said.strip()
        host_only, domain = True, url.host
        asked = attributes.get("domain", "").removeprefix(".").lower()
        if asked and asked != url.host:
            if "." not in asked or not _below(url.host, asked):
                return None
            host_only, domain = False, asked
        elif asked:
            host_only = _is_number(url.host)
        path = attributes.get("path", "")
        if not path.startswith("/"):
            path = url.target.partition("?")[0].rpartition("/")[0] or "/"
        secure = "secure" in attributes
        if secure and url.scheme != "https":
            return None
        if name.startswith("__Host-") and not (
            secure and "domain" not in attributes and path == "/"
        ):
            return None
        if name.startswith("__Secure-") and not secure:
            return None
        return Cookie(name, value, domain, host_only, path, secure, self._expiry(attributes))

    def _expiry(self, attributes: dict[str, str]) -> float:
        age = attributes.get("max-age", "")
        if age.removeprefix("-").isdecimal() and age.isascii():
            return self._time() + int(age)
        if "expires" in attributes:
            try:
                return parsedate_to_datetime(attributes["expires"]).timestamp()
            except (TypeError, ValueError, OverflowError):
                return inf
        return inf

    def _make_room(self, domain: str) -> None:
        of_domain = [key for key in self._cookies if key[0] == domain]
        if len(of_domain) >= _MOST_OF_DOMAIN:
            del self._cookies[of_domain[0]]
        elif len(self._cookies) >= _MOST_COOKIES:
            del self._cookies[next(iter(self._cookies))]


def _below(host: str, domain: str) -> bool:
    return host.endswith(f".{domain}") and not _is_number(host)


def _path_matches(path: str, of_cookie: str) -> bool:
    if not path.startswith(of_cookie):
        return False
    return of_cookie.endswith("/") or path[len(of_cookie) :][:1] in ("", "/")


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
