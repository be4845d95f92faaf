"""Facts about sessions in signed cookies."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import NotFound, UsageError
from mainstay.http.middleware.sessions import SESSION, session_of, sessions
from mainstay.http.response import Response
from mainstay.testing.exchange import Reply
from tests.http.middleware.desk import Desk

KEY = "0123456789abcdef-one"
OTHER = "0123456789abcdef-two"


async def count(call: Any) -> Response:
    """Counts the visits."""
    session = session_of()
    session["n"] = session.get("n", 0) + 1
    return Response(str(session["n"]))


async def look(call: Any) -> Response:
    """Reads, and changes nothing."""
    return Response(f"{session_of(call).get('n')} {session_of(call).new}")


async def ignore(call: Any) -> Response:
    """Does not ask for it."""
    return Response("ok")


HANDLERS = {"GET /": count, "GET /look": look, "GET /ignore": ignore}


def desk(*keys: str, **options: Any) -> Desk:
    return Desk([sessions(keys or (KEY,), **options)], HANDLERS)


def cookie_of(reply: Reply) -> str:
    (field,) = reply.headers.get_all("set-cookie")
    return field.partition(";")[0]


async def ask(at: Desk, target: str, cookie: str) -> Reply:
    return await at.ask(target, fields=[("cookie", cookie)])


async def test_what_is_kept_comes_back() -> None:
    """In a cookie that scripts cannot read, and other sites' forms do not send."""
    at = desk()
    first = await at.ask()
    (field,) = first.headers.get_all("set-cookie")
    attributes = field.split("; ")[1:]
    assert attributes == ["Max-Age=1209600", "Path=/", "HttpOnly", "SameSite=Lax"]
    second = await ask(at, "/", cookie_of(first))
    assert second.body == b"2"
    assert first.headers.get("vary") == "cookie"


async def test_over_tls_it_is_for_tls_only() -> None:
    """Unless somebody says otherwise."""
    (field,) = (await desk().ask(scheme="https")).headers.get_all("set-cookie")
    assert "; Secure" in field
    (field,) = (await desk(secure=True).ask()).headers.get_all("set-cookie")
    assert "; Secure" in field


async def test_it_is_written_when_it_was_changed() -> None:
    """Reading writes nothing, but the reply depends on it; not asking does neither."""
    at = desk()
    cookie = cookie_of(await at.ask())
    reply = await ask(at, "/look", cookie)
    assert (reply.body, reply.headers.get("set-cookie")) == (b"1 False", None)
    assert reply.headers.get("vary") == "cookie"
    reply = await ask(at, "/ignore", cookie)
    assert (reply.headers.get("set-cookie"), reply.headers.get("vary")) == (None, None)
    reply = await at.ask("/look")
    assert (reply.body, reply.headers.get("set-cookie")) == (b"None True", None)


async def test_a_change_deep_inside_is_seen() -> None:
    """What is compared is what would be written."""

    async def add(call: Any) -> Response:
        session_of().setdefault("cart", []).append("x")
        return Response(str(len(session_of()["cart"])))

    at = Desk([sessions([KEY])], {"GET /": add})
    first = await at.ask()
    second = await ask(at, "/", cookie_of(first))
    assert (second.body, cookie_of(second) != cookie_of(first)) == (b"2", True)


async def test_an_empty_one_deletes_the_cookie() -> None:
    """As after a logout."""

    async def leave(call: Any) -> Response:
        session_of().clear()
        return Response("bye")

    at = Desk([sessions([KEY])], {"GET /": count, "GET /leave": leave})
    reply = await ask(at, "/leave", cookie_of(await at.ask()))
    (field,) = reply.headers.get_all("set-cookie")
    assert field.startswith("session=; Max-Age=0")


def _payload(change: Callable[[dict[str, Any]], None]) -> Callable[[str], str]:
    def changed(cookie: str) -> str:
        payload, written, signature = cookie.split(".")
        values = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        change(values)
        made = urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()
        return f"{made}.{written}.{signature}"

    return changed


