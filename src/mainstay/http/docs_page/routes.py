"""``/openapi.json``, and the page that shows it.

The page is ours: HTML, CSS and JavaScript without a build step, in the wheel. It asks nobody but
this server for anything, and its content security policy says so. Addresses in it are relative, so
it works behind any prefix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from mainstay.http.encode import encode_json
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.http.routes import Routes

__all__ = ["docs_routes"]

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # asked for each time, and 304 nearly always
}
_PAGE: Final = "index.html"


def docs_routes(
    document: Callable[[], Mapping[str, Any]],
    *,
    path: str = "/docs",
    document_path: str = "/openapi.json",
) -> Routes:
    """The routes of the page and of the document.

    Args:
        document: makes the OpenAPI document; asked once, by the first request.
        path: of the page; its assets stand below it.
        document_path: of the document, beside the page.
    """
    kept: list[_Asset] = []
    pages: list[_Asset] = []

    def made() -> tuple[_Asset, _Asset]:
        if not kept:
            found = document()
            kept.append(_Asset(encode_json(found), "application/json"))
            text = _page(path.rpartition("/")[2], document_path.rpartition("/")[2])
            policy = {"content-security-policy": _policy(found)}
            pages.append(_Asset(text, _TYPES["html"], policy))
        return kept[0], pages[0]

    assets = _assets()
    routes = Routes(documented=False)

    @routes.get(document_path, name="openapi")
    async def openapi(request: Request) -> Response:
        """The description of this service, by OpenAPI."""
        return made()[0].response(request)

    @routes.get(path, name="docs")
    async def docs(request: Request) -> Response:
        """The page."""
        return made()[1].response(request)

    for name, asset in assets.items():
        routes.get(f"{path}/{name}", name=f"docs.{name}")(_handler(asset))
    return routes


class _Asset:
    """Bytes that do not change while the service runs."""

    def __init__(self, body: bytes, content_type: str, headers: Mapping[str, str] = {}) -> None:
        self._body = body
        self._type = content_type
        self._etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        self._headers = {**_HEADERS, **headers, "etag": self._etag}

    def response(self, request: Request) -> Response:
        """The bytes, or 304 for who has them (RFC 9110 §13.1.2)."""
        known = ",".join(request.headers.get_all("if-none-match"))
        if known.strip() == "*" or self._etag in [
            each.strip().removeprefix("W/") for each in known.split(",")
        ]:
            return Response(b"", 304, self._headers)
        return Response(self._body, 200, self._headers, content_type=self._type)


def _handler(asset: _Asset) -> Callable[[Request], Any]:
    async def read_asset(request: Request) -> Response:
        return asset.response(request)

    return read_asset


def _assets() -> dict[str, _Asset]:
    folder = files(__package__) / "assets"
    return {
        each.name: _Asset(each.read_bytes(), _TYPES[each.name.rpartition(".")[2]])
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
        if each.name != _PAGE
    }


def _page(folder: str, document: str) -> bytes:
    text = (files(__package__) / "assets" / _PAGE).read_text("utf-8")
    return text.replace('"docs/', f'"{folder}/').replace('"openapi.json"', f'"{document}"').encode()


def _policy(document: Mapping[str, Any]) -> str:
    """Nothing from elsewhere; requests also to the servers that the document names."""
    hosts = []
    for server in document.get("servers", ()):
        parts = urlsplit(server["url"])
        if parts.scheme in ("http", "https") and "{" not in parts.netloc:
            hosts.append(f"{parts.scheme}://{parts.netloc}")
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            " ".join(["connect-src 'self'", *hosts]),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
