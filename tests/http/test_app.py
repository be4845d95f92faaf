"""Facts about the way from an exchange to a handler and back, over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest

from mainstay.core.call import Call, Handler
from mainstay.core.ids import REQUEST_ID, TRACE_ID
from mainstay.core.scope import Scope
from mainstay.core.threads import to_thread
from mainstay.errors import HttpError, NotFound
from mainstay.http.app import HttpApplication
from mainstay.http.response import Response
from mainstay.http.router import Slashes
from tests.http.logged import ours
from tests.http.site import running
from tests.net.serving import PATIENCE

pytestmark = pytest.mark.real_loop

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def ok(call: Any) -> Response:
    """Answers at once."""
    return Response("ok")


async def test_a_handler_answers() -> None:
    """Its response, with what middleware adds to it."""

    async def tag(call: Call, next: Handler) -> Any:
        response = await next(call)
        response.headers["x-tag"] = call.method
        return response

    async with running({"GET /a/{name}": ok}, middleware=[tag]) as site:
        status, fields, body = await site.get("/a/b?c")
        assert (status, body) == (200, b"ok")
        assert fields[b"x-tag"] == b"GET /a/{name}"
        assert site.counts("GET /a/{name}") == {200: 1}


async def test_what_no_route_matches_goes_through_the_services_middleware() -> None:
    """404, 405 with Allow, OPTIONS, and a redirect for a slash too much."""
    seen = []

    async def watch(call: Any, next: Handler) -> Any:
        call.request.reply_headers["x-seen"] = "yes"
        seen.append(call.method)
        return await next(call)

    async with running({"GET /a": ok}, middleware=[watch]) as site:
        status, fields, body = await site.get("/nope")
        assert (status, fields[b"x-seen"]) == (404, b"yes")
        assert fields[b"content-type"] == b"application/problem+json"
        assert json.loads(body)["detail"] == "there is nothing at /nope"
        status, fields, body = await site.get("/a", "DELETE")
        assert (status, fields[b"allow"]) == (405, b"GET, HEAD, OPTIONS")
        assert json.loads(body)["reason"] == "METHOD_NOT_ALLOWED"
        status, fields, _ = await site.get("/a", "OPTIONS")
        assert (status, fields[b"allow"]) == (204, b"GET, HEAD, OPTIONS")
        status, fields, _ = await site.get("/a/?x=y")
        assert (status, fields[b"location"]) == (308, b"/a?x=y")
        assert seen == ["unmatched"] * 4
        assert site.app.unmatched.counts.statuses == {404: 1, 405: 1, 204: 1, 308: 1}


@pytest.mark.parametrize(
    ("error", "status"), [(NotFound("no user 7"), 404), (HttpError(418, "short and stout"), 418)]
)
async def test_an_error_becomes_a_problem(error: Exception, status: int) -> None:
    """With its own words."""

    async def fail(call: Any) -> Response:
        raise error

    async with running({"GET /": fail}) as site:
        found, fields, body = await site.get("/")
        assert found == status
        assert fields[b"content-type"] == b"application/problem+json"
        assert json.loads(body)["detail"] == str(error)


async def test_a_bug_keeps_its_words_and_fills_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The peer learns nothing but 500; the log has the stack."""

    async def fail(call: Any) -> Response:
        raise ValueError("the password is swordfish")

    with caplog.at_level(logging.ERROR):
        async with running({"GET /": fail}) as site:
            status, _, body = await site.get("/")
    assert status == 500
    assert b"swordfish" not in body
    (record,) = ours(caplog)
    assert record.exc_info is not None
    assert "GET / failed" in record.message


