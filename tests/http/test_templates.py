"""Pages from templates: escaped, with the request, rendered in a thread."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import jinja2
import pytest

from mainstay.errors import UsageError
from mainstay.http.request import Request
from mainstay.http.response import Prepared, Response
from mainstay.http.templates import Templates
from mainstay.testing.exchange import MemoryExchange

pytestmark = pytest.mark.real_loop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One page and its parts."""
    (tmp_path / "base.html").write_text("<h1>{% block title %}{% endblock %}</h1>")
    (tmp_path / "page.html").write_text(
        '{% extends "base.html" %}{% block title %}{{ name }} at {{ request.path }}{% endblock %}'
    )
    return tmp_path


def request(path: str = "/here") -> Request:
    return Request(MemoryExchange("GET", path))


async def rendered(response: Response) -> Response:
    assert isinstance(response, Prepared)
    return await response.prepare(request())


async def test_a_page_is_rendered(folder: Path) -> None:
    """With its base, the request that is answered, and the type of its name."""
    response = await rendered(Templates(folder).response("page.html", name="Ada"))
    assert (response.status, response.body) == (200, b"<h1>Ada at /here</h1>")
    assert response.content_type == "text/html; charset=utf-8"


async def test_a_page_has_the_status_fields_and_request_that_are_given(folder: Path) -> None:
    """Also cookies that were set on it."""
    page = Templates(folder).response(
        "page.html", request("/there"), status=404, headers={"x-a": "b"}, name="Ada"
    )
    page.set_cookie("seen", "1")
    response = await rendered(page)
    assert (response.status, response.body) == (404, b"<h1>Ada at /there</h1>")
    assert response.headers["x-a"] == "b"
    assert "seen=1" in response.headers["set-cookie"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", "&lt;b&gt;"),
        ("a.html.j2", "&lt;b&gt;"),
        ("a.xml", "&lt;b&gt;"),
        ("a.unknown", "&lt;b&gt;"),
        ("a.txt", "<b>"),
        ("a.TXT.j2", "<b>"),
    ],
)
async def test_what_is_put_in_is_escaped(name: str, text: str, folder: Path) -> None:
    """But in formats without markup."""
    (folder / name).write_text("{{ value }}")
    assert await Templates(folder).render(name, value="<b>") == text


async def test_templates_name_routes(folder: Path) -> None:
    """By the function that was given, and see globals and filters."""
    (folder / "a.html").write_text("{{ url_for('user', id=7) }} {{ brand|shout }}")
    templates = Templates(
        folder,
        url_for=lambda name, **params: f"/{name}s/{params['id']}",
        globals={"brand": "mainstay"},
        filters={"shout": str.upper},
    )
    assert await templates.render("a.html") == "/users/7 MAINSTAY"


async def test_rendering_is_done_in_a_thread(folder: Path) -> None:
    """The loop goes on meanwhile."""
    (folder / "a.html").write_text("{{ thread() }}")
    found = await Templates(folder).render("a.html", thread=threading.get_ident)
    assert int(found) != threading.get_ident()


async def test_a_missing_name_is_nothing_or_an_error(folder: Path) -> None:
    """As the service prefers."""
    (folder / "a.html").write_text("[{{ missing }}]")
    assert await Templates(folder).render("a.html") == "[]"
    with pytest.raises(jinja2.UndefinedError, match="missing"):
        await Templates(folder, strict=True).render("a.html")


async def test_a_template_that_is_not_there_is_the_programs_fault(folder: Path) -> None:
    """So is one that is malformed, and the line is named; no name leads out of the folder."""
    (folder / "bad.html").write_text("\n{% if %}")
    templates = Templates(folder)
    with pytest.raises(UsageError, match=r"none\.html"):
        await templates.render("none.html")
    with pytest.raises(UsageError, match=r"bad\.html, line 2"):
        await templates.render("bad.html")
    with pytest.raises(UsageError, match="no template"):
        await templates.render("../../etc/passwd")


async def test_several_folders_are_searched_in_order(folder: Path) -> None:
    """So that a theme replaces single pages."""
    theme = folder / "theme"
    theme.mkdir()
    (theme / "base.html").write_text("<h2>{% block title %}{% endblock %}</h2>")
    text = await Templates([theme, folder]).render("page.html", name="Ada", request=request())
    assert text == "<h2>Ada at /here</h2>"


def test_a_folder_that_is_not_there_is_refused(folder: Path) -> None:
    """When the templates are made, not at the first page."""
    with pytest.raises(UsageError, match="none"):
        Templates(folder / "none")


def test_without_jinja_it_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra, by its name."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"mainstay\[templates\]"):
        Templates(folder)
