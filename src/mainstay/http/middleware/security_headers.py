"""Fields that make browsers careful (OWASP's secure headers, https://owasp.org/www-project-secure-headers/)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from mainstay.core.call import Middleware
from mainstay.errors import UsageError
from mainstay.http.call import HttpCall
from mainstay.http.headers import Headers
from mainstay.http.middleware.base import HttpNext, http_only
from mainstay.http.response import Response

__all__ = ["FrameOptions", "security_headers"]

FrameOptions: TypeAlias = Literal["DENY", "SAMEORIGIN"]

_YEAR = 365 * 24 * 3600


def security_headers(
    *,
    hsts: int | None = _YEAR,
    hsts_subdomains: bool = False,
    hsts_preload: bool = False,
    nosniff: bool = True,
    frames: FrameOptions | None = "DENY",
    referrer: str | None = "strict-origin-when-cross-origin",
    csp: str | None = None,
    opener: str | None = "same-origin",
    resources: str | None = None,
) -> Middleware:
    """Add the fields to every reply, errors included; what a response sets itself wins.

    The page of the docs brings its own policy and stands outside of the service's middleware.

    Args:
        hsts: seconds that browsers use TLS only (RFC 6797), said over TLS only; None not to say it.
            Behind a proxy that ends TLS, list `trusted_proxies` first.
        hsts_subdomains: whether that holds for every host below.
        hsts_preload: whether browsers may be built with it; asks for both of the above.
        nosniff: whether browsers must believe the content type.
        frames: which pages may show the reply in a frame.
        referrer: what links tell of where they stand.
        csp: the content security policy, such as ``default-src 'self'``.
        opener: cross-origin-opener-policy.
        resources: cross-origin-resource-policy, such as ``same-site``.

    Raises: UsageError for values that no browser would take.
    """
    if hsts_preload and (not hsts_subdomains or hsts is None or hsts < _YEAR):
        raise UsageError("security_headers: preloading asks for hsts_subdomains and a year of hsts")
    given = {
        "x-content-type-options": "nosniff" if nosniff else None,
        "x-frame-options": frames,
        "referrer-policy": referrer,
        "content-security-policy": csp,
        "cross-origin-opener-policy": opener,
        "cross-origin-resource-policy": resources,
    }
    fields = Headers((name, value) for name, value in given.items() if value is not None)
    strict = None
    if hsts is not None:
        strict = f"max-age={hsts}"
        strict += "; includeSubDomains" if hsts_subdomains else ""
        strict += "; preload" if hsts_preload else ""

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        request = call.request
        if request._reply_headers is None:
            # The usual case, in one step: these are the first.
            request._reply_headers = Headers(fields)
        else:
            for name, value in fields:
                request._reply_headers.set(name, value)
        if strict is not None and request.scheme == "https":
            request.reply_headers.set("strict-transport-security", strict)
        return await next(call)

    layer.__qualname__ = "security_headers"
    return http_only(layer)
