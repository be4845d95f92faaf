"""Folders of files as routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainstay.errors import UsageError, WiringError
from mainstay.http.routes import Routes


def test_a_folder_is_one_route(tmp_path: Path) -> None:
    """Below its path, with a name for `url_for`, and not in OpenAPI."""
    routes = Routes("/site")
    routes.static("/assets", tmp_path, tags=["files"])
    [route] = routes.routes()
    assert (route.path, route.methods) == ("/site/assets/{path:path}", ("GET",))
    assert (route.name, route.documented, route.tags) == ("assets", False, ("files",))
    assert routes.url_for("assets", path="a/b.js") == "/site/assets/a/b.js"


def test_a_folder_may_be_the_root(tmp_path: Path) -> None:
    """For an application in the browser, beside the routes of its interface."""
    routes = Routes()
    routes.static("", tmp_path, name="app")
    [route] = routes.routes()
    assert (route.path, route.name) == ("/{path:path}", "app")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """When it is declared; so is a path with a slash at its end."""
    with pytest.raises(UsageError, match="none"):
        Routes().static("/assets", tmp_path / "none")
    with pytest.raises(WiringError, match="slash"):
        Routes().static("/assets/", tmp_path)
