"""Facts about `mainstay.core.signature`."""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from mainstay.core.signature import MISSING, parameters_of, returns_of, say_type, where
from mainstay.errors import WiringError
from tests.service.parts import Cache, Database

if TYPE_CHECKING:
    from decimal import Decimal


def told(text: str, number: "int" = 3, *rest: int, named, **more: int) -> "str":  # type: ignore[no-untyped-def]  # noqa: ANN001
    """A function with every kind of parameter that can be filled by name."""
    return f"{text}{number}{rest}{named}{more}"


def test_parameters_are_read_with_their_types_and_defaults() -> None:
    """Annotations are resolved; what is missing is `MISSING`; the rest of the arguments is not
    asked for."""
    found = [(each.name, each.annotation, each.default) for each in parameters_of(told)]
    assert found == [("text", str, MISSING), ("number", int, 3), ("named", MISSING, MISSING)]
    assert returns_of(told) is str


def test_the_parameters_of_a_class_are_those_of_its_constructor() -> None:
    """A plain class, a data class, and a class without a constructor of its own."""

    class Plain:
        def __init__(self, database: Database) -> None: ...

    @dataclasses.dataclass
    class Data:
        cache: Cache

    assert [each.annotation for each in parameters_of(Plain)] == [Database]
    assert [each.annotation for each in parameters_of(Data)] == [Cache]
    assert parameters_of(Database) == ()
    assert returns_of(Plain) is Plain


def test_a_bound_method_does_not_ask_for_its_object() -> None:
    """`self` is given already."""

    class Handlers:
        def hello(self, name: str) -> str:
            return name

    assert [each.name for each in parameters_of(Handlers().hello)] == ["name"]


def test_annotated_types_are_kept_apart() -> None:
    """`Annotated[T, "a"]` is another thing to ask for than `T`."""

    def ask(main: Annotated[Database, "main"]) -> None: ...

    assert parameters_of(ask)[0].annotation == Annotated[Database, "main"]


def test_a_positional_only_parameter_is_refused() -> None:
    """Parameters are filled by name; the error says so, and where."""

    def ask(name: str, /) -> None: ...

    with pytest.raises(WiringError, match=r"ask \(.*test_signature.py:\d+\).*'name'.*slash"):
        parameters_of(ask)


def ask_for_decimal(number: "Decimal") -> "Decimal":
    """A function whose annotation exists for the type checker only."""
    return number


def ask_in_a_module(number: "dataclasses.Nothing") -> None:  # type: ignore[name-defined]
    """A function whose annotation does not exist."""


@pytest.mark.parametrize(
    ("function", "name"), [(ask_for_decimal, "Decimal"), (ask_in_a_module, "Nothing")]
)
@pytest.mark.parametrize("read", [parameters_of, returns_of])
def test_an_annotation_that_does_not_resolve_is_named(
    read: Callable[[Any], Any], function: Callable[..., Any], name: str
) -> None:
    """The error names the annotation, the function and what to do, and is not a NameError."""
    with pytest.raises(WiringError, match=rf"{function.__name__} \(.*'{name}'.*module level"):
        read(function)


def test_a_function_is_named_with_its_place() -> None:
    """A decorator that keeps `__wrapped__` does not hide where the function stands."""

    @functools.wraps(told)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return told(*args, **kwargs)

    line = told.__code__.co_firstlineno
    assert where(wrapper) == f"told ({__file__}:{line})"
    assert where(len) == "len in builtins"


def test_types_are_said_as_a_person_writes_them() -> None:
    """A class by its name, anything else as it is."""
    assert say_type(Database) == "Database"
    assert say_type(list[int]) == "list[int]" or say_type(list[int]) == "list"
    assert "main" in say_type(Annotated[Database, "main"])


def test_an_annotation_that_cannot_be_evaluated_names_the_function() -> None:
    """Whatever is wrong with it: `str[int]` is no type, and Python says so as a TypeError."""

    def broken(text: str) -> None: ...

    broken.__annotations__["text"] = "str[int]"
    with pytest.raises(WiringError, match=r"broken .*an annotation cannot be resolved: .*str"):
        parameters_of(broken)
