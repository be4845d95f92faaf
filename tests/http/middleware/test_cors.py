"""Facts about sharing across origins."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mainstay.errors import NotFound, UsageError
from mainstay.http.middleware.auth import bearer, tokens
from mainstay.http.middleware.cors import cors
from mainstay.http.response import Response
from mainstay.testing.exchange import Reply
from tests.http.middleware.desk import Desk

APP = "https://app.example.org"


def preflight(origin: str, method: str = "PUT", headers: str = "") -> list[tuple[str, str]]:
    fields = [("origin", origin), ("access-control-request-method", method)]
    return fields + ([("access-control-request-headers", headers)] if headers else [])


def told(reply: Reply) -> dict[str, str]:
    start = "access-control-"
    return {name[len(start) :]: value for name, value in reply.headers if name.startswith(start)}


def varies(reply: Reply) -> set[str]:
    return set((reply.headers.get("vary") or "").split(", "))


async def test_a_page_of_a_listed_origin_may_read_the_reply() -> None:
    """And scripts what is exposed; others get the reply without a word, and caches are told."""
    desk = Desk([cors(origins=[APP], expose=["x-total"], credentials=True)])
    reply = await desk.ask(fields=[("origin", APP)])
    assert told(reply) == {
        "allow-origin": APP,
        "allow-credentials": "true",
        "expose-headers": "x-total",
    }
    for fields in ([("origin", "https://evil.example")], [], [("origin", "null")]):
        reply = await desk.ask(fields=fields)
        assert (reply.status, told(reply), varies(reply)) == (200, {}, {"origin"})


async def test_errors_can_be_read_as_well() -> None:
    """A problem of a handler, 404 and 405."""

    async def fail(call: Any) -> Response:
        raise NotFound("no")

    desk = Desk([cors(origins=[APP])], {"GET /": fail})
    for target, method in [("/", "GET"), ("/nope", "GET"), ("/", "DELETE")]:
        reply = await desk.ask(target, method, [("origin", APP)])
        assert reply.status in (404, 405)
        assert told(reply)["allow-origin"] == APP


@pytest.mark.parametrize("target", ["/", "/nope"])
async def test_a_preflight_is_answered_for_every_path(target: str) -> None:
    """What exists is not its question."""
    desk = Desk([cors(origins=[APP], headers=["x-a", "Content-Type"], max_age=60)])
    reply = await desk.ask(target, "OPTIONS", preflight(APP, headers="x-a"))
    assert reply.status == 204
    assert told(reply) == {
        "allow-origin": APP,
        "allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "allow-headers": "x-a, content-type, accept, accept-language, content-language",
        "max-age": "60",
    }
    assert varies(reply) == {
        "origin",
        "access-control-request-method",
        "access-control-request-headers",
    }


async def test_a_preflight_of_another_origin_is_refused() -> None:
    """Without any permission, and with the reason."""
    desk = Desk([cors(origins=[APP])])
    reply = await desk.ask("/", "OPTIONS", preflight("https://evil.example"))
    assert (reply.status, told(reply)) == (403, {})
    assert json.loads(reply.body)["reason"] == "ORIGIN_NOT_ALLOWED"
    assert "origin" in varies(reply)


async def test_a_page_may_always_send_json() -> None:
    """``content-type`` is allowed without being named; credentials in ``authorization`` are not."""
    for headers, known in ((), False), (["Authorization"], True):
        desk = Desk([cors(origins=[APP], headers=headers)])
        reply = await desk.ask("/", "OPTIONS", preflight(APP, "POST", "authorization,content-type"))
        allowed = told(reply)["allow-headers"].lower().split(", ")
        assert "content-type" in allowed
        assert ("authorization" in allowed) is known


async def test_a_page_with_a_token_gets_through_to_its_reply() -> None:
    """What a browser does: it asks first, without the token; and may read a 401, too."""
    shared = cors(origins=[APP], headers=["authorization"])
    desk = Desk([shared, bearer(tokens({"t-1": "ada"}))])
    asked = await desk.ask("/", "OPTIONS", preflight(APP, "POST", "authorization"))
    assert (asked.status, told(asked)["allow-origin"]) == (204, APP)
    for token, status in (("t-1", 200), ("t-2", 401)):
        fields = [("origin", APP), ("authorization", f"Bearer {token}")]
        reply = await desk.ask("/", "POST", fields)
        assert (reply.status, told(reply)["allow-origin"]) == (status, APP)


async def test_an_options_that_asks_nothing_is_a_call() -> None:
    """It gets the methods of the route."""
    reply = await Desk([cors(origins=[APP])]).ask("/", "OPTIONS", [("origin", APP)])
    assert reply.headers.get("allow") == "GET, HEAD, OPTIONS, POST"
    assert told(reply) == {"allow-origin": APP}


async def test_everybody_is_the_same_reply_for_all() -> None:
    """So caches may keep one."""
    desk = Desk([cors(origins=["*"])])
    reply = await desk.ask(fields=[("origin", "null")])
    assert told(reply) == {"allow-origin": "*"}
    assert "vary" not in reply.headers


def test_what_is_no_name_is_refused() -> None:
    """Of a method or a field."""
    for given in ({"methods": ["GET,PUT"]}, {"headers": ["x a"]}):
        with pytest.raises(UsageError, match="not all names of"):
            cors(origins=[APP], **given)  # type: ignore[arg-type]


def test_everybody_and_credentials_exclude_each_other() -> None:
    """As in the specification; a mirror of every origin would undo that."""
    with pytest.raises(UsageError, match="any page act as the user"):
        cors(origins=["*"], credentials=True)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.org.attacker.net",
        "https://evilexample.org",
        "https://a.example.org.evil.net",
        "https://a.example.org\nx",
        "null",
        "https://a.example.org:8443",
        "http://a.example.org",
    ],
)
async def test_a_pattern_matches_the_whole_origin(origin: str) -> None:
    """Neither a part, nor ``null``, whatever the pattern says."""
    desk = Desk([cors(origin_regex=r"https://[a-z]+\.example\.org", credentials=True)])
    assert told(await desk.ask(fields=[("origin", origin)])) == {}
    reply = await desk.ask(fields=[("origin", "https://a.example.org")])
    assert told(reply)["allow-origin"] == "https://a.example.org"
    desk = Desk([cors(origin_regex=r".*", credentials=True)])
    assert told(await desk.ask(fields=[("origin", "null")])) == {}


async def test_two_origins_are_none() -> None:
    """A proxy may look at the one and we at the other."""
    desk = Desk([cors(origins=[APP])])
    fields = [("origin", APP), ("origin", "https://evil.example")]
    assert told(await desk.ask(fields=fields)) == {}


async def test_what_is_asked_for_may_be_mirrored() -> None:
    """Tokens only."""
    desk = Desk([cors(origins=[APP], methods=["*"], headers=["*"])])
    reply = await desk.ask("/", "OPTIONS", preflight(APP, "PURGE", "x-a, x b, x-c"))
    assert told(reply)["allow-methods"] == "PURGE"
    assert told(reply)["allow-headers"] == "x-a, x-c"
    reply = await desk.ask("/", "OPTIONS", preflight(APP, "GET\x01"))
    assert told(reply)["allow-methods"] == "*"


async def test_private_networks_are_opt_in() -> None:
    """The question is answered only where that was said."""
    fields = [*preflight(APP), ("access-control-request-private-network", "true")]
    reply = await Desk([cors(origins=[APP])]).ask("/", "OPTIONS", fields)
    assert "allow-private-network" not in told(reply)
    desk = Desk([cors(origins=[APP], private_network=True)])
    assert told(await desk.ask("/", "OPTIONS", fields))["allow-private-network"] == "true"
    assert "allow-private-network" not in told(await desk.ask("/", "OPTIONS", preflight(APP)))


@pytest.mark.parametrize(
    "origin", ["app.example.org", "https://app.example.org/", "HTTPS://x", "null", "https://a b"]
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    """It would never match, and nobody would know why."""
    with pytest.raises(UsageError, match="no origin"):
        cors(origins=[origin])


def test_a_text_is_no_list() -> None:
    """Its letters would be the origins."""
    with pytest.raises(UsageError, match="list"):
        cors(origins="https://a.example")
