"""Facts about requests that other sites' pages cause."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.http.middleware.csrf import csrf, csrf_token_of
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk

KEY = "0123456789abcdef"
OWN = "http://example.org"
EVIL = "https://evil.example"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 200),
        ([("sec-fetch-site", "same-origin")], 200),
        ([("sec-fetch-site", "none")], 200),
        ([("sec-fetch-site", "same-site")], 403),
        ([("sec-fetch-site", "cross-site")], 403),
        ([("sec-fetch-site", "SAME-ORIGIN ")], 403),
        ([("sec-fetch-site", "cross-site"), ("origin", OWN)], 403),
        ([("sec-fetch-site", "cross-site"), ("origin", "https://trusted.example")], 200),
        ([("origin", OWN)], 200),
        ([("origin", "https://trusted.example")], 200),
        ([("origin", EVIL)], 403),
        ([("origin", "null")], 403),
        ([("origin", "")], 403),
        ([("origin", "http://example.org.evil.example")], 403),
        ([("origin", "http://example.org:81")], 403),
        ([("origin", OWN), ("origin", EVIL)], 403),
        ([("origin", "https://trusted.example"), ("origin", EVIL)], 403),
    ],
)
async def test_who_may_change_something(fields: list[tuple[str, str]], status: int) -> None:
    """The own pages, trusted ones, and what is no browser."""
    desk = Desk([csrf(trusted=["https://trusted.example"])])
    assert (await desk.ask("/", "POST", fields)).status == status


async def test_what_changes_nothing_passes() -> None:
    """Links from other sites work."""
    desk = Desk([csrf()])
    for method in ("GET", "HEAD", "OPTIONS"):
        reply = await desk.ask("/", method, [("sec-fetch-site", "cross-site"), ("origin", EVIL)])
        assert reply.status < 300


async def test_a_method_that_nobody_knows_changes_something() -> None:
    """What is safe is listed, not what is not."""
    reply = await Desk([csrf()]).ask("/", "FROB", [("sec-fetch-site", "cross-site")])
    assert reply.status == 403


async def test_some_paths_are_not_checked() -> None:
    """Those of webhooks, which come from anywhere."""
    desk = Desk([csrf(exempt=["/hook"])], {"POST /hook": _ok, "POST /": _ok})
    assert (await desk.ask("/hook", "POST", [("origin", EVIL)])).status == 200
    assert (await desk.ask("/hook/", "POST", [("origin", EVIL)])).status == 403


async def _ok(call: Any) -> Response:
    return Response("ok")


async def token(call: Any) -> Response:
    """The token, for the page."""
    return Response(csrf_token_of())


async def test_a_token_must_come_back_twice() -> None:
    """In the cookie and in the field; every reply can show it."""
    desk = Desk([csrf(keys=[KEY])], {"GET /": token, "POST /": _ok})
    reply = await desk.ask()
    made = reply.body.decode()
    (field,) = reply.headers.get_all("set-cookie")
    assert field == f"csrf={made}; Path=/; SameSite=Lax"
    cookie = ("cookie", f"csrf={made}")
    assert (await desk.ask("/", "POST", [cookie, ("x-csrf-token", made)])).status == 200
    again = await desk.ask("/", "GET", [cookie])
    assert (again.body.decode(), again.headers.get("set-cookie")) == (made, None)
    forged = "A" * 22 + "0" * 64
    for fields in (
        [],
        [cookie],
        [("x-csrf-token", made)],
        [cookie, ("x-csrf-token", made[:-1])],
        [cookie, ("x-csrf-token", "é")],
        [("cookie", f"csrf={forged}"), ("x-csrf-token", forged)],
        [("cookie", "csrf="), ("x-csrf-token", "")],
    ):
        reply = await desk.ask(
            "/", "POST", [(name, value.encode("latin-1")) for name, value in fields]
        )
        assert reply.status == 403


async def test_over_tls_neighbours_cannot_set_the_cookie() -> None:
    """The prefix of its name sees to that."""
    desk = Desk([csrf(keys=[KEY])], {"GET /": token})
    (field,) = (await desk.ask(scheme="https")).headers.get_all("set-cookie")
    assert field.startswith("__Host-csrf=")
    assert "Secure" in field


async def test_a_websocket_is_checked() -> None:
    """It carries cookies like a form, and GET is its method."""
    desk = Desk([csrf()], {"GET /": _ok})
    reply = await desk.ask(fields=[("origin", EVIL)])
    assert reply.status == 200
    desk = Desk([_as_websocket, csrf()], {"GET /": _ok})
    assert (await desk.ask(fields=[("origin", EVIL)])).status == 403
    assert (await desk.ask(fields=[("origin", OWN)])).status == 200


async def _as_websocket(call: Any, next: Any) -> Any:
    call.transport = "websocket"
    return await next(call)


def test_what_is_no_origin_is_refused() -> None:
    """When it is made; and so is a short key."""
    with pytest.raises(UsageError, match="no origin"):
        csrf(trusted=["trusted.example"])
    with pytest.raises(UsageError, match="at least 16"):
        csrf(keys=["short"])
