"""``mainstay routes``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from mainstay.cli.exits import Command, Exit
from mainstay.cli.target import find_service, target_options
from mainstay.http.route import Route
from mainstay.rpc.method import Kind, RpcMethod
from mainstay.rpc.settings import RpcSettings
from mainstay.service.checking import wired_with_settings

__all__ = ["command"]

_COLUMNS = ("method", "path", "host", "name", "function", "middleware")


@click.command("routes", cls=Command, exits=[Exit.NOT_IMPORTED, Exit.CONFIG])
@target_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a route, for scripts.")
def command(target: str, files: tuple[Path, ...], flags: tuple[str, ...], as_json: bool) -> None:
    """Show what a service answers to by HTTP, in the order of declaration.

    Everything is checked as for a start. GET answers HEAD too, every path answers OPTIONS; probes
    and metrics are not listed. Methods of RPC follow: the paths that they have for JSON, and their
    own. Middleware is that of groups, routes and methods, outermost first, inside that of the
    service.
    """
    declaration = find_service(target).declaration
    wiring, settings = wired_with_settings(
        declaration, files=files or None, flags=flags, environ=os.environ
    )
    rows = [_row(each) for each in declaration.routes.routes()] if declaration.has_routes else []
    if wiring.rpc is not None:
        for service in declaration.rpc.values():
            for method in service:
                rules = [each.rule for each in wiring.rpc.paths if each.method is method]
                rows += [_rpc_row(method, [each.verb], each.path) for each in rules]
                rows.append(_rpc_row(method, _own_verbs(method, settings.rpc), method.path))
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    for line in _table(rows):
        click.echo(line)


def _row(route: Route) -> dict[str, Any]:
    methods = {"websocket": ["WEBSOCKET"], "mount": ["*"]}.get(route.kind, list(route.methods))
    return {
        "method": methods,
        "path": route.path or "/",
        "host": route.host,
        "name": route.name,
        "function": _say(route.function),
        "middleware": [_say(each) for each in route.middleware],
    }


def _own_verbs(method: RpcMethod, settings: RpcSettings) -> list[str]:
    """Those of the path that is its name: Connect asks by GET for what changes nothing."""
    asked = settings.connect and method.idempotent and method.kind is Kind.UNARY
    return ["POST", "GET"] if asked else ["POST"]


def _rpc_row(method: RpcMethod, verbs: list[str], path: str) -> dict[str, Any]:
    return {
        "method": verbs,
        "path": path,
        "host": None,
        "name": method.full_name,
        "function": "" if method.function is None else _say(method.function),
        "middleware": [_say(each) for each in method.middleware],
    }


def _say(function: Callable[..., Any]) -> str:
    """A function, or an object that can be called, by module and name."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}".replace(".<locals>", "")


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Columns two spaces apart; one that is empty in every row is left out."""
    texts = [[_text(row[column]) for column in _COLUMNS] for row in rows]
    used = [index for index in range(len(_COLUMNS)) if any(row[index] for row in texts)]
    lines = [
        [_COLUMNS[index] for index in used],
        *([row[index] for index in used] for row in texts),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if not rows:
        return ["no routes"]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else value or ""
