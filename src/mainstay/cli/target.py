"""From ``MODULE:NAME`` on the command line to the service it means.

Everything that can be wrong with it is the user's to mend, so each way has one message that says
where: no traceback, no line of ours or of the interpreter's import system.
"""

from __future__ import annotations

import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from mainstay.cli.exits import Exit, Failure, exit_of
from mainstay.errors import Error, UsageError
from mainstay.service.importing import importing
from mainstay.service.service import Service

__all__ = ["NotImported", "find_service", "target_options", "working_directory"]


class NotImported(Failure):
    """The service named on the command line cannot be had."""

    def __init__(self, message: str, code: Exit = Exit.NOT_IMPORTED) -> None:
        super().__init__(message, code)


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
            help="A TOML or YAML file; repeatable, later ones win. "
            "[default: $MAINSTAY_CONFIG, else the service's NAME.toml, if any]",
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
    here = str(working_directory())
    if here not in sys.path:
        sys.path.insert(0, here)
    module_name, _, name = target.partition(":")
    _check_name(module_name, name)
    module = _import(module_name)
    if not name:
        return _only_service(module)
    found = _attribute(module, name.removesuffix("()"))
    if name.endswith("()"):
        found = _guarded(f"{target} failed", found)
    if isinstance(found, Service):
        return found
    if inspect.iscoroutine(found):
        found.close()
        message = f"{target} is a coroutine, not a Service; make the factory a plain function"
        raise NotImported(message)
    hint = f"; to call it, say {target}()" if inspect.isroutine(found) else _offer(module)
    message = f"{target} is of type {type(found).__name__}, not a Service{hint}"
    raise NotImported(message)


def working_directory() -> Path:
    """Where modules are imported from.

    Raises: NotImported when it has been removed under this process.
    """
    try:
        return Path.cwd()
    except OSError as error:
        message = f"the working directory cannot be had: {error.strerror}; change to another one"
        raise NotImported(message) from None


# --- the module ---------------------------------------------------------------------------------


def _check_name(module: str, name: str) -> None:
    if module.endswith(".py") or "/" in module:
        here = working_directory()
        path = here.joinpath(module).resolve().with_suffix("")
        message = f"{module!r} is a file; name the module as Python imports it"
        if path.is_relative_to(here):
            parts = path.relative_to(here).parts
            message += f": {'.'.join(parts)}{name and ':'}{name}"
        else:
            message += f", from the folder it is imported from, such as {path.name}"
        raise NotImported(message)
    if not all(part.isidentifier() for part in module.split(".")):
        message = f"{module!r} is no module name; say MODULE:NAME, such as shop.app:service"
        raise NotImported(message)


def _import(name: str) -> ModuleType:
    try:
        with importing():
            found = _guarded(f"cannot import {name!r}", lambda: import_module(name))
    except NotImported as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and _is_part(cause.name, name):
            raise _no_module(str(cause.name)) from None
        raise
    return found  # type: ignore[no-any-return]


def _is_part(missing: str | None, name: str) -> bool:
    return missing is not None and (name == missing or name.startswith(f"{missing}."))


def _no_module(missing: str) -> NotImported:
    here = working_directory()
    above, _, last = missing.rpartition(".")
    if above and hasattr(sys.modules.get(above), last):
        hint = f"; did you mean {above}:{last}?"
    else:
        near = get_close_matches(missing, _modules_in(here, above and f"{above}."), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
    return NotImported(f"there is no module {missing!r} in {here} or among those installed{hint}")


# --- what is in it ------------------------------------------------------------------------------


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        # Guarded, because a module may compute its attributes.
        found = _guarded(f"{module.__name__}:{path} failed", getattr, found, name, _MISSING)
        if found is _MISSING:
            near = get_close_matches(name, _services(module) or dir(module), 1)
            hint = f"; did you mean {module.__name__}:{near[0]}?" if near else _offer(module)
            message = f"{_say(module)} has no {path!r}{hint}"
            raise NotImported(message)
    return found


_MISSING: Final = object()


def _only_service(module: ModuleType) -> Service:
    services = _services(module)
    if len(set(map(id, services.values()))) == 1:
        return services.popitem()[1]
    said = "has more than one Service" if services else "has no Service"
    message = f"{_say(module)} {said}{_offer(module)}"
    raise NotImported(message)


def _services(module: ModuleType) -> dict[str, Service]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Service)}


def _offer(module: ModuleType) -> str:
    names = [f"{module.__name__}:{name}" for name in _services(module)]
    return f"; say {' or '.join(names)}" if names else ""


def _say(module: ModuleType) -> str:
    """A module with its file, since the name may have found another than was meant."""
    file = getattr(module, "__file__", None)
    return f"{module.__name__} ({file})" if file else module.__name__


# --- the user's failures ------------------------------------------------------------------------


def _guarded(what: str, function: Callable[..., Any], *args: Any) -> Any:
    """Run code of the user; its failure is shown with the user's own last frames only."""
    try:
        return function(*args)
    except KeyboardInterrupt:
        raise
    # A module that calls sys.exit(), too, is a module that cannot be imported.
    except BaseException as error:
        places = "".join(f"\n  {place}" for place in _places(error))
        code = exit_of(error) if isinstance(error, UsageError) else Exit.NOT_IMPORTED
        raise NotImported(f"{what}: {_said(error)}{places}", code) from error


def _said(error: BaseException) -> str:
    if isinstance(error, Error):
        return str(error)
    if isinstance(error, SystemExit):
        return f"it exits, with {error.code!r}; keep that under `if __name__ == '__main__':`"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _places(error: BaseException) -> list[str]:
    """Up to three places in the user's code, the last one nearest to the failure."""
    mainstay = str(Path(__file__).parents[1])
    # "<": the import system's own code, and what dataclasses write.
    machinery = ("<", mainstay, str(Path(inspect.__file__).parent / "importlib"))
    libraries = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(machinery)
    ]
    # An application may be installed as libraries are.
    own = [frame for frame in frames if not frame.filename.startswith(libraries)] or frames
    places = [f"{frame.filename}:{frame.lineno}: {frame.line}" for frame in own]
    if isinstance(error, SyntaxError) and error.filename:
        places.append(f"{error.filename}:{error.lineno}: {(error.text or '').strip()}")
    return places[-3:]


# --- completion ---------------------------------------------------------------------------------


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Modules and packages of the working directory, and those in the package begun."""
    package, dot, _ = incomplete.rpartition(".")
    try:
        names = _modules_in(working_directory(), package + dot)
    except NotImported:
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def _modules_in(here: Path, prefix: str) -> Iterator[str]:
    """The modules right below `here`, or below the package that `prefix` ends with its dot."""
    folder = here.joinpath(*prefix.split("."))
    stems: Iterable[str] = (path.stem for path in folder.glob("*.py"))
    packages = (path.parent.name for path in folder.glob("*/__init__.py"))
    return (f"{prefix}{name}" for name in {*stems, *packages} - {"__init__"} if name.isidentifier())
