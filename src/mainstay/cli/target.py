"""From ``MODULE:NAME`` on the command line to the service it means."""

from __future__ import annotations

import difflib
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from mainstay.service.service import Service

__all__ = ["NOT_IMPORTED", "NotImported", "find_service", "target_options"]

NOT_IMPORTED: Final = 4
"""Exit code when the application cannot be imported (gunicorn's)."""


class NotImported(click.ClickException):
    """The service named on the command line cannot be had."""

    exit_code = NOT_IMPORTED


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options that every command about a service has."""
    for decorate in (
        click.option(
            "--set",
            "flags",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set one configuration value, such as mainstay.log.level=debug; repeatable.",
        ),
        click.option(
            "--config",
            "files",
            metavar="FILE",
            multiple=True,
            type=click.Path(path_type=Path),
            help="A TOML or YAML file; repeatable, later ones win. [default: NAME.toml, if any]",
        ),
        click.argument("target", metavar="MODULE:NAME", shell_complete=_complete),
    ):
        function = decorate(function)
    return function


def find_service(target: str) -> Service:
    """Import the module and find the service in it.

    Args:
        target: ``module``, ``module:name`` or, for a factory, ``module:name()``.

    Raises: NotImported that says what is missing and what there is.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module_name, _, name = target.partition(":")
    module = _import(module_name)
    if not name:
        return _only_service(module)
    found = _attribute(module, name.removesuffix("()"))
    if name.endswith("()"):
        found = _guarded(f"{target} failed", found)
    if not isinstance(found, Service):
        hint = f"; to call it, say {target}()" if callable(found) else ""
        message = f"{target} is a {type(found).__name__}, not a Service{hint}"
        raise NotImported(message)
    return found


def _import(name: str) -> ModuleType:
    if name.endswith(".py") or "/" in name:
        module = name.removesuffix(".py").strip("./").replace("/", ".")
        message = f"{name!r} is a file; name the module as Python imports it: {module}"
        raise NotImported(message)
    if not name or not all(part.isidentifier() for part in name.split(".")):
        message = f"{name!r} is no module name; say MODULE:NAME, such as shop.app:service"
        raise NotImported(message)
    try:
        found = _guarded(f"cannot import {name!r}", lambda: import_module(name))
    except NotImported as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and _is_part(cause.name, name):
            message = f"there is no module {cause.name!r} in {Path.cwd()} or among those installed"
            raise NotImported(message) from None
        raise
    return found  # type: ignore[no-any-return]


def _guarded(what: str, function: Callable[[], Any]) -> Any:
    """Run code of the user; its failure is shown with the user's own frames only."""
    try:
        return function()
    except Exception as error:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename != __file__ and not frame.filename.startswith("<frozen")
        ]
        own = [frame for frame in frames if not _is_library(frame.filename)]
        said = traceback.format_exception_only(error)[-1].strip()
        where = "".join(f"\n  {f.filename}:{f.lineno}: {f.line}" for f in own[-3:])
        message = f"{what}: {said}{where}"
        raise NotImported(message) from error


def _is_library(filename: str) -> bool:
    return "site-packages" in filename or filename.startswith(str(Path(traceback.__file__).parent))


def _is_part(missing: str | None, name: str) -> bool:
    return missing is not None and (name == missing or name.startswith(f"{missing}."))


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            services = _services(module)
            near = difflib.get_close_matches(name, services or dir(found), 1)
            hint = f"; did you mean {module.__name__}:{near[0]}?" if near else _offer(services)
            message = f"{module.__name__} has no {path!r}{hint}"
            raise NotImported(message) from None
    return found


def _only_service(module: ModuleType) -> Service:
    services = _services(module)
    if len(services) == 1:
        return services.popitem()[1]
    said = "has more than one Service" if services else "has no Service"
    message = f"{module.__name__} {said}{_offer(services)}"
    raise NotImported(message)


def _services(module: ModuleType) -> dict[str, Service]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Service)}


def _offer(services: dict[str, Service]) -> str:
    return f"; there is {' and '.join(services)}" if services else ""


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Modules and packages of the working directory."""
    here = Path.cwd()
    names = [path.stem for path in here.glob("*.py")]
    names += [path.parent.name for path in here.glob("*/__init__.py")]
    return sorted(name for name in names if name.startswith(incomplete))
