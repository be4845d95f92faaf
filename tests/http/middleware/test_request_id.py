"""Facts about the ids of requests in replies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mainstay.core.ids import REQUEST_ID
from mainstay.errors import NotFound
from mainstay.http.middleware.request_id import request_id
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk


async def echo(call: Any) -> Response:
    """Says the id that log records have."""
    return Response(call.scope.get(REQUEST_ID))


async def test_the_callers_id_is_answered_or_one_is_made() -> None:
    """It is that of the log records."""
    desk = Desk([request_id()], {"GET /": echo})
    reply = await desk.ask(fields=[("x-request-id", "r-1")])
    assert (reply.headers.get("x-request-id"), reply.body) == ("r-1", b"r-1")
    one, two = await desk.ask(), await desk.ask()
    assert one.headers.get("x-request-id") == one.body.decode()
    assert one.body != two.body


async def test_a_problem_names_it() -> None:
    """As its instance, and as a field."""

    async def fail(call: Any) -> Response:
        raise NotFound("no")

    reply = await Desk([request_id()], {"GET /": fail}).ask(fields=[("x-request-id", "r1")])
    assert json.loads(reply.body)["instance"] == "r1"
    assert reply.headers.get("x-request-id") == "r1"


@pytest.mark.parametrize("evil", ["a b", "x" * 129, "\x1b[31m", "<script>", "é", ""])
async def test_an_id_that_could_harm_a_log_is_replaced(evil: str) -> None:
    """Not cleaned: it would be somebody else's."""
    for name in ("x-request-id", "x-correlation-id"):
        desk = Desk([request_id(header=name)], {"GET /": echo})
        reply = await desk.ask(fields=[(name, evil.encode("latin-1"))])
        assert len(reply.headers.get(name) or "") == 16


async def test_the_callers_id_need_not_be_trusted() -> None:
    """Then each call has one of ours."""
    desk = Desk([request_id(trust=False)], {"GET /": echo})
    reply = await desk.ask(fields=[("x-request-id", "r-1")])
    assert reply.body != b"r-1"
    assert reply.headers.get("x-request-id") == reply.body.decode()


async def test_another_field_may_carry_it() -> None:
    """In both directions."""
    desk = Desk([request_id(header="X-Correlation-Id")], {"GET /": echo})
    reply = await desk.ask(fields=[("x-correlation-id", "c-1"), ("x-request-id", "r-1")])
    assert (reply.headers.get("x-correlation-id"), reply.body) == ("c-1", b"c-1")