async def test_a_call_that_never_waits_makes_no_scope_unless_it_asks() -> None:
    """And the scope it asks for has its deadline, peer, metadata and ids."""
    made: list[Any] = []

    async def idle(call: Any) -> Response:
        made.append(call._made)
        return Response("ok")

    async def asks(call: Any) -> Response:
        scope = Scope.current()
        assert scope is call.scope
        made.append(scope)
        with scope.child("inner", timeout=5) as inner:
            assert inner.parent is scope
            assert Scope.current() is inner
        assert Scope.current() is scope
        return Response(f"{scope.get(REQUEST_ID)} {scope.get(TRACE_ID)}")

    async with running({"GET /idle": idle, "GET /asks": asks}, call_timeout=7000) as site:
        await site.get("/idle")
        _, _, body = await site.get(
            "/asks", fields=f"X-Request-Id: r1\r\nTraceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n"
        )
        assert body == f"r1 {TRACE}".encode()
        assert made[0] is None
        scope = made[1]
        assert scope.name == "GET /asks"
        assert 5000 < scope.remaining() <= 7000
        assert scope.metadata.get("host") == "example.org"
        assert scope.peer.address.startswith("127.0.0.1:")
        assert site.calls.children() == []


async def test_a_call_that_waits_is_in_the_tree_and_leaves_it() -> None:
    """The drain and the cancellation of the service reach it."""
    go = asyncio.Event()

    async def wait(call: Any) -> Response:
        await go.wait()
        return Response("ok")

    async with running({"GET /": wait}) as site:
        getting = asyncio.ensure_future(site.get("/"))
        await site.wait_in_flight()
        (scope,) = site.calls.children()
        assert len(list(site.calls.tasks())) == 1
        assert site.server.statistics().in_flight == 1
        site.calls.drain()
        assert scope.draining
        go.set()
        assert (await getting)[0] == 200
        assert site.calls.children() == []
        assert site.app.tasks == {}


@pytest.mark.parametrize("how", ["coroutine", "thread"])
async def test_the_time_is_over(how: str) -> None:
    """504, and the work has stopped."""
    stopped = []

    async def slow(call: Any) -> Response:
        scope = Scope.current()
        try:
            if how == "thread":
                await to_thread(scope.sleep, 60)
            await asyncio.sleep(60)
        finally:
            stopped.append(scope.remaining() <= 0)
        return Response("late")

    async with running({"GET /": slow}, call_timeout=0.1) as site:
        status, _, body = await site.get("/")
        assert status == 504
        assert "0.1 s" in json.loads(body)["detail"]
        # After a machine has stood still, the peer may have its answer first.
        await site.wait_for(lambda: site.counts("GET /") == {504: 1})
        assert stopped == [True]


