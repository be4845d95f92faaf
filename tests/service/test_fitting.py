"""Facts about `mainstay.service.fitting`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, NewType, Protocol, TypedDict, TypeVar
from unittest.mock import Mock

import pytest

from mainstay.service.fitting import fits
from tests.service.parts import Cache, Database

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Url = NewType("Url", str)


class Reads(Protocol):
    def read(self) -> str: ...


class Store(ABC):
    @abstractmethod
    def read(self) -> str: ...


class Shelf(Generic[T]): ...


class Shelves(Protocol[T_co]):
    def first(self) -> T_co: ...


class Row(TypedDict):
    size: int


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Database(), Database),
        (Cache(), Database),
        (Mock(spec=Database), Database),
        (5, float),
        (5, complex),
        (True, int),
        (bytearray(), bytes),
        (None, None),
        (None, Any),
        (None, object),
        (None, T),
        ("b", Literal["a"]),
        (None, Database | None),
        (None, Annotated[Database | None, "first"]),
        (Cache(), int | Database),
        ({"size": 1}, Row),
        (Url("/"), Url),
        (print, Callable[[], None]),
        # Not sure, so not refused: what says little about its instances, or what a class is of.
        (5, Any),
        (5, Reads),
        (5, Store),
        (5, Shelf[int]),
        (5, Shelves[int]),
        ([""], list[int]),
    ],
)
def test_what_can_be(value: Any, annotation: Any) -> None:
    """Instances, what type checkers take for them, and all that is not sure."""
    assert fits(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (None, Database),
        (None, Annotated[Database, "first"]),
        (None, int | Database),
        (None, Url),
        (None, list[int]),
        (None, Shelf[int]),
        (None, Shelves[int]),
        (None, Reads),
        (None, Store),
        (None, Row),
        (None, Callable[[], None]),
        (5, Database),
        (5, Url),
        (5, str | None),
        (Database(), Cache),
        (0.5, int),
    ],
)
def test_what_cannot_be(value: Any, annotation: Any) -> None:
    """None where there is no room for it, and an instance of another class."""
    assert not fits(value, annotation)
