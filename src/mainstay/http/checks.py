"""Who turns text, pairs and JSON into a value of one type, and says what is wrong with them.

Each `Check` is made once, when the service starts. Its `from_text`, `from_texts`, `from_members` and
`from_json` are fast and stop at the first fault, raising one of `REFUSED`; its `faults` methods are
asked only then, and find every one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from mainstay.errors import Violation
from mainstay.http.faults import below, faults_of, of_message, of_pydantic
from mainstay.http.shapes import Shape, item_of, unwrap

__all__ = [
    "BOOLS",
    "REFUSED",
    "Check",
    "Malformed",
    "MsgspecCheck",
    "PydanticCheck",
    "check_of",
    "prepared_faults",
    "text_of",
]

BOOLS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "1", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("false", "0", "no", "off", "f", "n"), False),
}
"""In lower case; any other case is read as well."""
_NOT_FINITE: Final = frozenset("nNiI")
_MALFORMED: Final = "malformed"


class Malformed(Exception):
    """The JSON cannot be read at all; the message says where."""


REFUSED: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, Malformed)
"""What the fast methods raise: msgspec's and pydantic's errors, and those of decoding."""


class Check(Protocol):
    """Of one type."""

    def from_text(self, value: Any) -> Any:
        """The value that text (or a converted parameter of the path) stands for."""

    def from_texts(self, values: Sequence[str]) -> Any:
        """The collection that several texts stand for."""

    def from_members(self, members: Mapping[str, Any]) -> Any:
        """The model whose fields are texts, or lists of them."""

    def from_json(self, body: bytes) -> Any:
        """The value of a JSON document."""

    def faults(self, value: Any, pointer: str) -> list[Violation]:
        """What is wrong with what a method for text was given."""

    def json_faults(self, body: bytes, pointer: str) -> list[Violation]:
        """What is wrong with a document. Raises: Malformed."""


def check_of(shape: Shape) -> Check:
    """The check of a type for which `shape_of` found no objection."""
    return PydanticCheck(shape) if shape.pydantic else MsgspecCheck(shape)


class MsgspecCheck:
    """See `Check`."""

    def __init__(self, shape: Shape) -> None:
        self._core = shape.core
        self._annotation = shape.annotation
        self._prepare = text_of(shape.core)
        self._prepare_item = text_of(item_of(shape.core))
        self.from_json: Callable[[bytes], Any] = msgspec.json.Decoder(shape.annotation).decode

    def from_text(self, value: Any) -> Any:
        """See `Check`."""
        if self._prepare is not None and isinstance(value, str):
            value = self._prepare(value)
        return msgspec.convert(value, self._core, strict=False)

    def from_texts(self, values: Sequence[str]) -> Any:
        """See `Check`."""
        return msgspec.convert(self._items(values), self._core, strict=False)

    def from_members(self, members: Mapping[str, Any]) -> Any:
        """See `Check`."""
        return msgspec.convert(members, self._core, strict=False)

    def faults(self, value: Any, pointer: str) -> list[Violation]:
        """See `Check`."""
        if isinstance(value, list):
            return prepared_faults(value, self._prepare_item, self._core, pointer)
        return prepared_faults(value, self._prepare, self._core, pointer)

    def json_faults(self, body: bytes, pointer: str) -> list[Violation]:
        """See `Check`."""
        value = _decoded(body)
        found = faults_of(value, self._annotation, pointer, size=len(body))
        if found:
            return found
        # The decoder refused what the search finds nothing wrong with: it has the last word.
        try:
            self.from_json(body)
        except msgspec.ValidationError as error:
            return [of_message(str(error), pointer)]
        return []

    def _items(self, values: Sequence[str]) -> Sequence[Any]:
        prepare = self._prepare_item
        return values if prepare is None else [prepare(value) for value in values]


class PydanticCheck:
    """See `Check`."""

    def __init__(self, shape: Shape) -> None:
        # Not an import: a type of pydantic's has brought the package.
        pydantic: Any = sys.modules["pydantic"]
        core = pydantic.TypeAdapter(shape.core)
        whole = pydantic.TypeAdapter(shape.annotation)
        self._error = pydantic.ValidationError
        self.from_text: Callable[[Any], Any] = core.validate_python
        self.from_texts: Callable[[Sequence[str]], Any] = core.validate_python
        self.from_members: Callable[[Mapping[str, Any]], Any] = core.validate_python
        self.from_json: Callable[[bytes], Any] = whole.validate_json

    def faults(self, value: Any, pointer: str) -> list[Violation]:
        """See `Check`."""
        try:
            self.from_text(value)
        except self._error as error:
            return of_pydantic(error, pointer)
        return []

    def json_faults(self, body: bytes, pointer: str) -> list[Violation]:
        """See `Check`."""
        try:
            self.from_json(body)
        except self._error as error:
            found = of_pydantic(error, pointer)
            if found and found[0].code == "json_invalid":
                raise Malformed(found[0].detail) from None
            return found
        return []


def text_of(annotation: Any) -> Callable[[str], Any] | None:
    """What is done to text before msgspec sees it; None for nothing.

    Forms and people say more than ``true`` and ``false``; and no number is not a number, since no
    JSON could say it in the answer.
    """
    plain = unwrap(annotation)
    if plain is bool:
        return _bool_of
    if isinstance(plain, type) and plain.__name__ in ("float", "Decimal"):
        return _finite
    return None


def prepared_faults(
    raw: Any, prepare: Callable[[str], Any] | None, annotation: Any, pointer: str
) -> list[Violation]:
    """What is wrong with a text, or a list of them, that is to be prepared first."""
    if prepare is None or not isinstance(raw, str | list):
        return faults_of(raw, annotation, pointer, text=True)
    several = isinstance(raw, list)
    found = []
    values = []
    for index, text in enumerate(raw if several else [raw]):
        try:
            values.append(prepare(text))
        except msgspec.ValidationError as error:
            found.append(of_message(str(error), below(pointer, index) if several else pointer))
    value = values if several else values and values[0]
    return found or faults_of(value, annotation, pointer, text=True)


def _bool_of(text: str) -> Any:
    return BOOLS.get(text.lower(), text)


def _finite(text: str) -> str:
    if text.lstrip("+-")[:1] in _NOT_FINITE and text:
        raise msgspec.ValidationError("Expected a finite number")
    return text


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"the JSON is no UTF-8: {error.reason}") from None
    except msgspec.DecodeError as error:
        raise Malformed(str(error)) from None
