"""Static files: what is below the folder, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mainstay.errors import HttpError, NotFound, UsageError
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.http.static import Static
from mainstay.testing.exchange import MemoryExchange

pytestmark = pytest.mark.real_loop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site, with a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (site / "empty").mkdir()
    (site / ".git").mkdir()
    (site / "index.html").write_text("home")
    (site / "docs" / "index.html").write_text("docs")
    (site / "docs" / "a b.txt").write_text("text")
    (site / ".env").write_text("hidden")
    (site / ".git" / "config").write_text("hidden")
    (site / "out.txt").symlink_to(tmp_path / "secret.txt")
    (site / "outside").symlink_to(tmp_path)
    (site / "inside.txt").symlink_to(site / "docs" / "a b.txt")
    (site / "circle").symlink_to(site / "circle")
    return site


async def get(
    static: Static, path: str, target: str | None = None, method: str = "GET", **fields: str
) -> Response:
    exchange = MemoryExchange(method, target or f"/assets/{path}", fields.items())
    return await static.serve(Request(exchange), path)


async def test_a_file_is_served(folder: Path) -> None:
    """With its type and tag."""
    response = await get(Static(folder), "docs/a b.txt")
    assert (response.status, response.body) == (200, b"text")
    assert response.content_type == "text/plain; charset=utf-8"
    assert "etag" in response.headers


async def test_a_folder_is_its_index(folder: Path) -> None:
    """At the root and below, with the slash."""
    assert (await get(Static(folder), "", "/assets/")).body == b"home"
    assert (await get(Static(folder), "docs/")).body == b"docs"


async def test_a_folder_without_its_slash_is_a_redirect(folder: Path) -> None:
    """Relative, so that links in the page lead where they should; the query stays."""
    response = await get(Static(folder), "docs", "/assets/docs?a=1")
    assert (response.status, response.headers["location"]) == (308, "./docs/?a=1")
    (folder / "example.org").mkdir()
    (folder / "example.org" / "index.html").write_text("x")
    hostile = await get(Static(folder), "example.org", "//example.org")
    assert hostile.headers["location"] == "./example.org/"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "docs/../../secret.txt",
        "docs/../index.html",
        "..",
        "./index.html",
        "/etc/passwd",
        "//etc/passwd",
        "docs//index.html",
        "..\\secret.txt",
        "index.html\0.txt",
        "out.txt",
        "outside/secret.txt",
        "outside/site/index.html/../../secret.txt",
        "circle",
        ".env",
        ".git/config",
        "..%2fsecret.txt",
        "index.html/",
        "none.txt",
        "none/",
        "empty/",
        "empty",
        "x" * 300,
        "a/" * 3000,
        "\ud800",
    ],
    ids=lambda path: ascii(path)[:40],
)
async def test_nothing_else_is_served(path: str, folder: Path) -> None:
    """What is outside, hidden, misspelt or missing looks all the same."""
    with pytest.raises(NotFound, match="no such file"):
        await get(Static(folder), path, "/assets/x")


async def test_a_link_may_lead_to_what_is_inside(folder: Path) -> None:
    """It is where it leads that counts."""
    assert (await get(Static(folder), "inside.txt")).body == b"text"


async def test_hidden_files_may_be_allowed(folder: Path) -> None:
    """Such as ``.well-known``; going up stays impossible."""
    static = Static(folder, dotfiles=True)
    assert (await get(static, ".env")).body == b"hidden"
    with pytest.raises(NotFound):
        await get(static, "../secret.txt", "/assets/x")


async def test_an_application_gets_its_shell(folder: Path) -> None:
    """Browsers that ask for a page do, never from their store; scripts and images do not."""
    static = Static(folder, fallback="index.html", cache_control="max-age=3600")
    page = await get(static, "users/7", accept="text/html,*/*;q=0.8")
    assert (page.status, page.body) == (200, b"home")
    assert page.headers["cache-control"] == "no-cache"
    assert "accept" in page.headers["vary"].split(", ")
    for accept in ("image/png", "*/*"):
        with pytest.raises(NotFound):
            await get(static, "none.png", accept=accept)
    assert (await get(static, "inside.txt")).headers["cache-control"] == "max-age=3600"


async def test_files_are_for_reading(folder: Path) -> None:
    """405 with what is possible."""
    with pytest.raises(HttpError) as caught:
        await get(Static(folder), "index.html", method="POST")
    assert (caught.value.status, caught.value.headers) == (405, {"allow": "GET, HEAD"})
    assert caught.value.reason == "METHOD_NOT_ALLOWED"
    assert (await get(Static(folder), "index.html", method="HEAD")).status == 200


async def test_siblings_are_sent_by_default(folder: Path) -> None:
    """A folder is the service's own, unlike any file."""
    (folder / "a.js").write_text("plain")
    (folder / "a.js.gz").write_text("gzip")
    os.utime(folder / "a.js", (1, 1))
    response = await get(Static(folder), "a.js", **{"accept-encoding": "gzip"})
    assert response.body == b"gzip"


@pytest.mark.parametrize("options", [{"directory": "none"}, {"fallback": "none.html"}], ids=str)
def test_what_cannot_be_served_is_found_at_the_start(options: dict[str, Any], folder: Path) -> None:
    """Not by the first visitor."""
    with pytest.raises(UsageError, match=r"none"):
        Static(**{"directory": folder, **options})
