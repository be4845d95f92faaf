"""A service shows its routes at ``/docs``."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from mainstay import Service
from mainstay.http.settings import HttpSettings
from mainstay.service.settings import Settings


async def get(address: str, path: str) -> tuple[int, bytes]:
    """Status and body of what is answered there."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body


def settings(**options: Any) -> Settings:
    return Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",), **options))


def shop() -> Service:
    service = Service("shop")

    @service.get("/items/{id:int}")
    async def read_item(id: int) -> str:
        return f"item {id}"

    return service


@pytest.mark.real_loop
async def test_the_page_and_the_document_are_there_without_asking() -> None:
    """The document has the routes of the service, and none of its operators'."""
    async with shop().running(settings=settings()) as running:
        (address,) = running.addresses
        assert (await get(address, "/docs"))[0] == 200
        assert (await get(address, "/docs/docs.js"))[0] == 200
        status, body = await get(address, "/openapi.json")
    assert status == 200
    document = msgspec.json.decode(body)
    assert document["info"]["title"] == "shop"
    assert list(document["paths"]) == ["/items/{id}"]


@pytest.mark.real_loop
async def test_they_can_be_turned_off() -> None:
    """With ``mainstay.http.docs``."""
    async with shop().running(settings=settings(docs=False)) as running:
        (address,) = running.addresses
        assert (await get(address, "/docs"))[0] == 404
        assert (await get(address, "/openapi.json"))[0] == 404


@pytest.mark.real_loop
async def test_they_need_no_probes() -> None:
    """One can be there without the other."""
    async with shop().running(settings=settings(probes=False)) as running:
        (address,) = running.addresses
        assert (await get(address, "/docs"))[0] == 200


@pytest.mark.real_loop
async def test_a_route_of_the_service_at_their_address_wins() -> None:
    """A team with a page of its own keeps it."""
    service = shop()

    @service.get("/docs")
    async def docs() -> str:
        return "ours"

    async with service.running(settings=settings()) as running:
        (address,) = running.addresses
        assert await get(address, "/docs") == (200, b"ours")


@pytest.mark.real_loop
async def test_a_mounted_application_alone_keeps_its_own_page() -> None:
    """A service that documents nothing itself does not stand in its way."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["path"].encode()})

    service = Service("shop")
    service.mount("", app)
    async with service.running(settings=settings()) as running:
        (address,) = running.addresses
        assert await get(address, "/docs") == (200, b"/docs")
