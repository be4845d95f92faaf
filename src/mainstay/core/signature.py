"""What a function asks for, read from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from mainstay.errors import WiringError

__all__ = ["MISSING", "Parameter", "hints_of", "parameters_of", "returns_of", "say_type", "where"]

MISSING = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter to fill.

    Attributes:
        name: its name; it is always passed by keyword.
        annotation: the resolved type, or `MISSING`.
        default: its default, or `MISSING`.
    """

    name: str
    annotation: Any
    default: Any


def where(function: Callable[..., Any]) -> str:
    """Name `function` for a person: what it is called and where it stands."""
    name = getattr(function, "__qualname__", repr(function))
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return f"{name} in {getattr(function, '__module__', '?')}"
    return f"{name} ({code.co_filename}:{code.co_firstlineno})"


def say_type(annotation: Any) -> str:
    """A type as a person would write it."""
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of `function`, or of the constructor if it is a class.

    Raises: WiringError if they cannot be passed by keyword or an annotation does not resolve.
    """
    hints = hints_of(function)
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            message = (
                f"{where(function)}: parameter {parameter.name!r} is positional-only; "
                "parameters are filled by name, so remove the slash"
            )
            raise WiringError(message)
        found.append(
            Parameter(parameter.name, hints.get(parameter.name, MISSING), parameter.default)
        )
    return tuple(found)


def returns_of(function: Callable[..., Any]) -> Any:
    """The resolved return annotation of `function`; the class itself for a class; else MISSING."""
    if inspect.isclass(function):
        return function
    return hints_of(function).get("return", MISSING)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The resolved annotations of `function`, or of the constructor if it is a class.

    Raises: WiringError for one that does not resolve.
    """
    target = function.__init__ if inspect.isclass(function) else function
    if not hasattr(target, "__annotations__"):
        return {}
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, AttributeError) as error:
        message = (
            f"{where(function)}: the annotation {error.name!r} cannot be resolved; import it at "
            "module level, and not only under TYPE_CHECKING"
        )
        raise WiringError(message) from None
    except (TypeError, SyntaxError) as error:
        message = f"{where(function)}: an annotation cannot be resolved: {error}"
        raise WiringError(message) from None
