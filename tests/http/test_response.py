"""Responses: a status, fields and a body, to be changed on the way out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mainstay.errors import UsageError
from mainstay.http.request import Request
from mainstay.http.response import Prepared, Response
from mainstay.testing.exchange import MemoryExchange


async def parts() -> AsyncIterator[bytes]:
    yield b"x"


def test_text_is_utf8_with_a_type_that_says_so() -> None:
    """Unless another type is given; bytes have none by themselves."""
    assert Response("grün").body == "grün".encode()
    assert Response("grün").content_type == "text/plain; charset=utf-8"
    assert Response("a,b", content_type="text/csv").content_type == "text/csv"
    assert Response(b"x").content_type is None


def test_the_fields_are_its_own() -> None:
    """What it was made of stays as it was."""
    source = {"X-A": "b"}
    response = Response("x", headers=source)
    response.headers["x-c"] = "d"
    assert list(response.headers) == [("x-a", "b"), ("x-c", "d")]
    assert source == {"X-A": "b"}
    copy = Response("x", headers=response.headers)
    copy.headers.remove("x-a")
    assert "x-a" in response.headers


def test_a_response_without_fields_has_an_empty_list() -> None:
    """Made when somebody looks."""
    assert len(Response().headers) == 0


def test_what_is_iterated_streams() -> None:
    """Bytes are whole."""
    assert Response(parts(), length=1).streams
    assert not Response("x").streams


def test_it_shows_what_a_person_wants_to_know() -> None:
    """And no content, which may be private."""
    assert repr(Response("secret", 201)) == "<Response 201 text/plain; charset=utf-8 6 bytes>"
    assert repr(Response(parts())) == "<Response 200 untyped stream>"


async def test_what_is_prepared_says_how() -> None:
    """The class alone does not."""
    with pytest.raises(NotImplementedError):
        await Prepared().prepare(Request(MemoryExchange()))


@pytest.mark.parametrize("status", [99, 100, 199, 600, 1000])
def test_a_reply_has_the_status_of_a_reply(status: int) -> None:
    """Interim ones are not for a handler to give, and others do not exist."""
    with pytest.raises(UsageError, match="from 200 to 599"):
        Response(status=status)
