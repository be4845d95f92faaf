"""Facts about the middleware of HTTP in whole services: WebSockets, OpenAPI, order, prefixes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mainstay import Scope, Service, Settings
from mainstay.core.call import Middleware
from mainstay.errors import UpstreamError
from mainstay.http import (
    HttpSettings,
    Principal,
    Request,
    WebSocket,
    access_log,
    bearer,
    body_limit,
    compression,
    cors,
    csrf,
    principal_of,
    rate_limit,
    recover,
    request_id,
    require,
    security_headers,
    session_of,
    sessions,
    static_files,
    timeout,
    tokens,
    trusted_proxies,
)
from mainstay.http.middleware.principal import PRINCIPAL
from mainstay.testing.http import http_client

TOKEN = bearer(tokens({"t": Principal("ada", frozenset({"read"}))}))
AUTHORIZATION = {"authorization": "Bearer t"}


def talking(*middleware: Middleware, route: tuple[Middleware, ...] = ()) -> Service:
    """A service with a WebSocket that says who calls."""
    service = Service("talk", middleware=middleware)

    @service.websocket("/talk", middleware=route)
    async def talk(socket: WebSocket[str, str]) -> None:
        async for said in socket:
            await socket.send(f"{said} {_principal()}")

    @service.get("/")
    async def root() -> str:
        return "ok"

    return service


def _principal() -> str:
    found = Scope.current().get(PRINCIPAL)
    return "-" if found is None else found.name


async def refused(service: Service, **headers: str) -> int:
    """The status that a WebSocket is refused with."""
    async with http_client(service) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with pytest.raises(UpstreamError) as caught:
            async with client.websocket("/talk", headers=named):
                pass
        return caught.value.status


async def test_a_websocket_is_refused_before_it_is_accepted() -> None:
    """With a plain reply: who is nobody, who may not, who comes too often, another site's page."""
    assert await refused(talking(TOKEN)) == 401
    assert await refused(talking(TOKEN), authorization="Bearer x") == 401
    assert await refused(talking(TOKEN, require("admin")), **AUTHORIZATION) == 403
    assert await refused(talking(csrf()), sec_fetch_site="cross-site") == 403
    assert await refused(talking(recover(), TOKEN)) == 401


async def test_a_websocket_counts_for_the_rate() -> None:
    """Like any call, by the address that a trusted proxy tells."""
    service = talking(rate_limit(1, key=lambda call: "everybody"))
    async with http_client(service) as client:
        async with client.websocket("/talk") as socket:
            await socket.send("hello")
            assert await socket.receive() == "hello -"
        with pytest.raises(UpstreamError) as caught:
            async with client.websocket("/talk"):
                pass
    assert caught.value.status == 429


async def test_a_websocket_passes_all_of_them(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever may talk does; the record is written at the end."""
    caplog.set_level(logging.INFO, "mainstay.access")
    layers: list[Middleware] = [
        trusted_proxies(["10.0.0.0/8"]),
        request_id(),
        access_log(),
        security_headers(),
        cors(origins=["https://app.example"]),
        compression(),
        recover(),
        timeout(0.001),
        body_limit(0),
        rate_limit(10),
        sessions(["0123456789abcdef"]),
        csrf(keys=["0123456789abcdef"]),
        static_files("."),
        TOKEN,
        require("read"),
    ]
    async with (
        http_client(talking(*layers)) as client,
        client.websocket("/talk", headers=AUTHORIZATION) as socket,
    ):
        await socket.send("hello")
        assert await socket.receive() == "hello ada"
        assert [each for each in caplog.records if each.name == "mainstay.access"] == []
    (record,) = [each for each in caplog.records if each.name == "mainstay.access"]
    assert vars(record)["status"] == 101


async def test_the_first_listed_runs_first() -> None:
    """A preflight has no credentials, so what asks for them stands inside of CORS."""
    preflight = {"origin": "https://app.example", "access-control-request-method": "GET"}
    shared = cors(origins=["https://app.example"])
    orders: list[tuple[list[Middleware], int]] = [([shared, TOKEN], 204), ([TOKEN, shared], 401)]
    for layers, status in orders:
        service = Service("order", middleware=layers)
        service.get("/")(_root)
        async with http_client(service) as client:
            reply = await client.request("OPTIONS", "/", headers=preflight)
            assert reply.status == status


async def _root() -> str:
    return "ok"


async def test_openapi_knows_who_may_call() -> None:
    """The schemes of the service, and the scopes that a route asks for."""
    service = Service("described", middleware=[TOKEN])
    service.get("/any")(_root)

    @service.get("/read", middleware=[require("read", scheme="bearer")])
    async def read() -> str:
        return principal_of().name

    async with http_client(service) as client:
        document: Any = (await client.get("/openapi.json")).json()
        assert document["paths"]["/any"]["get"]["security"] == [{"bearer": []}]
        assert document["paths"]["/read"]["get"]["security"] == [{"bearer": ["read"]}]
        schemes = document["components"]["securitySchemes"]
        assert schemes == {"bearer": {"type": "http", "scheme": "bearer"}}
        assert "401" in document["paths"]["/read"]["get"]["responses"]
        assert (await client.get("/read", headers=AUTHORIZATION)).text == "ada"


async def test_the_page_of_the_docs_keeps_its_policy() -> None:
    """It and the probes stand outside of the service's middleware."""
    service = Service("docs", middleware=[security_headers(csp="default-src ftp:"), TOKEN])
    service.get("/")(_root)
    async with http_client(service) as client:
        page = await client.get("/docs")
        assert page.status == 200
        assert "script-src 'self'" in page.headers.get_all("content-security-policy")[0]
        assert "ftp:" not in str(list(page.headers))
        assert (await client.get("/livez")).status == 200


async def test_a_service_below_a_prefix() -> None:
    """By its settings; probes answer with it and without."""
    service = Service("below")

    @service.get("/orders", name="orders")
    async def orders(request: Request) -> str:
        return request.root + service.url_for("orders")

    settings = Settings(http=HttpSettings(prefix="/shop"))
    async with http_client(service, settings=settings) as client:
        assert (await client.get("/shop/orders")).text == "/shop/orders"
        assert (await client.get("/orders")).text == "/orders"
        assert (await client.get("/livez")).status == 200
        document: Any = (await client.get("/shop/openapi.json")).json()
        assert document["servers"] == [{"url": "/shop"}]


async def test_a_session_lives_in_the_browsers_cookies() -> None:
    """From one request to the next."""
    service = Service("session", middleware=[sessions(["0123456789abcdef"])])

    @service.get("/")
    async def visits() -> int:
        session = session_of()
        session["n"] = session.get("n", 0) + 1
        return int(session["n"])

    async with http_client(service) as client:
        reply = await client.get("/")
        cookie = (reply.headers.get("set-cookie") or "").partition(";")[0]
        assert (await client.get("/", headers={"cookie": cookie})).json() == 2
