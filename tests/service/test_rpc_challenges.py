"""Who is refused is told how to prove who they are, whatever RPC came by."""

from dataclasses import dataclass
from typing import Any

import pytest

from mainstay import Service
from mainstay.http.middleware.auth import basic, bearer, passwords, tokens
from mainstay.http.middleware.principal import Principal, require
from mainstay.rpc import Get, PermissionDeniedFailure, Rpc, UnauthenticatedFailure
from mainstay.testing import http_client, rpc_channel


@dataclass
class Item:
    sku: str = ""


TOKENS = tokens({"ada": "ada", "root": Principal("root", frozenset({"stock:write"}))})


def make(*middleware: Any) -> tuple[Service, Rpc]:
    """A method by all ways."""
    rpc = Rpc("shop.v1.Stock")

    @rpc.method(http=Get("/v1/items/{sku}"), idempotent=True)
    async def get_item(request: Item, who: Principal) -> Item:
        return request

    service = Service("shop", middleware=middleware)
    service.add_rpc(rpc)
    return service, rpc


@pytest.mark.parametrize("given", [{}, {"authorization": "Bearer wrong"}])
@pytest.mark.parametrize("way", ["own path", "connect", "connect get"])
async def test_a_refused_call_by_http_says_how(given: dict[str, str], way: str) -> None:
    """401 has ``www-authenticate``, as RFC 9110 §15.5.2 wants it, as routes have."""
    async with http_client(make(bearer(TOKENS))[0], headers=given) as client:
        if way == "own path":
            reply = await client.get("/v1/items/a")
        elif way == "connect":
            reply = await client.post("/shop.v1.Stock/GetItem", json={"sku": "a"})
        else:
            query = {"connect": "v1", "encoding": "json", "message": "{}"}
            reply = await client.get("/shop.v1.Stock/GetItem", params=query)
    assert reply.status == 401
    told = 'Bearer realm="service"' + (', error="invalid_token"' if given else "")
    assert reply.headers.get_all("www-authenticate") == [told]


async def test_each_way_to_prove_it_is_told_once() -> None:
    """Also those that were optional, when the method asks who calls."""
    ways = (basic(passwords({}), optional=True), bearer(TOKENS, optional=True))
    async with http_client(make(*ways)[0]) as client:
        reply = await client.get("/v1/items/a")
    assert reply.status == 401
    assert reply.headers.get_all("www-authenticate") == [
        'Basic realm="service", charset="UTF-8"',
        'Bearer realm="service"',
    ]


async def test_a_missing_scope_is_told() -> None:
    """403 says which."""
    service, _ = make(bearer(TOKENS), require("stock:write"))
    async with http_client(service, headers={"authorization": "Bearer ada"}) as client:
        reply = await client.get("/v1/items/a")
    assert reply.status == 403
    told = 'Bearer error="insufficient_scope", scope="stock:write"'
    assert reply.headers.get_all("www-authenticate") == [told]


async def test_grpc_has_its_codes() -> None:
    """A caller of gRPC gets UNAUTHENTICATED and PERMISSION_DENIED, and passes with its token."""
    service, rpc = make(bearer(TOKENS), require("stock:write"))
    async with rpc_channel(service) as channel:
        get_item = rpc.client(channel).get_item
        with pytest.raises(UnauthenticatedFailure):
            await get_item(Item("a"))
        with pytest.raises(PermissionDeniedFailure):
            await get_item(Item("a"), metadata={"authorization": "Bearer ada"})
        assert await get_item(Item("a"), metadata={"authorization": "Bearer root"}) == Item("a")
