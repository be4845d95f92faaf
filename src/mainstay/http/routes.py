"""Routes as their author declares them: one by one, in groups, and groups in groups.

::

    users = Routes("/users", tags=["users"], middleware=[authenticated])

    @users.get("/{id:int}")
    async def read_user(id: int) -> User: ...

    service.include(users, prefix="/v1")        # GET /v1/users/{id:int}

A group that is included stays what it is: routes that it gets later are there too, and it may be
included in several places. What a group says about its routes: `GroupOptions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Final, TypeVar, Unpack, cast

from mainstay.errors import WiringError
from mainstay.http.options import GroupOptions, RouteOptions, check_options, merge
from mainstay.http.pattern import parse_host, parse_path
from mainstay.http.route import Route, RouteKind
from mainstay.http.router import ANY_METHOD, WEBSOCKET
from mainstay.http.urls import Urls, describe

__all__ = ["Routes"]

F = TypeVar("F", bound=Callable[..., Any])

_METHOD: Final = re.compile(r"[A-Z]+(?:-[A-Z]+)*")


@dataclass(frozen=True, slots=True, eq=False)
class _Declared:
    """A route as it was said, before its groups have their say."""

    path: str
    methods: tuple[str, ...]
    kind: RouteKind
    function: Callable[..., Any]
    options: Mapping[str, Any]

    def route(self, prefix: str, outer: Mapping[str, Any], name: str) -> Route:
        options = merge(outer, self.options)
        own = options.pop("name", "") or (
            "" if self.kind == "mount" else getattr(self.function, "__name__", "")
        )
        return Route(
            path=prefix + self.path,
            prefix=prefix,
            methods=self.methods,
            kind=self.kind,
            function=self.function,
            name=name + own if own else "",
            **options,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Included:
    """A group at its place in another."""

    routes: Routes
    prefix: str
    name: str
    options: Mapping[str, Any]


class Routes:
    """A group of routes.

    Args:
        prefix: what their paths begin with, such as ``/users`` or ``/{tenant}``.
        name: what their names begin with: ``admin`` makes ``admin.index`` of ``index``.
        options: what holds for all of them.

    Raises: WiringError for a prefix or an option that cannot be.
    """

    def __init__(
        self, prefix: str = "", *, name: str = "", **options: Unpack[GroupOptions]
    ) -> None:
        self._own = _group(prefix, name, options, f"Routes({prefix!r})")
        self._entries: list[_Declared | _Included] = []
        self._taken: dict[object, Route] = {}
        self._urls: tuple[int, Urls] | None = None

    # --- declaring ------------------------------------------------------------------------------

    def get(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer GET, and HEAD, at `path` with the decorated function.

        Args:
            path: below the group's prefix; ``""`` for the prefix itself.
            options: see `RouteOptions`.

        Raises: WiringError when something is wrong with it, or when the same requests have an
            answer; both routes are quoted.
        """
        return self.route(path, ("GET",), **options)

    def head(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer HEAD otherwise than by what GET would send; see `get`."""
        return self.route(path, ("HEAD",), **options)

    def post(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer POST; see `get`."""
        return self.route(path, ("POST",), **options)

    def put(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer PUT; see `get`."""
        return self.route(path, ("PUT",), **options)

    def patch(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer PATCH; see `get`."""
        return self.route(path, ("PATCH",), **options)

    def delete(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer DELETE; see `get`."""
        return self.route(path, ("DELETE",), **options)

    def options(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Answer OPTIONS otherwise than with the list of methods; see `get`."""
        return self.route(path, ("OPTIONS",), **options)

    def route(
        self, path: str, methods: Sequence[str], **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        """Answer several methods, or one that has no decorator; see `get`."""
        said = _check_path(path, "route" if len(methods) != 1 else methods[0].lower())
        if isinstance(methods, str) or not methods:
            raise WiringError(f"{said}: methods is a list such as ['GET', 'POST'], not {methods!r}")
        wanted = tuple(dict.fromkeys(method.upper() for method in methods))
        for method in wanted:
            if not _METHOD.fullmatch(method) or method in (WEBSOCKET, "CONNECT"):
                raise WiringError(f"{said}: {method!r} is no method that can be answered")
        return self._decorator(path, wanted, "http", options, said)

    def websocket(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Take WebSockets at `path` with the decorated function; see `get`."""
        said = _check_path(path, "websocket")
        return self._decorator(path, (), "websocket", options, said)

    def mount(self, path: str, app: Callable[..., Any], **options: Unpack[RouteOptions]) -> None:
        """Let an ASGI application answer everything at and below `path`.

        Args:
            path: without a slash at its end; ``""`` for everything that has no other route.
            app: the application.
            options: see `RouteOptions`.

        Raises: as `get`.
        """
        said = f"mount({path!r})"
        _check_prefix(path, said)
        # It is told when its client leaves, and what it does then is its own affair.
        detached = {"detached": True, **options}
        self._decorator(path, (), "mount", detached, said)(app)

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
            index: see `mainstay.http.static.Static`, as for all of the following.
            fallback: sent to browsers in the place of a page that does not exist.
            cache_control: the field of that name.
            dotfiles: whether names that begin with a dot are served.
            precompressed: whether siblings such as ``app.js.br`` are sent to who accepts them.
            options: see `RouteOptions`; without ``documented=True`` it is left out of OpenAPI.

        Raises: UsageError when there is no such folder; and as `get`.
        """
        # Here, because most services serve no files.
        from mainstay.http.static import Static  # noqa: PLC0415

        _check_prefix(path, f"static({path!r})")
        files = Static(
            directory,
            index=index,
            fallback=fallback,
            cache_control=cache_control,
            dotfiles=dotfiles,
            precompressed=precompressed,
        )
        options.setdefault("documented", False)
        options.setdefault("name", path.strip("/").replace("/", ".") or "static")
        self.get(f"{path}/{{path:path}}", **options)(files.serve)

    def _decorator(
        self,
        path: str,
        methods: tuple[str, ...],
        kind: RouteKind,
        options: Mapping[str, Any],
        said: str,
    ) -> Callable[[F], F]:
        check_options(options, RouteOptions, said)

        def add(function: F) -> F:
            if not callable(function):
                raise WiringError(f"{said}: {function!r} cannot be called")
            self._add(_Declared(path, methods, kind, function, options))
            return function

        return add

    def _add(self, declared: _Declared) -> None:
        """Keep it, unless it or its likeness is there; those in other groups are seen later."""
        route = declared.route(self._own.prefix, self._own.options, "")
        shape = parse_path(route.path or "/").shape
        host = None if route.host is None else parse_host(route.host).shape
        methods = route.methods or (ANY_METHOD if route.kind == "mount" else WEBSOCKET,)
        for method in methods:
            other = self._taken.setdefault((method, shape, host), route)
            if other is not route:
                message = f"{describe(route)} answers to the same requests as {describe(other)}"
                raise WiringError(message)
        self._entries.append(declared)

    # --- groups ---------------------------------------------------------------------------------

    def include(
        self,
        routes: Routes,
        prefix: str = "",
        *,
        name: str = "",
        **options: Unpack[GroupOptions],
    ) -> None:
        """Have the routes of another group here too.

        Args:
            routes: the group; routes that it gets later count as well.
            prefix: goes before its own, and behind this group's.
            name: what their names begin with.
            options: hold for all of them.

        Raises: WiringError for a group that would be in itself, and as `Routes` does.
        """
        said = f"include({routes!r}, {prefix!r})"
        if not isinstance(cast("object", routes), Routes):
            raise WiringError(f"{said}: only Routes can be included; an ASGI app is mounted")
        if routes._has(self):
            raise WiringError(f"{said}: a group cannot be in itself")
        group = _group(prefix, name, options, said)
        self._entries.append(_Included(routes, group.prefix, group.name, group.options))

    def _has(self, other: Routes) -> bool:
        inner = [each.routes for each in self._entries if isinstance(each, _Included)]
        return self is other or any(each._has(other) for each in inner)

    # --- what there is --------------------------------------------------------------------------

    def routes(self) -> list[Route]:
        """Every route, also of included groups, with what its groups say, in order."""
        return [route for route, _ in self.named_routes()]

    def named_routes(self) -> list[tuple[Route, bool]]:
        """The same, each with whether its name was given, rather than taken from its function."""
        return [*self._walk("", "", {})]

    def _walk(
        self, prefix: str, name: str, options: Mapping[str, Any]
    ) -> Iterator[tuple[Route, bool]]:
        prefix += self._own.prefix
        name += self._own.name
        options = merge(options, self._own.options)
        for entry in self._entries:
            if isinstance(entry, _Declared):
                yield entry.route(prefix, options, name), bool(entry.options.get("name"))
            else:
                yield from entry.routes._walk(
                    prefix + entry.prefix, name + entry.name, merge(options, entry.options)
                )

    def url_for(self, name: str, /, **params: Any) -> str:
        """The address of a route: its path, after ``//host`` if it has a host.

        Args:
            name: of the route: its function's unless it was given one, behind those of its groups.
            params: values for the parameters, checked and percent-encoded. What is left becomes
                the query; lists are repeated, None is left out.

        Raises: UsageError for a name that no route has or that several have, for a parameter
            without a value, and for a value that the route would not match.
        """
        size = self._size()
        if self._urls is None or self._urls[0] != size:
            self._urls = (size, Urls(self.named_routes()))
        return self._urls[1].url_for(name, params)

    def _size(self) -> int:
        """Grows with every route, here and in what is included."""
        return sum(
            1 + each.routes._size() if isinstance(each, _Included) else 1 for each in self._entries
        )

    def __repr__(self) -> str:
        return f"<Routes {self._own.prefix or '/'} routes={len(self.routes())}>"


@dataclass(frozen=True, slots=True)
class _Group:
    """What a group says about what is in it."""

    prefix: str
    name: str
    options: Mapping[str, Any]


def _group(prefix: str, name: str, options: Mapping[str, Any], said: str) -> _Group:
    _check_prefix(prefix, said)
    check_options(options, GroupOptions, said)
    host = options.get("host")
    if host is not None:
        parse_host(host)
    return _Group(prefix, f"{name}." if name else "", options)


def _check_prefix(prefix: str, said: str) -> None:
    if not isinstance(cast("object", prefix), str):
        raise WiringError(f"{said}: a prefix is text such as '/users', not {prefix!r}")
    if prefix.endswith("/"):
        raise WiringError(f"{said}: leave out the slash at the end; it begins the paths behind it")
    if prefix:
        parse_path(f"{prefix}/")


def _check_path(path: str, decorator: str) -> str:
    if not isinstance(cast("object", path), str):
        message = f"@{decorator} needs a path, such as @{decorator}('/users/{{id}}'), not {path!r}"
        raise WiringError(message)
    if path:
        # Behind a prefix as well, where "a" would make "/users" answer at "/usersa".
        parse_path(path)
    return f"{decorator}({path!r})"
