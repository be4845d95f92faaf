"""Trailers through another server, where it can send them."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.http.asgi.exchange import AsgiExchange
from mainstay.net.exchange import Exchange
from tests.http.asgi.test_exchange import Other, exchange_of, request

ABLE: dict[str, Any] = {
    "extensions": {"http.response.trailers": {}},
    "headers": [(b"te", b"trailers")],
}
HEAD = [(b"content-type", b"application/grpc")]
STATUS = (b"grpc-status", b"0")


def answering(body: bytes, fields: Any, trailers: Any) -> Any:
    """An application that answers all at once."""

    def begin(exchange: Exchange) -> None:
        exchange.respond_with_trailers(200, fields, body, trailers)

    return begin


async def said(begin: Any, **scope: Any) -> list[Any]:
    """What the other server was told."""
    other = Other(request())
    await exchange_of(begin, other, **scope).run()
    return other.said


async def test_trailers_follow_the_body() -> None:
    """The head says that they will."""
    told = await said(answering(b"body", HEAD, [STATUS]), **ABLE)
    start, body, end, trailers = told
    assert (start["status"], start["headers"], start["trailers"]) == (200, HEAD, True)
    assert (body["body"], body["more_body"], end["more_body"]) == (b"body", True, False)
    assert trailers == {
        "type": "http.response.trailers",
        "headers": [STATUS],
        "more_trailers": False,
    }


async def test_a_head_that_is_all_of_it_becomes_trailers() -> None:
    """Otherwise the peer would see a head, and an end without a status."""
    told = await said(answering(b"", [*HEAD, (b"grpc-status", b"5")], ()), **ABLE)
    assert told[0]["headers"] == HEAD
    assert told[-1]["headers"] == [(b"grpc-status", b"5")]


async def test_a_reply_of_known_length_has_none() -> None:
    """Nor does it announce any."""

    def begin(exchange: Exchange) -> None:
        exchange.respond(200, b"text/plain", (), b"x")

    told = await said(begin, **ABLE)
    assert [each["type"].rpartition(".")[2] for each in told] == ["start", "body"]
    assert "trailers" not in told[0]


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"headers": [(b"te", b"trailers")]},
        {"extensions": {"http.response.trailers": {}}},
    ],
    ids=["neither", "no extension", "not wanted"],
)
async def test_without_the_extension_or_the_wish_they_are_lost(scope: dict[str, Any]) -> None:
    """The other server would refuse the message."""
    told = await said(answering(b"body", HEAD, [STATUS]), **scope)
    assert [each["type"].rpartition(".")[2] for each in told] == ["start", "body", "body"]


async def test_an_application_that_cares_is_told_when_they_cannot_be_sent() -> None:
    """It has another way to begin."""
    begun: list[str] = []

    def make(**scope: Any) -> AsgiExchange:
        def begin(exchange: Exchange) -> None:
            begun.append("begin")
            exchange.respond(200, None, (), b"")

        def begin_untrailed(exchange: Exchange) -> None:
            begun.append("begin_untrailed")
            exchange.respond(200, None, (), b"")

        made = exchange_of(begin, Other(request()), **scope)
        application: Any = made.port.application
        application.begin_untrailed = begin_untrailed
        return made

    await make().run()
    await make(**ABLE).run()
    assert begun == ["begin_untrailed", "begin"]
