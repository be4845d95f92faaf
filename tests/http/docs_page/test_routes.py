"""The page and the document: what is sent, and that it asks nobody else for anything."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from mainstay.http.docs_page.routes import docs_routes
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.http.routes import Routes
from mainstay.testing.exchange import MemoryExchange

DOCUMENT = {"openapi": "3.1.1", "info": {"title": "T", "version": "1"}, "paths": {}}
ASSETS = files("mainstay.http.docs_page") / "assets"


async def get(
    path: str, document: dict[str, Any] = DOCUMENT, known: str = "", routes: Routes | None = None
) -> Response:
    routes = routes or docs_routes(lambda: document)
    (route,) = [each for each in routes.routes() if each.path == path]
    fields = [("if-none-match", known)] if known else []
    response = await route.function(Request(MemoryExchange(target=path, fields=fields)))
    assert isinstance(response, Response)
    return response


async def test_the_document_is_json() -> None:
    """As it was made."""
    response = await get("/openapi.json")
    assert response.content_type == "application/json"
    assert isinstance(response.body, bytes)
    assert msgspec.json.decode(response.body) == DOCUMENT


async def test_the_document_is_made_once_and_late() -> None:
    """When the first request wants it: routes are still declared before."""
    made = []

    def document() -> dict[str, Any]:
        made.append(1)
        return DOCUMENT

    routes = docs_routes(document)
    assert made == []
    for route in routes.routes():
        await route.function(Request(MemoryExchange()))
    assert made == [1]


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/docs.css"])
async def test_who_has_it_gets_nothing_again(path: str) -> None:
    """304 for its ETag, strong or weak, alone or among others; all of it for another."""
    etag = (await get(path)).headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = await get(path, known=known)
        assert (response.status, response.body, response.headers["etag"]) == (304, b"", etag)
    assert (await get(path, known='"other"')).status == 200


async def test_the_page_may_run_its_own_scripts_only() -> None:
    """Its policy allows nothing inline, nothing from elsewhere, and no framing."""
    policy = (await get("/docs")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


async def test_requests_may_go_to_the_servers_of_the_document() -> None:
    """Trying out needs them; their origins, and no path."""
    document = {**DOCUMENT, "servers": [{"url": "https://api.example.org/v1"}, {"url": "/"}]}
    policy = (await get("/docs", document)).headers["content-security-policy"]
    assert "connect-src 'self' https://api.example.org;" in policy


async def test_every_asset_that_the_page_names_is_there() -> None:
    """By an address relative to the page, wherever it stands."""
    routes = docs_routes(lambda: DOCUMENT, path="/internal/api", document_path="/internal/api.json")
    there = {route.path for route in routes.routes()}
    body = (await get("/internal/api", routes=routes)).body
    assert isinstance(body, bytes)
    named = re.findall(r'(?:href|src)="([^"#]+)"', body.decode())
    assert "api.json" in named
    assert {f"/internal/{each}" for each in named} <= there
    for script in ASSETS.iterdir():
        for other in re.findall(r'from "\./([^"]+)"', script.read_text("utf-8")):
            assert f"/internal/api/{other}" in there


@pytest.mark.parametrize("asset", sorted(each.name for each in ASSETS.iterdir()))
def test_assets_ask_nobody_else(asset: str) -> None:
    """No address of another host is loaded, no style or handler stands inline."""
    text = (ASSETS / asset).read_text("utf-8")
    found = set(re.findall(r"https?://[\w.]+", text))
    assert found <= {"http://www.w3.org", "https://example.org"}
    assert asset != "docs.css" or "url(" not in text
    assert not re.search(r"@import|innerHTML|eval\(|\son\w+=\"|style=\"|<script>", text)


async def test_assets_say_what_they_are() -> None:
    """Types are exact, since browsers are told not to guess."""
    types = {
        "docs.css": "text/css; charset=utf-8",
        "docs.js": "text/javascript; charset=utf-8",
        "icon.svg": "image/svg+xml",
    }
    for name, wanted in types.items():
        response = await get(f"/docs/{name}")
        assert response.content_type == wanted
        assert response.headers["x-content-type-options"] == "nosniff"


def test_the_page_is_not_in_its_own_document() -> None:
    """It is there for people who read the others."""
    assert not any(route.documented for route in docs_routes(lambda: DOCUMENT).routes())
