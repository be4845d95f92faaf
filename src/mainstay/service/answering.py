"""How a service is told what it answers by HTTP: the part of `Service` that is about routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

if TYPE_CHECKING:
    from mainstay.http.options import GroupOptions, RouteOptions
    from mainstay.http.routes import Routes
    from mainstay.service.declaration import Declaration

__all__ = ["Answering"]

F = TypeVar("F", bound=Callable[..., Any])


class Answering:
    """Routes of the service itself; groups of them are `mainstay.http.routes.Routes`.

    Attributes:
        declaration: what the service is made of.
    """

    declaration: Declaration

    def get(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer GET, and HEAD, at `path` with the decorated function.

        Its parameters are filled from the path by name, by type (`Scope`, `Request`, the
        configuration, resources), and else from the query and the body. ``async def`` is awaited,
        ``def`` runs in a thread, an async generator streams.

        Args:
            path: such as ``/users/{id:int}``; there are uuid, date, int, float, slug and path.
            options: see `mainstay.http.options.RouteOptions`.

        Raises: WiringError when something is wrong with it, or when the same requests have an
            answer; both routes are quoted.
        """
        return self.declaration.routes.get(path, **options)

    def head(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer HEAD otherwise than by what GET would send; see `get`."""
        return self.declaration.routes.head(path, **options)

    def post(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer POST; see `get`."""
        return self.declaration.routes.post(path, **options)

    def put(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer PUT; see `get`."""
        return self.declaration.routes.put(path, **options)

    def patch(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer PATCH; see `get`."""
        return self.declaration.routes.patch(path, **options)

    def delete(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer DELETE; see `get`."""
        return self.declaration.routes.delete(path, **options)

    def options(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer OPTIONS otherwise than with the list of methods; see `get`."""
        return self.declaration.routes.options(path, **options)

    def route(
        self, path: str, methods: Sequence[str], **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        """Answer several methods, or one that has no decorator; see `get`."""
        return self.declaration.routes.route(path, methods, **options)

    def websocket(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Take WebSockets at `path` with the decorated function; see `get`."""
        return self.declaration.routes.websocket(path, **options)

    def mount(self, path: str, app: Callable[..., Any], **options: Unpack[RouteOptions]) -> None:
        """Let an ASGI application answer everything at and below `path`.

        It starts before the service answers, and stops after the drain.

        Args:
            path: without a slash at its end; ``""`` for everything that has no other route.
            app: the application.
            options: see `get`.
        """
        self.declaration.routes.mount(path, app, **options)

    def static(
        self,
        path: str,
        directory: str | PathLike[str],
        *,
        index: str | None = "index.html",
        fallback: str | None = None,
        cache_control: str | None = None,
        dotfiles: bool = False,
        precompressed: bool = True,
        **options: Unpack[RouteOptions],
    ) -> None:
        """Serve the files below `directory` at and below `path`.

        Args:
            path: without a slash at its end; ``""`` for everything that has no other route.
            directory: exists by now.
            index: the file that stands for a folder; None for none.
            fallback: sent to browsers in the place of a page that does not exist.
            cache_control: the field of that name.
            dotfiles: whether names that begin with a dot are served.
            precompressed: whether siblings such as ``app.js.br`` are sent to who accepts them.
            options: see `get`.

        Raises: UsageError when there is no such folder; and as `get`.
        """
        self.declaration.routes.static(
            path,
            directory,
            index=index,
            fallback=fallback,
            cache_control=cache_control,
            dotfiles=dotfiles,
            precompressed=precompressed,
            **options,
        )

    def include(
        self,
        routes: Routes,
        prefix: str = "",
        *,
        name: str = "",
        **options: Unpack[GroupOptions],
    ) -> None:
        """Have a group of routes.

        Args:
            routes: the group; routes that it gets later count as well.
            prefix: what their paths begin with.
            name: what their names begin with.
            options: hold for all of them; see `mainstay.http.options.GroupOptions`.
        """
        self.declaration.routes.include(routes, prefix, name=name, **options)

    def url_for(self, name: str, /, **params: Any) -> str:
        """The address of a route: its path, after ``//host`` if it has a host.

        Args:
            name: of the route: its function's unless it was given one, behind those of its groups.
            params: values for the parameters, checked and percent-encoded. What is left becomes
                the query; lists are repeated, None is left out.

        Raises: UsageError for a name that no route has or that several have, for a parameter
            without a value, and for a value that the route would not match.
        """
        return self.declaration.routes.url_for(name, **params)
