"""A service serves a folder itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mainstay import Service, Settings
from mainstay.http.settings import HttpSettings
from tests.net.serving import Client

SETTINGS = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))


async def get(address: str, path: str) -> tuple[int, dict[bytes, bytes], bytes]:
    host, _, number = address.removeprefix("tcp://").rpartition(":")
    client = Client(*await asyncio.open_connection(host, int(number)))
    await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    status, fields = await client.head()
    body = await client.rest()
    await client.aclose()
    return status, fields, body


@pytest.mark.real_loop
async def test_a_folder_is_served_and_nothing_beside_it(tmp_path: Path) -> None:
    """Index, redirects for slashes, and 404 for every way out, by the real router."""
    site = tmp_path / "site"
    (site / "guide").mkdir(parents=True)
    (site / "index.html").write_text("home")
    (site / "guide" / "index.html").write_text("guide")
    (tmp_path / "secret.txt").write_text("secret")
    service = Service("site")
    service.static("/assets", site, cache_control="max-age=60")
    async with service.running(settings=SETTINGS) as running:
        [address] = running.addresses
        status, fields, body = await get(address, "/assets/")
        assert (status, body, fields[b"cache-control"]) == (200, b"home", b"max-age=60")
        status, fields, _ = await get(address, "/assets")
        assert (status, fields[b"location"]) == (308, b"/assets/")
        status, fields, _ = await get(address, "/assets/guide")
        assert (status, fields[b"location"]) == (308, b"./guide/")
        assert (await get(address, "/assets/guide/"))[2] == b"guide"
        for way in ("..", "%2e%2e", ".%2e", "guide/../..", "guide%2f..%2f..", "%2e%2e%5c", "%00"):
            status, _, body = await get(address, f"/assets/{way}/secret.txt")
            assert (status, body == b"secret") == (404, False), way
