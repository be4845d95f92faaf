"""Facts about services below a prefix."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.http.middleware.strip_prefix import check_prefix, strip_prefix
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk


async def where(call: Any) -> Response:
    """Says what the handler sees."""
    return Response(f"{call.request.root}|{call.request.path}|{call.request.url}")


async def test_a_path_with_the_prefix_is_routed_without_it() -> None:
    """The root is what was taken off, and the address stays as it was sent."""
    desk = Desk(routes={"GET /orders": where, "GET /": where}, prefix="/shop")
    reply = await desk.ask("/shop/orders?x=1")
    assert reply.body == b"/shop|/orders|http://example.org/shop/orders?x=1"
    assert (await desk.ask("/shop")).body == b"/shop|/|http://example.org/shop"
    assert (await desk.ask("/shop?x")).body == b"/shop|/|http://example.org/shop?x"


async def test_a_path_without_the_prefix_is_routed_as_it_is() -> None:
    """For proxies that strip it themselves, and probes that come around them."""
    desk = Desk(routes={"GET /orders": where, "GET /shopping": where}, prefix="/shop")
    assert (await desk.ask("/orders")).body == b"|/orders|http://example.org/orders"
    assert (await desk.ask("/shopping")).body == b"|/shopping|http://example.org/shopping"


async def test_a_prefix_written_with_escapes_is_another_path() -> None:
    """Router and handler agree on what was stripped."""
    desk = Desk(routes={"GET /orders": where}, prefix="/shop")
    assert (await desk.ask("/sh%6fp/orders")).status == 404


async def test_redirects_and_refusals_know_the_prefix() -> None:
    """A slash too much leads to the address that the proxy passes on; 404 and 405 work."""
    desk = Desk(routes={"GET /orders": where}, prefix="/shop")
    reply = await desk.ask("/shop/orders/?x=1")
    assert (reply.status, reply.headers.get("location")) == (308, "/shop/orders?x=1")
    assert (await desk.ask("/shop/nope")).status == 404
    assert (await desk.ask("/shop/orders", "DELETE")).status == 405


@pytest.mark.parametrize("prefix", ["shop", "/shop/", "//shop", "/a//b", "/sh op", "/é", "/", ""])
def test_what_is_no_prefix_is_refused(prefix: str) -> None:
    """At the start, and not by a service that cannot be found."""
    with pytest.raises(UsageError, match="prefix"):
        check_prefix(prefix)
    with pytest.raises(UsageError):
        strip_prefix(prefix)
