"""Markers of FastAPI in the signatures of handlers and resources, which mean nothing here.

Passed over, `Depends` would turn into a value of the query, and what it guards would stand open; so
they are refused, each with what to write instead. They are known by the name of their module:
nothing imports FastAPI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, get_args

from mainstay.core.signature import Parameter, where
from mainstay.errors import WiringError

__all__ = ["refuse_foreign"]

_CLASSES: Final = "fastapi.params"
_FUNCTIONS: Final = "fastapi.param_functions"
_SAME_WORD: Final = frozenset({"Body", "Cookie", "Form", "Header", "Path", "Query"})
_INSTEAD: Final = {
    "Depends": "provide it as a resource with @service.resource(lifetime='call'), and ask for it "
    "by its type",
    "Security": "put an authentication of mainstay.http and require(…) into middleware=, and ask "
    "for a Principal",
    "File": "annotate the parameter with mainstay.http.UploadFile",
}


def refuse_foreign(function: Callable[..., Any], parameters: Iterable[Parameter]) -> None:
    """Refuse the markers of FastAPI around the types and as the defaults of `parameters`.

    Raises: WiringError that names the parameter and what to write instead.
    """
    for parameter in parameters:
        for each in (parameter.default, *_extras(parameter.annotation)):
            word = _word_of(each)
            if word is not None:
                raise WiringError(
                    f"{where(function)}: parameter {parameter.name!r}: FastAPI's {word} means "
                    f"nothing here; {_instead(word)}"
                )


def _extras(annotation: Any) -> Iterator[Any]:
    """What `Annotated` says beside types, anywhere in `annotation`."""
    if isinstance(annotation, list):  # the arguments of a Callable
        return
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _extras(inner)


def _word_of(value: Any) -> str | None:
    if getattr(value, "__module__", None) == _FUNCTIONS:
        return str(getattr(value, "__name__", value))
    kind = value if isinstance(value, type) else type(value)
    return next((each.__name__ for each in kind.__mro__ if each.__module__ == _CLASSES), None)


def _instead(word: str) -> str:
    if word in _SAME_WORD:
        return (
            f"write Annotated[…, {word}] with mainstay.http.{word}; a default stands behind the "
            "parameter, and constraints are a msgspec.Meta beside the marker"
        )
    return _INSTEAD.get(word, "see docs/howto/requests.md for what says where a value comes from")
