"""A request as a form."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.errors import ClosedError, HttpError
from mainstay.http.forms import FormData, FormLimits
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.testing.exchange import MemoryExchange
from tests.http.site import running

BODY = (
    b'--B\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n'
    b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nfile\r\n--B--\r\n'
)
TYPE = ("Content-Type", "multipart/form-data; boundary=B")


def request(*fields: tuple[str, str], body: bytes = b"") -> Request:
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
    return Request(MemoryExchange("POST", "/", fields, chunks=pieces))


async def test_a_form_is_read_once() -> None:
    """The second time it is the same one, and its files are let go of with the request."""
    made = request(TYPE, body=BODY)
    form = await made.form()
    assert await made.form() is form
    assert form["n"] == "1"
    file = form.files["f"]
    assert await file.read() == b"file"
    made.close()
    with pytest.raises(ClosedError):
        await file.read()


async def test_a_body_that_was_read_before_is_a_form_too() -> None:
    """From memory."""
    made = request(TYPE, body=BODY)
    assert await made.read() == BODY
    assert (await made.form())["n"] == "1"


async def test_parts_come_one_by_one() -> None:
    """Without a form in memory."""
    made = request(TYPE, body=BODY)
    assert [(part.name, await part.read()) async for part in made.parts()] == [
        ("n", b"1"),
        ("f", b"file"),
    ]
    made.close()


async def test_limits_are_the_callers() -> None:
    """Who knows the form better says so."""
    form = await request(TYPE, body=BODY).form(FormLimits(memory=0))
    assert not form.files["f"].in_memory
    form.close()


async def test_what_is_no_form_is_415() -> None:
    """Also a request without a body."""
    with pytest.raises(HttpError) as caught:
        await request().form()
    assert caught.value.status == 415


@pytest.mark.real_loop
@pytest.mark.parametrize("fails", [False, True])
async def test_files_are_let_go_of_when_the_call_ends(fails: bool) -> None:
    """However it ends."""
    forms: list[FormData] = []

    async def keep(call: Any) -> Response:
        forms.append(await call.request.form(FormLimits(memory=0)))
        if fails:
            raise HttpError(409, "no")
        return Response(await forms[0].files["f"].read())

    async with running({"POST /": keep}) as site:
        client = await site.connect()
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\n"
        await client.send(f"{head}Content-Type: {TYPE[1]}\r\nConnection: close\r\n\r\n".encode())
        await client.send(BODY)
        status, _ = await client.head()
        assert status == (409 if fails else 200)
        await client.rest()
        with pytest.raises(ClosedError):
            await forms[0].files["f"].read(1)