@pytest.mark.parametrize(
    ("field", "seconds"),
    [("X-Request-Timeout: 0.05", 0.05), ("X-Envoy-Expected-Rq-Timeout-Ms: 50", 0.05)],
)
async def test_the_caller_gives_a_deadline(
    field: str, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Shorter than ours, it holds; and is no word in the log, which the caller could fill."""

    async def slow(call: Any) -> Response:
        assert Scope.current().remaining() <= seconds
        await asyncio.sleep(60)
        return Response("late")

    async with running({"GET /": slow}) as site:
        assert (await site.get("/", fields=f"{field}\r\n"))[0] == 504
        await site.wait_for(lambda: site.counts("GET /") == {504: 1})
    told = [record for record in ours(caplog) if record.name == "mainstay.http"]
    assert [record for record in told if record.levelno > logging.DEBUG] == []


async def test_a_deadline_of_ours_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the caller allows: the service was too slow by its own measure."""

    async def slow(call: Any) -> Response:
        await asyncio.sleep(60)
        return Response("late")

    async with running({"GET /": slow}, call_timeout=0.05) as site:
        assert (await site.get("/", fields="X-Request-Timeout: 50\r\n"))[0] == 504
        await site.wait_for(lambda: site.counts("GET /") == {504: 1})
    told = [record.levelname for record in ours(caplog) if record.name == "mainstay.http"]
    assert "WARNING" in told


async def test_a_client_that_leaves_cancels_its_call() -> None:
    """Within the same turn; it is counted as 499."""
    ended = asyncio.Event()

    async def slow(call: Any) -> Response:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return Response("late")

    async with running({"GET /": slow}) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await site.wait_in_flight()
        await client.aclose()
        await asyncio.wait_for(ended.wait(), PATIENCE)
        await asyncio.sleep(0)
        assert site.counts("GET /") == {499: 1}
        assert site.calls.children() == []


async def test_a_detached_call_goes_on() -> None:
    """Its client has left, and it is finished all the same."""
    go, ended = asyncio.Event(), asyncio.Event()

    async def slow(call: Any) -> Response:
        await go.wait()
        ended.set()
        return Response("late")

    async with running({"GET /": slow}, options={"detached": True}) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await site.wait_in_flight()
        await client.aclose()
        await site.wait_for(lambda: site.server.statistics().connections == 0)
        go.set()
        await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_a_stream_is_sent_as_it_comes_and_closed_when_its_client_leaves() -> None:
    """The generator's cleanup runs at once, not when the garbage is collected."""
    closed = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def stream(call: Any) -> Response:
        return Response(parts(), content_type="text/plain")

    async with running({"GET /": stream}) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        status, fields = await client.head()
        assert (status, fields[b"content-type"]) == (200, b"text/plain")
        await client.until(b"4\r\ntick\r\n")
        await client.aclose()
        await asyncio.wait_for(closed.wait(), PATIENCE)


async def test_a_stream_that_fails_is_broken_off(caplog: pytest.LogCaptureFixture) -> None:
    """The client sees that it is not whole, and the log says why."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise ValueError("no")

    async def stream(call: Any) -> Response:
        return Response(parts())

    async with running({"GET /": stream}) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.head()
        try:
            rest = await client.rest()
        except ConnectionResetError:
            rest = b""
        assert not rest.endswith(b"0\r\n\r\n")
    assert "ValueError" in caplog.text


async def test_work_after_the_reply_is_part_of_the_call() -> None:
    """The client has its answer, and the call is still in flight."""
    go = asyncio.Event()
    done = []

    async def after() -> None:
        await go.wait()
        done.append(Scope.current().name)

    async def answer(call: Any) -> Response:
        return Response("ok", after=after)

    async with running({"GET /": answer}) as site:
        assert (await site.get("/"))[2] == b"ok"
        assert len(site.app.tasks) == 1
        go.set()
        await asyncio.gather(*site.app.tasks)
        assert done == ["GET /"]


async def test_every_call_has_a_context_of_its_own() -> None:
    """What one sets, the next does not see; what was set before the server opened, all see."""
    outer: ContextVar[str] = ContextVar("outer")
    inner: ContextVar[str] = ContextVar("inner", default="nothing")
    outer.set("application")

    async def answer(call: Any) -> Response:
        text = f"{outer.get()} {inner.get()}"
        inner.set("call")
        return Response(text)

    async with running({"GET /": answer}) as site:
        assert (await site.get("/"))[2] == b"application nothing"
        assert (await site.get("/"))[2] == b"application nothing"


async def test_more_calls_than_allowed_are_refused() -> None:
    """503 with retry-after, at once; connections are another number."""
    go = asyncio.Event()

    async def wait(call: Any) -> Response:
        await go.wait()
        return Response("ok")

    async with running({"GET /": wait}, in_flight=2) as site:
        waiting = [asyncio.ensure_future(site.get("/")) for _ in range(2)]
        await site.wait_in_flight(2)
        status, fields, _ = await site.get("/")
        assert (status, fields[b"retry-after"]) == (503, b"1")
        go.set()
        assert [found[0] for found in await asyncio.gather(*waiting)] == [200, 200]


async def test_fields_for_any_reply_give_way_to_the_replys_own() -> None:
    """Except cookies and vary, which add up."""

    async def answer(call: Any) -> Response:
        always = call.request.reply_headers
        always.add("set-cookie", "a=1")
        always.set("vary", "origin")
        always.set("x-frame-options", "DENY")
        return Response(
            "ok", headers=[("set-cookie", "b=2"), ("vary", "accept"), ("x-frame-options", "ALLOW")]
        )

    async with running({"GET /": answer}) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await client.until(b"\r\n\r\n")
        assert head.count(b"set-cookie: ") == 2
        assert b"vary: accept, origin\r\n" in head
        assert b"x-frame-options: ALLOW\r\n" in head
        assert b"DENY" not in head
        await client.aclose()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_the_connections_affair_a_handler_cannot_say_twice(method: str) -> None:
    """No second length, no other framing; what it says of a HEAD's length counts."""

    async def answer(call: Any) -> Response:
        headers = {"content-length": "999", "transfer-encoding": "chunked", "date": "today"}
        return Response("ok", headers={**headers, "connection": "close", "x-a": "b"})

    async with running({"GET /": answer}) as site:
        client = await site.connect()
        await client.send(method.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await client.until(b"\r\n\r\n")
        length = b"2" if method == "GET" else b"999"
        assert head.count(b"content-length: " + length + b"\r\n") == 1
        assert head.count(b"date: ") == head.count(b"connection: close\r\n") == 1
        assert b"transfer-encoding" not in head
        assert b"x-a: b\r\n" in head
        assert await client.rest() == (b"ok" if method == "GET" else b"")


async def test_a_stream_has_the_length_that_its_handler_sets() -> None:
    """As a field, or as `Response.length`."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"ok"

    async def answer(call: Any) -> Response:
        return Response(parts(), headers={"content-length": "2"})

    async with running({"GET /": answer}) as site:
        _, fields, body = await site.get("/")
        assert (fields[b"content-length"], body) == (b"2", b"ok")


async def test_an_address_for_websockets_says_so_to_others() -> None:
    """426, with the protocol to upgrade to."""

    async def only(call: Any) -> Response:
        raise HttpError(426, "WebSockets only", headers={"upgrade": "websocket"})

    async with running({"GET /": only}) as site:
        status, fields, _ = await site.get("/")
        assert (status, fields[b"upgrade"]) == (426, b"websocket")


async def test_work_after_the_reply_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    """The log has it; the client has its reply, and goes on with the connection."""

    async def after() -> None:
        await asyncio.sleep(0)
        raise ValueError("too late to tell")

    async def answer(call: Any) -> Response:
        return Response("ok", after=after)

    async with running({"GET /": answer}) as site:
        client = await site.connect()
        for _ in range(2):
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.reply())[2] == b"ok"
    assert len(ours(caplog)) == 2


async def test_a_deadline_that_ends_work_after_the_reply_leaves_the_connection_alone() -> None:
    """The next request on it is answered."""

    async def after() -> None:
        await asyncio.sleep(60)

    async def answer(call: Any) -> Response:
        return Response("ok", after=after if call.exchange.target == b"/?after" else None)

    async with running({"GET /": answer}, call_timeout=0.1) as site:
        client = await site.connect()
        await client.send(b"GET /?after HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.reply())[2] == b"ok"
        await asyncio.gather(*site.app.tasks)
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.reply())[2] == b"ok"


async def test_work_after_a_stream_is_done_also_when_its_client_has_left() -> None:
    """It has a shield's time for it."""
    done = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"tick"
            await asyncio.sleep(0)

    async def after() -> None:
        await asyncio.sleep(0)
        done.set()

    async def answer(call: Any) -> Response:
        return Response(parts(), after=after)

    async with running({"GET /": answer}) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.until(b"tick")
        await client.aclose()
        await asyncio.wait_for(done.wait(), PATIENCE)


async def test_the_log_of_a_failure_has_the_calls_ids() -> None:
    """Also when the handler has entered and left a scope of its own."""
    seen = []

    class Ids(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            scope = Scope.current_or_none()
            seen.append(None if scope is None else scope.get(REQUEST_ID))

    async def fail(call: Any) -> Response:
        with Scope("part", timeout=3):
            pass
        raise ValueError("no")

    logger = logging.getLogger("mainstay.http")
    logger.addHandler(handler := Ids())
    try:
        async with running({"GET /": fail}) as site:
            await site.get("/", fields="X-Request-Id: r1\r\n")
    finally:
        logger.removeHandler(handler)
    assert seen == ["r1"]


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, "cancelled"])
async def test_a_handler_ends_its_call_and_nothing_else(
    kind: Any, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What ends programs, raised in a handler, is a bug like any other: 500, and a stack."""

    async def fail(call: Any) -> Response:
        if waits:
            await asyncio.sleep(0)
        if kind == "cancelled":
            task = asyncio.create_task(asyncio.sleep(60))
            task.cancel()
            await task
        raise kind

    async with running({"GET /": fail, "GET /ok": ok}) as site:
        assert (await site.get("/"))[0] == 500
        assert (await site.get("/ok"))[2] == b"ok"
    assert "GET / failed" in caplog.text


@pytest.mark.parametrize("fails", [False, True])
async def test_a_peer_is_answered_though_the_handler_does_not_end(fails: bool) -> None:
    """Its time is over: 504, a moment later, whatever the handler makes of its cancellation; and that
    is what is counted when it has ended."""
    stubborn = asyncio.Event()

    async def swallow(call: Any) -> Response:
        while not stubborn.is_set():
            try:
                await stubborn.wait()
            except asyncio.CancelledError:
                continue
        if fails:
            raise ValueError("as it pleases")
        return Response("late")

    async with running({"GET /": swallow, "GET /ok": ok}, call_timeout=0.1) as site:
        assert (await site.get("/"))[0] == 504
        assert len(site.app.tasks) == 1
        stubborn.set()
        await asyncio.gather(*site.app.tasks)
        assert site.counts("GET /") == {504: 1}
        assert (await site.get("/ok"))[0] == 200


async def test_what_somebody_else_answers_on_the_port_is_told_of() -> None:
    """405 and OPTIONS have its methods beside those of routes; an unknown path stays one."""

    def others(path: str) -> set[str]:
        return {"PUT"} if path == "/a" else set()

    async with running({"GET /a": ok}) as site:
        assert isinstance(site.app, HttpApplication)
        site.app.know(others)
        status, fields, _ = await site.get("/a", "DELETE")
        assert (status, fields[b"allow"]) == (405, b"GET, HEAD, OPTIONS, PUT")
        status, fields, _ = await site.get("/a", "OPTIONS")
        assert (status, fields[b"allow"]) == (204, b"GET, HEAD, OPTIONS, PUT")
        assert (await site.get("/a"))[0] == 200
        assert (await site.get("/b"))[0] == 404


async def test_a_path_that_is_not_utf_8_is_refused() -> None:
    """With 400 where a route would answer, as a path of RPC is, and 404 where none would."""
    async with running({"GET /a/{name}": ok}) as site:
        status, _, body = await site.get("/a/%ff")
        assert (status, json.loads(body)["detail"]) == (
            400,
            "the path is not UTF-8 when it is decoded",
        )
        assert json.loads(body)["reason"] == "INVALID_REQUEST"
        assert (await site.get("/b/%ff"))[0] == 404
        assert (await site.get("/a/%ff", "PUT"))[0] == 405


@pytest.mark.parametrize("slashes", ["redirect", "ignore"])
async def test_a_slash_leads_to_what_somebody_else_answers(slashes: Slashes) -> None:
    """To a path that has the method; never to another host, and not away from a route."""

    def others(path: str) -> set[str]:
        return {"PUT"} if path in ("/a", "/b", "/c/", "//evil.example") else set()

    async with running({"GET /b/": ok}, slashes=slashes) as site:
        assert isinstance(site.app, HttpApplication)
        site.app.know(others)
        for path, location in (("/a/?q=1", b"/a?q=1"), ("/c", b"/c/")):
            status, fields, _ = await site.get(path, "PUT")
            assert (status, fields[b"location"]) == (308, location)
        for method, path in (("GET", "/a/"), ("PUT", "//evil.example/"), ("PUT", "/")):
            assert (await site.get(path, method))[0] == 404
        assert (await site.get("/b/", "PUT"))[0] == 405


async def test_where_slashes_are_strict_so_are_the_paths_of_others() -> None:
    """404."""
    async with running({"GET /b": ok}, slashes="strict") as site:
        assert isinstance(site.app, HttpApplication)
        site.app.know(lambda path: {"PUT"} if path == "/a" else ())
        assert (await site.get("/a/", "PUT"))[0] == 404
