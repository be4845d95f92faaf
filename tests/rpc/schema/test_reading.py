"""Facts about what annotations mean on the wire, and which of them are refused."""

import enum
import re
from typing import Annotated, Any, Literal, NewType

import msgspec
import pytest

from mainstay.rpc.schema.marker import Field
from mainstay.rpc.schema.reading import Reader, is_checked
from tests.rpc.schema.zoo import Circle, Everything, Square, faults, numbers_of, read


def struct(annotation: Any, default: Any = msgspec.NODEFAULT) -> type:
    """A class with one field, ``it``."""
    field = ("it", annotation) if default is msgspec.NODEFAULT else ("it", annotation, default)
    return msgspec.defstruct("Holder", [field])


def test_numbers_follow_the_declaration() -> None:
    """From 1 on, over what is reserved; a union has one for each of its classes."""
    numbers = numbers_of(Everything)
    assert list(numbers.values())[:3] == [1, 3, 4]
    assert numbers["shape"] + 2 == numbers["words"]


def test_a_number_that_is_said_holds_and_counting_goes_on_from_it() -> None:
    """As in an enumeration of C."""
    made = msgspec.defstruct(
        "Holder",
        [("a", str), ("b", Annotated[str, Field(10)]), ("c", str), ("d", Annotated[str, Field(2)])],
    )
    assert numbers_of(made) == {"a": 1, "b": 10, "c": 11, "d": 2}


def test_a_union_may_say_all_its_numbers() -> None:
    """Or the first, from which the others go on."""
    for numbers, expected in (((7, 4), [7, 4]), ((7,), [7, 8])):
        made = struct(Annotated[Circle | Square, Field(*numbers)])
        shape = read(made).messages[made].fields[0]
        assert [each.number for each in shape.options] == expected
        assert [each.name for each in shape.options] == ["it_circle", "it_square"]


def test_automatic_numbers_step_over_those_of_protobuf() -> None:
    """19000 to 19999 are its own."""
    made = msgspec.defstruct("Holder", [("a", Annotated[int, Field(18999)]), ("b", int)])
    assert numbers_of(made) == {"a": 18999, "b": 20000}


def test_numbers_that_clash_are_refused() -> None:
    """With another field's, and with reserved ones; each is named."""
    twice = msgspec.defstruct("Holder", [("a", int), ("b", Annotated[int, Field(1)])])
    assert "Holder.b: its number 1 is that of 'a'" in faults(twice)
    reserved = msgspec.defstruct(
        "Holder",
        [("a", Annotated[int, Field(4)]), ("old", int)],
        namespace={"__reserved__": (4, "old")},
    )
    said = faults(reserved)
    assert "Holder.a: its number 4 is reserved" in said
    assert "Holder.old: its name is reserved" in said


class Empty(enum.Enum):
    pass


class Several(enum.IntFlag):
    ONE = 1


class Huge(enum.IntEnum):
    MUCH = 1 << 40


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Any, "say which"),
        (object, "say which"),
        (complex, "has no place in protobuf"),
        (list[list[int]], "no list in a list"),
        (dict[str, dict[str, int]], "no dict in a map"),
        (list[int | None], "no None, in a list"),
        (list[int] | None, "does not tell an empty list from none"),
        (dict[float, int], "keys of a map"),
        (list, "say what is in it"),
        (dict, "say what is in it"),
        (tuple[int, str], "tuple\\[T, ...\\]"),
        (int | str, "a union is of classes"),
        (Annotated[str, Field(type="int32")], "cannot be int32"),
        (Annotated[int, Field(1, 2)], "one field"),
        (Annotated[int, Field(1), Field(2)], "two Field markers"),
        (Literal["a", 1], "all str or all int"),
        (Empty, "has no members"),
        (Several, "a Flag may be several at once"),
        (Huge, "more than 32 bits"),
    ],
)
def test_what_has_no_place_in_protobuf_is_refused(annotation: Any, said: str) -> None:
    """By the name of the field, with what to do."""
    assert re.search(f"Holder.it: .*{said}", faults(struct(annotation)))


def test_a_list_with_a_default_that_is_not_empty_is_refused() -> None:
    """An empty one that was sent could not be told from it."""

    class Holder(msgspec.Struct):
        it: list[int] = msgspec.field(default_factory=lambda: [1])

    assert "its default is not empty" in faults(Holder)


def test_two_classes_of_one_name_are_refused() -> None:
    """A message has one meaning."""
    reader = Reader("zoo.v1")
    reader.message(struct(int))
    reader.message(struct(str))
    assert "would both be zoo.v1.Holder; rename one" in "\n".join(reader.faults)


def test_names_that_protobuf_has_not_are_refused() -> None:
    """Letters of ASCII, digits and underscores."""
    made = msgspec.defstruct("Holder", [("größe", int)])
    assert "ASCII" in faults(made)
    taken = msgspec.defstruct("Holder", [("SerializeToString", int)])
    assert "have a method of this name" in faults(taken)


def test_presence_is_where_a_default_needs_it() -> None:
    """None, a default that is not zero, and a message can be told from what was not sent."""
    fields = {each.name: each for each in read(Everything).messages[Everything].fields}
    there = {name for name, each in fields.items() if each.presence}
    assert {"when", "lasts", "shape", "letter", "maybe", "seven", "level"} <= there
    assert not there & {"text", "small", "words", "counts", "raw"}


def test_constraints_are_found_wherever_they_stand() -> None:
    """In a list, in a union, behind a name; what only describes is none."""
    size = NewType("size", Annotated[int, msgspec.Meta(ge=1)])
    assert is_checked(list[size])
    assert is_checked(list[Annotated[int, msgspec.Meta(ge=1)]])
    assert is_checked(Annotated[str, msgspec.Meta(max_length=3)] | None)
    assert not is_checked(Annotated[str, msgspec.Meta(description="a name")])
    assert not is_checked(Literal["ge"])
