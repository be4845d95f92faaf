"""What every exchange is, before a connection makes it one of its own."""

import inspect

import pytest

from mainstay.net.exchange import Exchange

NEEDS = ("receive", "trailers", "inform", "respond", "open", "send", "finish", "reset", "upgrade")


@pytest.mark.parametrize("name", NEEDS)
async def test_a_connection_has_to_say_how(name: str) -> None:
    """Nothing of the reply has a default that would hide what is missing."""
    method = getattr(Exchange(), name)
    count = sum(
        each.default is inspect.Parameter.empty
        for each in inspect.signature(method).parameters.values()
    )
    with pytest.raises(NotImplementedError):
        result = method(*[b""] * count)
        if inspect.isawaitable(result):
            await result


def test_the_last_reply_need_not_be_sayable() -> None:
    """On HTTP/2 connections are not closed after a reply: the wish is ignored there."""
    exchange = Exchange()
    exchange.close_after()
    assert not hasattr(exchange, "__dict__")
