"""What can be said about a route, and how what a group says and what a route says come together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypedDict

from mainstay.core.middleware import Layer
from mainstay.errors import WiringError
from mainstay.http.websocket_options import WebSocketOptions

__all__ = ["GroupOptions", "RouteOptions", "check_options", "merge"]


class GroupOptions(TypedDict, total=False):
    """Options of a group, which hold for all of its routes; see `Route` for each.

    ``middleware`` and ``tags`` of a group come before those of what is in it; ``responses`` and
    ``defaults`` are put together; of all else the inner one holds.
    """

    host: str | None
    middleware: Sequence[Layer]
    tags: Sequence[str]
    deprecated: bool
    documented: bool
    responses: Mapping[int, Any]
    body_limit: int | None
    timeout: float | None
    detached: bool
    vital: bool
    security: Sequence[Mapping[str, Sequence[str]]]
    defaults: Mapping[str, Any]
    socket: WebSocketOptions | None


class RouteOptions(GroupOptions, total=False):
    """Options of one route; see `Route` for each."""

    name: str
    summary: str | None
    description: str | None
    status: int | None


_ADDED: Final = ("middleware", "tags")
_UPDATED: Final = ("responses", "defaults")


def merge(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """The options of something with `inner` that stands in a group with `outer`."""
    merged = {**outer, **{key: value for key, value in inner.items() if value is not None}}
    for key in _ADDED:
        both = (*outer.get(key, ()), *inner.get(key, ()))
        # A tag is a word and counts once; a middleware that is listed twice runs twice.
        merged[key] = tuple(dict.fromkeys(both)) if key == "tags" else both
    for key in _UPDATED:
        merged[key] = {**(outer.get(key) or {}), **(inner.get(key) or {})}
    return merged


def check_options(options: Mapping[str, Any], of: type, where: str) -> None:
    """Refuse options that do not exist or have the wrong form.

    Args:
        options: as given.
        of: `RouteOptions` or `GroupOptions`.
        where: names what they are for.

    Raises: WiringError.
    """
    known = list(of.__annotations__) if of is GroupOptions else _ROUTE_OPTIONS
    for key, value in options.items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise WiringError(f"{where}: there is no option {key!r}; {hint}")
        if key in _ADDED and (isinstance(value, str) or not isinstance(value, Sequence)):
            raise WiringError(f"{where}: {key} is a list, not {value!r}")
        if key in _UPDATED and value is not None and not isinstance(value, Mapping):
            raise WiringError(f"{where}: {key} is a dict, not {value!r}")
    for layer in options.get("middleware", ()):
        if not callable(layer):
            raise WiringError(f"{where}: {layer!r} is no middleware, since it cannot be called")
    for key in ("body_limit", "timeout"):
        value = options.get(key)
        if value is not None and not value > 0:
            raise WiringError(f"{where}: {key} is more than 0, not {value!r}")


_ROUTE_OPTIONS: Final = [*GroupOptions.__annotations__, *RouteOptions.__annotations__]
