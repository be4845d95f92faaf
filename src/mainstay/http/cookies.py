"""The ``set-cookie`` field, written so that every browser understands it the same way (RFC 6265).

What a browser would misread or drop in silence is refused here, with the reason: characters that
end a value early, `same_site="none"` without `secure`, a name with the prefix ``__Host-`` or
``__Secure-`` without what the prefix promises (RFC 6265bis §4.1.3).
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from mainstay.errors import UsageError
from mainstay.http.headers import Headers

__all__ = ["SameSite", "delete_cookie", "set_cookie"]

SameSite: TypeAlias = Literal["strict", "lax", "none"]

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# cookie-octet of RFC 6265 §4.1.1: no controls, space, quote, comma, semicolon, backslash.
_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")
_ATTRIBUTE: Final = re.compile(r"[ -:<-~]*")
_SITES: Final = {"strict": "Strict", "lax": "Lax", "none": "None"}
_LONGEST: Final = 4096
"""Bytes of name and value together that every browser keeps (RFC 6265 §6.1)."""


def set_cookie(
    headers: Headers,
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = True,
    http_only: bool = True,
    same_site: SameSite | None = "lax",
    partitioned: bool = False,
) -> None:
    """Add a ``set-cookie`` field to `headers`.

    Args:
        headers: of a reply.
        name: a token, such as ``session``.
        value: printable ASCII without space, quotes, comma, semicolon and backslash. Encode other
            text first, for instance with `urllib.parse.quote`.
        max_age: seconds to keep it; None until the browser closes; 0 or less removes it.
        path: below which the browser sends it; None for the folder of the request.
        domain: send it to this host and all below; None for this host alone, which is safer.
        secure: only over TLS. Browsers treat ``localhost`` as secure.
        http_only: scripts of the page cannot read it.
        same_site: whether requests that other sites cause carry it.
        partitioned: kept apart for each site that embeds this one; needs `secure`.

    Raises: UsageError for what no browser would keep.
    """
    _check(name, value, path, domain)
    if same_site is not None and same_site not in _SITES:
        raise _wrong(name, f"same_site is strict, lax, none or None, not {same_site!r}")
    if not secure:
        if same_site == "none":
            raise _wrong(name, 'browsers drop same_site="none" without secure=True')
        if partitioned:
            raise _wrong(name, "browsers drop partitioned=True without secure=True")
        if name.lower().startswith(("__secure-", "__host-")):
            raise _wrong(name, "its prefix asks for secure=True")
    if name.lower().startswith("__host-") and (path != "/" or domain is not None):
        raise _wrong(name, "the prefix __Host- asks for path='/' and no domain")
    parts = [f"{name}={value}"]
    if max_age is not None:
        parts.append(f"Max-Age={max(0, int(max_age))}")
        if max_age <= 0:
            parts.append("Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    if path is not None:
        parts.append(f"Path={path}")
    if domain is not None:
        parts.append(f"Domain={domain}")
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    if same_site is not None:
        parts.append(f"SameSite={_SITES[same_site]}")
    if partitioned:
        parts.append("Partitioned")
    headers.add("set-cookie", "; ".join(parts))


def delete_cookie(
    headers: Headers,
    name: str,
    *,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = True,
    partitioned: bool = False,
) -> None:
    """Ask the browser to forget a cookie; `path`, `domain` and `partitioned` as it was set.

    Raises: UsageError as `set_cookie` does.
    """
    set_cookie(
        headers,
        name,
        "",
        max_age=0,
        path=path,
        domain=domain,
        secure=secure,
        partitioned=partitioned,
    )


def _check(name: str, value: str, path: str | None, domain: str | None) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a cookie: a name is a token of ASCII")
    if not _VALUE.fullmatch(value):
        # Not the value itself: cookies are credentials, and messages end up in logs.
        why = "its value has a character that cookies lack; encode it, as with urllib.parse.quote"
        raise _wrong(name, why)
    if len(name) + len(value) > _LONGEST:
        raise _wrong(name, f"name and value have more than {_LONGEST} bytes, and browsers drop it")
    if path is not None and not (path.startswith("/") and _ATTRIBUTE.fullmatch(path)):
        raise _wrong(name, f"its path begins with a slash and is ASCII without ';', not {path!r}")
    if domain is not None and not (domain and _ATTRIBUTE.fullmatch(domain) and " " not in domain):
        raise _wrong(name, f"{domain!r} is no domain")


def _wrong(name: str, why: str) -> UsageError:
    return UsageError(f"cookie {name!r}: {why}")