TAMPERED: dict[str, Callable[[str], str]] = {
    "another value": _payload(lambda values: values.update(n=999)),
    "another time": lambda cookie: cookie.replace(".", ".9", 1),
    "no signature": lambda cookie: cookie.rpartition(".")[0],
    "an empty signature": lambda cookie: cookie.rpartition(".")[0] + ".",
    "a short signature": lambda cookie: cookie[:-1],
    "a long signature": lambda cookie: cookie + "A",
    "padding": lambda cookie: cookie + "=",
    "zeros for a signature": lambda cookie: cookie.rpartition(".")[0] + "." + "A" * 43,
    "the dot moved": lambda cookie: cookie.replace(".", "", 1),
    "nothing": lambda cookie: "",
    "noise": lambda cookie: "é" * 10,
    "too long": lambda cookie: "A" * 5000 + cookie,
    "a number that is none": lambda cookie: cookie.replace(".", ".²", 1),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_a_cookie_that_was_changed_is_none(how: str) -> None:
    """The session begins anew."""
    at = desk()
    name, _, value = cookie_of(await ask(at, "/", "x=y")).partition("=")
    assert (await ask(at, "/look", f"{name}={value}")).body == b"1 False"
    reply = await at.ask(
        "/look", fields=[("cookie", f"{name}={TAMPERED[how](value)}".encode("latin-1", "replace"))]
    )
    assert reply.body == b"None True"


async def test_another_keys_signature_does_not_count() -> None:
    """Nor one for a cookie of another name."""
    cookie = cookie_of(await desk(OTHER).ask())
    assert (await ask(desk(KEY), "/look", cookie)).body == b"None True"
    admin = cookie_of(await desk(cookie="admin").ask()).partition("=")[2]
    assert (await ask(desk(), "/look", f"session={admin}")).body == b"None True"


async def test_keys_are_changed_without_losing_anybody() -> None:
    """The first signs, all verify, until the old one is taken out."""
    old = cookie_of(await desk(OTHER).ask())
    both = desk(KEY, OTHER)
    reply = await ask(both, "/", old)
    assert reply.body == b"2"
    assert (await ask(desk(KEY), "/look", cookie_of(reply))).body == b"2 False"
    assert (await ask(desk(KEY), "/look", old)).body == b"None True"


async def test_an_old_one_ends_and_one_in_use_is_renewed() -> None:
    """By the service's own clock, whatever the browser keeps."""
    at = desk(max_age=100)
    cookie = cookie_of(await at.ask())
    await asyncio.sleep(40)
    assert (await ask(at, "/look", cookie)).headers.get("set-cookie") is None
    await asyncio.sleep(20)
    renewed = cookie_of(await ask(at, "/look", cookie))
    await asyncio.sleep(45)
    reply = await ask(at, "/look", cookie)
    assert reply.body == b"None True"
    (field,) = reply.headers.get_all("set-cookie")
    assert "Max-Age=0" in field
    assert (await ask(at, "/look", renewed)).body == b"1 False"


async def test_what_is_used_need_not_be_renewed() -> None:
    """Then it ends at a fixed time."""
    at = desk(max_age=100, renew=False)
    cookie = cookie_of(await at.ask())
    await asyncio.sleep(60)
    assert (await ask(at, "/look", cookie)).headers.get("set-cookie") is None


async def test_more_than_browsers_keep_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """They would drop it in silence, and the user would be logged out."""

    async def fill(call: Any) -> Response:
        session_of()["x"] = "y" * 4000
        return Response("ok")

    reply = await Desk([sessions([KEY])], {"GET /": fill}).ask()
    assert (reply.status, reply.headers.get("set-cookie")) == (500, None)
    assert "browsers keep 4096" in caplog.text


async def test_an_error_of_the_caller_keeps_what_was_changed() -> None:
    """A fault of ours does not."""

    async def refuse(call: Any) -> Response:
        session_of()["tries"] = 1
        raise NotFound("no")

    async def fail(call: Any) -> Response:
        session_of()["tries"] = 1
        raise ValueError("bug")

    at = Desk([sessions([KEY])], {"GET /": refuse, "GET /fail": fail})
    assert cookie_of(await at.ask())
    assert (await at.ask("/fail")).headers.get("set-cookie") is None


async def test_what_is_kept_is_in_no_repr() -> None:
    """Its names are."""
    said = []

    async def show(call: Any) -> Response:
        session_of()["token"] = "swordfish"
        del session_of()["token"]
        session_of()["user"] = "herring"
        said.append(repr(session_of()))
        assert list(session_of()) == ["user"]
        assert len(session_of()) == 1
        assert call.scope.get(SESSION) is session_of()
        return Response("ok")

    await Desk([sessions([KEY])], {"GET /": show}).ask()
    assert said == ["<Session user>"]


def test_keys_are_needed_and_long_enough() -> None:
    """When it is made."""
    for keys in ([], ["short"], KEY):
        with pytest.raises(UsageError, match="key"):
            sessions(keys)


async def test_a_handler_outside_is_told() -> None:
    """What to add."""
    with Scope(), pytest.raises(UsageError, match="add sessions"):
        session_of()
