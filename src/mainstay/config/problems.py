"""What is wrong with a configuration: one record for each fault, and the one error that has all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mainstay.errors import ConfigError

__all__ = ["Problem", "closest", "config_error"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in the configuration; `str` gives it as one line.

    Attributes:
        key: what is wrong, as written in a file: ``database.pool``; empty when no single key is.
        reason: what is wrong with it.
        origin: where the value is from, such as ``file hello.toml``; empty when nothing gave one.
        value: the value as shown, ``***`` for a secret; None when it is not shown.
        suggestion: the name that was probably meant, or None.
    """

    key: str
    reason: str
    origin: str = ""
    value: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        line = self.origin.removeprefix("file ")
        if self.key and not (line == self.key or line.endswith(f" {self.key}")):
            line = f"{line}: {self.key}" if line else self.key
        if self.value is not None:
            line = f"{line} = {self.value}"
        line = f"{line}: {self.reason}"
        if self.suggestion is not None:
            line = f"{line}; did you mean {self.suggestion}?"
        return _one_line(line)


def _one_line(text: str) -> str:
    # Names of variables and keys come from outside: they must not forge a line of a log.
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` was probably meant to be, or None."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return found[0] if found else None


def config_error(name: str, problems: Sequence[Problem]) -> ConfigError:
    """The error that lists all `problems` of the service `name`, a line each."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{count} in the configuration of {name}:", *(f"  {p}" for p in problems)]
    return ConfigError("\n".join(lines), problems=problems)
