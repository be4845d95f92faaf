"""Facts about files behind the routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.http.middleware.static_files import static_files
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk


async def api(call: Any) -> Response:
    """Answers for a route."""
    return Response("api")


def folder(path: Path) -> Path:
    (path / "app.js").write_text("js")
    (path / "index.html").write_text("page")
    (path / ".env").write_text("secret")
    (path / "api").write_text("file")
    return path


async def body_of(desk: Desk, target: str) -> bytes:
    reply = await desk.ask(target)
    assert reply.status == 200
    return reply.body


async def test_what_no_route_matches_may_be_a_file(tmp_path: Path) -> None:
    """Routes win; what is neither is 404; other methods are what they were."""
    desk = Desk([static_files(folder(tmp_path))], {"GET /api": api})
    assert await body_of(desk, "/api") == b"api"
    assert await body_of(desk, "/app.js") == b"js"
    assert await body_of(desk, "/") == b"page"
    assert (await desk.ask("/nope.js")).status == 404
    assert (await desk.ask("/app.js", "POST")).status == 404
    assert (await desk.ask("/api", "DELETE")).status == 405
    assert (await desk.ask("/app.js", "HEAD")).status == 200


async def test_files_may_stand_below_a_prefix(tmp_path: Path) -> None:
    """Which is whole segments."""
    desk = Desk([static_files(folder(tmp_path), prefix="/assets")], {"GET /api": api})
    assert await body_of(desk, "/assets/app.js") == b"js"
    assert (await desk.ask("/app.js")).status == 404
    assert (await desk.ask("/assetsapp.js")).status == 404


@pytest.mark.parametrize(
    "target",
    ["/../secret", "/%2e%2e/secret", "/..%2fsecret", "/.env", "/a%00b", "/%5c..%5csecret"],
)
async def test_nothing_else_can_be_read(tmp_path: Path, target: str) -> None:
    """Neither beside the folder nor what is hidden in it."""
    (tmp_path / "secret").write_text("secret")
    site = tmp_path / "site"
    site.mkdir()
    desk = Desk([static_files(folder(site))], {"GET /api": api})
    reply = await desk.ask(target)
    assert reply.status == 404
    assert b"secret" not in reply.body.replace(b"at /", b"").partition(b"detail")[0]


async def test_the_shell_of_an_application_is_for_browsers(tmp_path: Path) -> None:
    """Pages that do not exist are its business; a fetch gets its 404."""
    desk = Desk([static_files(folder(tmp_path), fallback="index.html")], {"GET /api": api})
    reply = await desk.ask("/orders/7", fields=[("accept", "text/html,*/*")])
    assert reply.body == b"page"
    assert (await desk.ask("/orders/7", fields=[("accept", "*/*")])).status == 404
    assert await body_of(desk, "/api") == b"api"


def test_a_wrong_folder_or_prefix_is_refused(tmp_path: Path) -> None:
    """When it is made."""
    with pytest.raises(UsageError):
        static_files(tmp_path / "nope")
    for prefix in ("assets", "/assets/", "/"):
        with pytest.raises(UsageError, match="prefix"):
            static_files(tmp_path, prefix=prefix)
