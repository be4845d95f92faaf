"""Pages from Jinja2 templates; needs ``pip install mainstay[templates]``.

Rendering is the work of a thread: templates are read and compiled when they are first used, their
files are looked at for changes, and a large page takes milliseconds. What is in the context is
therefore used in a thread too; fetch everything before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mainstay.core.threads import to_thread
from mainstay.errors import UsageError
from mainstay.http.headers import HeaderSource
from mainstay.http.media_types import guess_type
from mainstay.http.request import Request
from mainstay.http.response import Prepared, Response

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Templates"]

# The only formats in which markup means nothing.
_PLAIN: Final = (".txt", ".md", ".csv")
_TEMPLATE: Final = (".j2", ".jinja", ".jinja2")


class Templates:
    """The templates below a folder.

    Everything that is put into a page is escaped, in every template but those that end in
    ``.txt``, ``.md`` or ``.csv``; ``.j2`` and its kin at the very end do not count.

    Args:
        directory: where they are; several are searched in order.
        url_for: what templates call to name a route, such as ``service.url_for``.
        globals: more that every template sees.
        filters: more filters.
        strict: a name that the context lacks is an error, rather than nothing.
        reload: whether a changed file is noticed without a restart.

    Attributes:
        environment: Jinja's own, for what has no argument here.

    Raises: UsageError when Jinja2 is not installed, or a folder does not exist.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        url_for: Callable[..., str] | None = None,
        globals: Mapping[str, Any] | None = None,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        strict: bool = False,
        reload: bool = True,
    ) -> None:
        folders = [directory] if isinstance(directory, str | os.PathLike) else [*directory]
        for folder in folders:
            if not Path(folder).is_dir():
                raise UsageError(f"templates: {os.fspath(folder)!r} is no folder")
        self.environment = _environment(folders, strict=strict, reload=reload)
        if url_for is not None:
            self.environment.globals["url_for"] = url_for
        self.environment.globals.update(globals or {})
        self.environment.filters.update(filters or {})

    def response(
        self,
        name: str,
        request: Request | None = None,
        /,
        *,
        status: int = 200,
        headers: HeaderSource | None = None,
        **context: Any,
    ) -> Response:
        """A reply with the template `name`, rendered when the handler has returned.

        Args:
            name: relative to the folder.
            request: what templates see as ``request``; the one that is answered unless given.
            status: of the reply.
            headers: more fields.
            context: what else the template sees.

        Rendering raises: UsageError for a template that does not exist or is malformed; what the
        template itself raises.
        """
        return _Page(self, name, request, context, status, headers)

    async def render(self, name: str, /, **context: Any) -> str:
        """The text that the template `name` makes of `context`, for mails and the like.

        Raises: as `response` says.
        """
        return await to_thread(self._render, name, context)

    def _render(self, name: str, context: Mapping[str, Any]) -> str:
        from jinja2 import TemplateNotFound, TemplateSyntaxError  # noqa: PLC0415

        try:
            template = self.environment.get_template(name)
        except TemplateNotFound as error:
            raise UsageError(f"there is no template {error.name!r}") from None
        except TemplateSyntaxError as error:
            place = f"{error.name or name}, line {error.lineno}"
            raise UsageError(f"the template {place} is malformed: {error.message}") from error
        return template.render(context)

    def __repr__(self) -> str:
        return f"<Templates {getattr(self.environment.loader, 'searchpath', [])}>"


class _Page(Prepared):
    """A template and its context, on the way to be rendered."""

    __slots__ = ("_context", "_name", "_request", "_templates")

    def __init__(
        self,
        templates: Templates,
        name: str,
        request: Request | None,
        context: dict[str, Any],
        status: int,
        headers: HeaderSource | None,
    ) -> None:
        super().__init__(b"", status, headers, content_type=_content_type(name))
        self._templates = templates
        self._name = name
        self._request = request
        self._context = context

    async def prepare(self, request: Request) -> Response:
        """See `Prepared.prepare`."""
        context = {"request": self._request or request, **self._context}
        text = await to_thread(self._templates._render, self._name, context)
        response = Response(
            text.encode(), self.status, self._headers, content_type=self.content_type
        )
        response.after = self.after
        return response


def _environment(
    folders: Sequence[str | os.PathLike[str]], *, strict: bool, reload: bool
) -> Environment:
    try:
        import jinja2  # noqa: PLC0415
    except ImportError:
        message = "templates need Jinja2: pip install 'mainstay[templates]'"
        raise UsageError(message) from None
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=_escapes,  # noqa: S701 (it is on for all but plain text)
        undefined=jinja2.StrictUndefined if strict else jinja2.Undefined,
        auto_reload=reload,
    )


def _escapes(name: str | None) -> bool:
    return name is None or not _target(name).endswith(_PLAIN)


def _content_type(name: str) -> str:
    return guess_type(_target(name))


def _target(name: str) -> str:
    """The name of what a template makes: ``mail.txt`` of ``mail.txt.j2``."""
    for ending in _TEMPLATE:
        name = name.removesuffix(ending)
    return name.lower()
