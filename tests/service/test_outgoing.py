"""The HTTP client of a service: its settings, and what travels with its requests."""

from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import NotFound
from mainstay.http.client import ClientLimits, HttpClient
from mainstay.http.client_settings import ClientSettings
from mainstay.http.request import Request
from mainstay.service.service import Service
from mainstay.service.settings import Settings
from mainstay.testing.http import http_client, http_server


def make() -> Service:
    """`/ask` asks `/told` of the address given, by the service's own client."""
    service = Service("relay")

    @service.get("/ask", timeout=300)
    async def ask(at: str, client: HttpClient) -> dict[str, str | None]:
        return await client.get(f"{at}/told", into=dict)

    @service.get("/told")
    async def told(request: Request, scope: Scope) -> dict[str, str | None]:
        names = ("x-request-id", "x-request-timeout", "traceparent")
        return {name: request.headers.get(name) for name in names}

    return service


@pytest.mark.real_loop
async def test_a_call_goes_on_in_the_services_it_asks() -> None:
    """Request id, trace and what is left of the deadline travel on."""
    async with http_server(make()) as client:
        trace = "0af7651916cd43dd8448eb211c80319c"
        headers = {
            "x-request-id": "the-one",
            "traceparent": f"00-{trace}-b7ad6b7169203331-01",
        }
        told = await client.get(
            "/ask", params={"at": client._base_url}, headers=headers, into=dict[str, str]
        )
        assert told["x-request-id"] == "the-one"
        assert told["traceparent"].split("-")[1] == trace
        assert told["traceparent"].split("-")[2] != "b7ad6b7169203331"
        assert 0 < float(told["x-request-timeout"].rstrip("s")) <= 300


async def test_the_configuration_says_how() -> None:
    """The table `[mainstay.client]` is the client's."""
    service = Service("configured")

    @service.handler("client")
    async def client(client: HttpClient) -> HttpClient:
        return client

    settings = Settings(
        client=ClientSettings(timeout=3.0, limits=ClientLimits(connections=7), proxies=True)
    )
    async with service.running(settings=settings) as running:
        found: HttpClient = await running.call("client")
        assert found._timeout == 3.0
        assert found._sender._limits.connections == 7
        assert found._sender._proxies is not None
    async with service.running() as running:
        assert (await running.call("client"))._sender._proxies is None


async def test_a_handler_of_http_asks_for_it_by_type() -> None:
    """It is no parameter of the request."""
    service = Service("typed")

    @service.get("/kind")
    async def kind(client: HttpClient) -> str:
        return type(client).__name__

    async with http_client(service) as client:
        assert (await client.get("/kind")).text == "HttpClient"


async def test_a_failure_of_another_server_is_a_bad_gateway() -> None:
    """Uncaught, an error of theirs is 502, and so is a reply that is no JSON or of another type;
    nothing of it is told."""
    other = Service("other")

    @other.get("/error")
    async def error() -> None:
        raise NotFound("their secret")

    @other.get("/text")
    async def text() -> str:
        return "their secret"

    @other.get("/type")
    async def of_another_type() -> dict[str, str]:
        return {"name": "their secret"}

    ours = Service("ours")

    @ours.get("/{page}")
    async def relay(page: str, client: HttpClient) -> Any:
        return await client.get(f"/{page}", into=dict[str, int])

    async with (
        http_client(other) as theirs,
        http_client(ours, overrides={HttpClient: theirs}) as client,
    ):
        for page in ("error", "text", "type"):
            reply = await client.get(f"/{page}")
            assert (reply.status, reply.problem is not None) == (502, True), page
            assert "secret" not in reply.text
