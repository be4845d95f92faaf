"""Facts about the length of bodies."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.http.middleware.body_limit import body_limit
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk


async def read(call: Any) -> Response:
    """Says how much came."""
    return Response(str(len(await call.request.read())))


async def test_a_body_that_says_its_length_is_refused_before_the_handler() -> None:
    """With 413; one of just that length passes."""

    async def never(call: Any) -> Response:
        raise AssertionError("the handler ran")

    assert (
        await Desk([body_limit(3)], {"POST /": never}).ask("/", "POST", body=b"1234")
    ).status == 413
    reply = await Desk([body_limit(3)], {"POST /": read}).ask("/", "POST", body=b"123")
    assert reply.body == b"3"


async def test_a_body_that_does_not_is_cut_off_while_it_is_read() -> None:
    """Chunks count as they come."""
    desk = Desk([body_limit(3)], {"POST /": read})
    assert (await desk.ask("/", "POST", chunks=[b"12", b"34", b"5"])).status == 413
    assert (await desk.ask("/", "POST", chunks=[b"12", b"3"])).body == b"3"


async def test_the_innermost_holds() -> None:
    """It takes the place of those outside, in both directions."""
    desk = Desk([body_limit(3), body_limit(5)], {"POST /": read})
    assert (await desk.ask("/", "POST", chunks=[b"12345"])).body == b"5"
    desk = Desk([body_limit(0)], {"POST /": read})
    assert (await desk.ask("/", "POST", body=b"1")).status == 413
    assert (await desk.ask("/", "POST")).body == b"0"


def test_less_than_nothing_is_refused() -> None:
    """When it is made."""
    with pytest.raises(UsageError):
        body_limit(-1)
