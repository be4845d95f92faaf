"""From the name of a route and the values of its parameters to the address it answers at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote, urlencode

from mainstay.core.signature import where
from mainstay.errors import UsageError, WiringError
from mainstay.http.converters import PATH
from mainstay.http.pattern import Hole, Part, Pattern, parse_host, parse_path
from mainstay.http.route import Route

__all__ = ["REST", "Urls", "describe"]

REST = "path"
"""The parameter of a mount that takes what stands behind its prefix."""


def describe(route: Route) -> str:
    """A route as messages quote it: what it answers to, and where it stands."""
    if route.kind == "mount" and not hasattr(route.function, "__code__"):
        return f"{route.method_name} of {route.function!r}"
    return f"{route.method_name} of {where(route.function)}"


class Urls:
    """The names of some routes.

    Args:
        routes: each with whether its name was given, rather than taken from its function.

    Raises: WiringError when a name was given twice.
    """

    def __init__(self, routes: Iterable[tuple[Route, bool]]) -> None:
        given: dict[str, list[Route]] = {}
        taken: dict[str, list[Route]] = {}
        for route, named in routes:
            others = (given if named else taken).setdefault(route.name, [])
            if named and others and others[0].function is not route.function:
                message = (
                    f"{describe(route)} is named {route.name!r}, and so is {describe(others[0])}"
                )
                raise WiringError(message)
            others.append(route)
        # A name that somebody chose goes before one that a function happens to have.
        self._routes = {**taken, **given}
        self._routes.pop("", None)

    def url_for(self, name: str, params: Mapping[str, Any]) -> str:
        """See `Routes.url_for`."""
        routes = self._routes.get(name)
        if routes is None:
            near = get_close_matches(name, self._routes, 3)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "give one a name"
            raise UsageError(f"there is no route named {name!r}; {hint}")
        functions = {route.function for route in routes}
        if len(functions) > 1:
            said = " and ".join(describe(route) for route in routes)
            raise UsageError(f"{name!r} is ambiguous; give names to {said}")
        return _address(name, [each for route in routes for each in _patterns(route)], params)


def _patterns(route: Route) -> Iterator[tuple[Pattern, Pattern | None]]:
    host = None if route.host is None else parse_host(route.host)
    if route.kind != "mount":
        yield parse_path(route.path), host
        return
    yield parse_path(f"{route.path}/{{{REST}:path}}"), host
    yield parse_path(route.path or "/"), host


def _address(
    name: str, patterns: list[tuple[Pattern, Pattern | None]], params: Mapping[str, Any]
) -> str:
    """The address by the pattern that takes the most of `params`."""
    missing: list[str] = []
    best: tuple[Pattern, Pattern | None] | None = None
    most = -1
    for path, host in patterns:
        names = (*(host.names if host else ()), *path.names)
        lacking = [each for each in names if each not in params]
        if lacking:
            missing = missing or lacking
        elif len(names) > most:
            best, most = (path, host), len(names)
    if best is None:
        said = ", ".join(repr(each) for each in missing)
        raise UsageError(f"the address of {name!r} needs a value for {said}")
    path, host = best
    address = "/" + "/".join(_part(part, path, params, _segment) for part in path.parts)
    if address.startswith("//"):
        # A reader of the address would take what follows for a host.
        address = f"/.{address}"
    used = {*path.names}
    if host is not None:
        used |= {*host.names}
        labels = ".".join(_part(part, host, params, _label) for part in host.parts)
        address = f"//{labels}{address}"
    query = urlencode([*_query(params, used)])
    return f"{address}?{query}" if query else address


def _part(
    part: Part, pattern: Pattern, params: Mapping[str, Any], encode: Callable[[str, bool], str]
) -> str:
    if isinstance(part, str):
        return encode(part, False)
    text = part.prefix + _text(part, pattern, params[part.name]) + part.suffix
    whole = part.converter is PATH
    steps = text.split("/") if whole else [text]
    if any(step in (".", "..") for step in steps):
        message = f"{text!r} for {part.name!r} of {pattern.text} would be read as a step in a path"
        raise UsageError(message)
    return encode(text, whole)


def _text(hole: Hole, pattern: Pattern, value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    if hole.converter.convert(text) is None:
        message = (
            f"{value!r} cannot be {hole.name!r} of {pattern.text}, which is "
            f"{hole.converter.meaning}"
        )
        raise UsageError(message)
    return text


def _segment(text: str, slashes: bool) -> str:
    return quote(text, safe="/" if slashes else "")


def _label(text: str, _: bool) -> str:
    encoded = text if text.startswith("[") else quote(text, safe="")
    if "%" in encoded or "." in encoded:
        raise UsageError(f"{text!r} cannot be a part of a host")
    return encoded


def _query(params: Mapping[str, Any], used: set[str]) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if name in used or value is None:
            continue
        for each in value if isinstance(value, list | tuple | set | frozenset) else (value,):
            # As JSON writes it, and as parameters of type bool are read.
            yield name, str(each).lower() if isinstance(each, bool) else str(each)
