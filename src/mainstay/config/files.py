"""Configuration files and secret files, read with bounds; every fault is an `Unreadable`.

No message repeats what a file contains, beyond the names of keys: the place that cannot be read
may be the place with the password.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mainstay.config.unreadable import Unreadable
from mainstay.config.yaml_core import read_yaml

__all__ = ["check_depth", "read_config", "read_secret"]

# Hand-written configuration is a few KiB; the bound is for a path that names the wrong file.
_CONFIG_LIMIT: Final = 4 * 2**20
_SECRET_LIMIT: Final = 2**20
_DEPTH_LIMIT: Final = 64
_KINDS: Final = {
    "directory": stat.S_ISDIR,
    "pipe": stat.S_ISFIFO,
    "device": stat.S_ISCHR,
}
_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_config(path: Path) -> Mapping[str, Any]:
    """What the TOML or YAML file at `path` says; its ending says which of them it is.

    Raises: Unreadable.
    """
    if path.suffix.lower() not in {".toml", ".yaml", ".yml"}:
        raise Unreadable("the name ends in none of .toml, .yaml, .yml, so its format is not known")
    text = _text(_octets(path, _CONFIG_LIMIT))
    try:
        found = _toml(text) if path.suffix.lower() == ".toml" else read_yaml(text)
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(found, Mapping):
        raise Unreadable("the file must contain a table of keys and values")
    check_depth(found)
    return found


def read_secret(path: Path) -> str:
    """The text of the file at `path`, less one newline at its end.

    Raises: Unreadable.
    """
    try:
        text = _octets(path, _SECRET_LIMIT).decode()
    except UnicodeDecodeError:
        raise Unreadable("the file is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def check_depth(value: Any) -> None:
    """Raise Unreadable when tables and lists are nested too deeply to be walked safely."""
    level = [value]
    for _ in range(_DEPTH_LIMIT):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, Mapping | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Unreadable:
    return Unreadable(f"tables and lists are nested more than {_DEPTH_LIMIT} deep")


def _octets(path: Path, limit: int) -> bytes:
    try:
        # A pipe that nobody writes to, or a terminal, would hold the start for ever: at open, were
        # it not for O_NONBLOCK, or at read.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            _check_kind(os.fstat(descriptor).st_mode)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                octets = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise Unreadable("the file does not exist") from None
    except PermissionError:
        raise Unreadable("the file may not be read by this user") from None
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise Unreadable(f"the file cannot be read: {said}") from None
    except ValueError:
        raise Unreadable("this cannot be the name of a file") from None
    if len(octets) > limit:
        raise Unreadable(f"the file is larger than {limit // 2**20} MiB")
    return octets


def _check_kind(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    for what, is_it in _KINDS.items():
        if is_it(mode):
            raise Unreadable(f"this is a {what}, not a file")
    raise Unreadable("this is not a file")


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = octets[: error.start]
        line = before.count(b"\n") + 1
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        raise Unreadable(f"line {line}, byte {column}: the file is not UTF-8") from None


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = _TOML_PLACE.search(said)
        if place is None:
            raise Unreadable(said) from None
        reason = said[: place.start()]
        line, column = place.groups()
        if line is None:
            lines = text.split("\n")
            line, column = str(len(lines)), str(len(lines[-1]) + 1)
        raise Unreadable(f"line {line}, column {column}: {reason}") from None
    except ValueError as error:
        # An integer beyond sys.get_int_max_str_digits: `int` refuses, and tomllib lets it pass.
        raise Unreadable(f"a value cannot be read: {error}") from None
