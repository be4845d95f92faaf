"""Facts about fields that make browsers careful."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.http.middleware.security_headers import security_headers
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk


async def test_every_reply_has_them() -> None:
    """Errors as well; those without a value are left out."""
    desk = Desk([security_headers(csp="default-src 'self'", opener=None)])
    for target in ("/", "/nope"):
        headers = (await desk.ask(target)).headers
        assert headers.get("x-content-type-options") == "nosniff"
        assert headers.get("x-frame-options") == "DENY"
        assert headers.get("referrer-policy") == "strict-origin-when-cross-origin"
        assert headers.get("content-security-policy") == "default-src 'self'"
        assert headers.get("cross-origin-opener-policy") is None
        assert headers.get("strict-transport-security") is None


async def test_tls_is_asked_for_over_tls_only() -> None:
    """RFC 6797 §7.2 forbids it otherwise."""
    desk = Desk([security_headers()])
    reply = await desk.ask(scheme="https")
    assert reply.headers.get("strict-transport-security") == "max-age=31536000"
    desk = Desk([security_headers(hsts_subdomains=True, hsts_preload=True)])
    reply = await desk.ask(scheme="https")
    said = reply.headers.get("strict-transport-security")
    assert said == "max-age=31536000; includeSubDomains; preload"
    desk = Desk([security_headers(hsts=None)])
    assert "strict-transport-security" not in (await desk.ask(scheme="https")).headers


async def test_a_response_knows_better() -> None:
    """Such as the page of the docs, which has a policy of its own."""

    async def page(call: Any) -> Response:
        return Response("page", headers={"content-security-policy": "script-src 'self'"})

    reply = await Desk([security_headers(csp="default-src 'none'")], {"GET /": page}).ask()
    assert reply.headers.get_all("content-security-policy") == ["script-src 'self'"]


def test_values_that_cannot_be_sent_are_refused() -> None:
    """When it is made: a preload that browsers reject, and a value with a line break."""
    with pytest.raises(UsageError, match="preloading"):
        security_headers(hsts_preload=True)
    with pytest.raises(UsageError, match="line break"):
        security_headers(csp="default-src 'self'\r\nset-cookie: a=b")
