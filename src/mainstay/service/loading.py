"""The configuration of one service: its own model and the framework's settings together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mainstay.config import Loaded, load
from mainstay.config.names import names_below, variable_name
from mainstay.config.shapes import shape_of
from mainstay.service.declaration import Declaration
from mainstay.service.settings import Settings

__all__ = [
    "FRAMEWORK",
    "OWN",
    "configuration",
    "default_files",
    "defaults",
    "models_of",
    "overlooked",
]

OWN: Final = ""
"""The section of the service's own keys: the top of the file."""

FRAMEWORK: Final = "mainstay"
"""The section of the framework's settings."""


def models_of(declaration: Declaration) -> dict[str, type]:
    """The model of each section."""
    if declaration.config is None:
        return {FRAMEWORK: Settings}
    return {OWN: declaration.config, FRAMEWORK: Settings}


def default_files(declaration: Declaration, environ: Mapping[str, str]) -> list[Path]:
    """Where the configuration is if nobody says: ``$MAINSTAY_CONFIG``, else ``<name>.toml`` in the
    working directory if there is one."""
    named = environ.get("MAINSTAY_CONFIG")
    if named:
        return [Path(named)]
    beside = Path(f"{declaration.name}.toml")
    return [beside] if beside.is_file() else []


def configuration(
    declaration: Declaration,
    *,
    files: Sequence[Path | str] | None,
    flags: Sequence[str],
    environ: Mapping[str, str],
) -> Loaded:
    """Load and check the whole configuration.

    Raises: ConfigError that lists every fault.
    """
    paths = default_files(declaration, environ) if files is None else [Path(f) for f in files]
    return load(
        models_of(declaration), name=declaration.name, files=paths, environ=environ, flags=flags
    )


def overlooked(
    declaration: Declaration, files: Sequence[Path | str] | None, environ: Mapping[str, str]
) -> list[str]:
    """What looks like configuration and is not read, a line each that says what would be: variables
    of the framework's with one underscore for two, and a YAML file that nobody has named.

    Neither can be refused, as both names may be somebody else's.
    """
    start = variable_name(FRAMEWORK, "")
    suspect = [each for each in environ if each.startswith(start[:-1])]
    suspect = sorted(each for each in suspect if not each.startswith(start))
    found = []
    if suspect:
        keys = names_below(shape_of(Settings, "the framework's settings"))
        names = [variable_name(FRAMEWORK, *path) for path in keys]
        meant = {name.replace("__", "_"): name for name in names}
        pairs = [(each, meant.get(each.replace("__", "_"))) for each in suspect]
        found = [f"{each} is not read; did you mean {name}?" for each, name in pairs if name]
    if files is None and not default_files(declaration, environ):
        beside = [Path(f"{declaration.name}.{ending}") for ending in ("yaml", "yml")]
        said = "is not read: name it by --config or in MAINSTAY_CONFIG"
        found += [f"{path} {said}" for path in beside if path.is_file()]
    return found


def defaults(
    declaration: Declaration, config: Any, settings: Settings | None
) -> tuple[Any, Settings]:
    """What is given, and the defaults of the models for what is not.

    Raises: ConfigError when a model has a key without a default.
    """
    if config is None and declaration.config is not None:
        config = load({OWN: declaration.config}, name=declaration.name, environ={}).get(OWN)
    return config, settings or Settings()
