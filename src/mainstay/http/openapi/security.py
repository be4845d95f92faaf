"""What callers have to prove, as OpenAPI says it: of middleware, and of what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from mainstay.errors import UsageError

__all__ = ["Requirement", "Security"]

Requirement: TypeAlias = Mapping[str, Sequence[str]]
"""Scopes by the names of schemes; all of them are required."""

_KNOWN: Final[Mapping[str, Mapping[str, Any]]] = {
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


class Security:
    """The security of one document.

    Args:
        described: schemes by name; ``basic`` and ``bearer`` are known.

    Attributes:
        schemes: those that something in the document requires.
    """

    def __init__(self, described: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._described = {**_KNOWN, **(described or {})}
        self.schemes: dict[str, Mapping[str, Any]] = {}

    def of(
        self, whose: object, declared: Iterable[Requirement], layers: Iterable[object]
    ) -> list[dict[str, list[str]]]:
        """What is required of callers; of several one is enough.

        Args:
            whose: a route or a method, for the error.
            declared: what it says itself.
            layers: the middleware around it, outermost first: what each asks is asked as well.

        Raises: UsageError for a scheme that nobody has described.
        """
        said: list[Requirement] = list(declared)
        schemes = dict(self._described)
        for layer in layers:
            schemes |= getattr(layer, "security_schemes", {})
            for requirement in getattr(layer, "security", ()):
                # Of several that a route lists one is enough; what middleware asks is asked as well.
                said = [_both(requirement, each) for each in said] or [requirement]
            if scopes := getattr(layer, "security_scopes", ()):
                # Of several schemes nobody knows which of them gives the scopes.
                said = [
                    _both(dict.fromkeys(each, scopes), each) if len(each) == 1 else each
                    for each in said
                ]
        for name in {name for requirement in said for name in requirement}:
            if name not in schemes:
                message = (
                    f"{whose!r} is secured by {name!r}, which nobody has described: add it to the "
                    "security schemes of the document"
                )
                raise UsageError(message)
            self.schemes[name] = schemes[name]
        return [{name: list(scopes) for name, scopes in each.items()} for each in said]


def _both(one: Requirement, two: Requirement) -> dict[str, Sequence[str]]:
    """What satisfies both requirements: every scheme, with the scopes of each."""
    names = [*two, *(name for name in one if name not in two)]
    return {name: list(dict.fromkeys([*two.get(name, ()), *one.get(name, ())])) for name in names}
