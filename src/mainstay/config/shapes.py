"""The shape of a configuration: what may stand where, worked out once from the models' types.

A `Table` has named fields, a `Map` has free keys, a `Many` has items, a `Choice` is one of several
tables told apart by a tag, and a `Leaf` is everything else. Leaves are converted by msgspec, in
one piece; the other shapes are walked here, because msgspec stops at the first mistake and an
operator wants to hear of all. A type that is no known container is a leaf, so whatever msgspec can
convert can be configured.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin

import msgspec

from mainstay.config.models import Family, Member, family_of, members_of
from mainstay.config.secret import Secret
from mainstay.errors import UsageError

__all__ = [
    "Choice",
    "Entry",
    "Field",
    "Leaf",
    "Many",
    "Map",
    "Shape",
    "Table",
    "child_key",
    "entries",
    "full_key",
    "is_sensitive",
    "shape_of",
]


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A value that msgspec converts in one piece.

    Attributes:
        annotation: the whole type, constraints and None included.
        nullable: whether None is a value of it.
        secret: whether it is a `Secret` (or pydantic's), so that a file may hold it.
        takes_text: whether any text is a value of it as it stands, even the empty one.
        takes_json: whether text that begins with a bracket or a brace is JSON for it.
        hidden: whether its values are never shown.
    """

    annotation: Any
    nullable: bool
    secret: bool = False
    takes_text: bool = False
    takes_json: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Many:
    """A list, tuple or set of `item`; `make` makes it from a list."""

    item: Shape
    make: Callable[[list[Any]], Any]
    limits: tuple[Any, ...]
    nullable: bool


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """A mapping of free keys of the type `key` to `value`."""

    key: Any
    value: Shape
    limits: tuple[Any, ...]
    nullable: bool


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A model: fields by the key that files use.

    `fields` is shared by every table of the same model, and filled after the table was made, so
    that a model may contain itself.
    """

    model: Any
    family: Family
    fields: Mapping[str, Field]
    nullable: bool

    def entries(self) -> Iterator[Entry]:
        """Every key that the table takes."""
        for found in self.fields.values():
            yield Entry(found.key, found, False)
            pointer = found.pointer
            if pointer is not None and pointer not in self.fields:
                yield Entry(pointer, found, True)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of several tagged tables."""

    tag: str
    variants: Mapping[Any, Table]
    nullable: bool

    def variant(self, tag: Any) -> Table | None:
        """The table of `tag`, which may be the text of a number; the only one for None."""
        if tag is None and len(self.variants) == 1:
            return next(iter(self.variants.values()))
        return next((table for name, table in self.variants.items() if str(name) == str(tag)), None)

    def entries(self) -> Iterator[Entry]:
        """Every key that any of the tables takes, the tag first."""
        yield Entry(self.tag, Field(_TAG, Leaf(Any, nullable=False)), False)
        seen = {self.tag}
        for table in self.variants.values():
            for entry in table.entries():
                if entry.key not in seen:
                    seen.add(entry.key)
                    yield entry


Shape: TypeAlias = Leaf | Many | Map | Table | Choice


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A member of a model and the shape of its values."""

    member: Member
    shape: Shape

    @property
    def key(self) -> str:
        """What files, variables and flags call it."""
        return self.member.key

    @property
    def pointer(self) -> str | None:
        """The key that names a file with the value, for a secret; else None."""
        if not isinstance(self.shape, Leaf) or not self.shape.secret:
            return None
        return f"{self.key}-file" if "-" in self.key else f"{self.key}_file"


class Entry(NamedTuple):
    """A key that a table takes: its name, its field, and whether it names a file for the value."""

    key: str
    field: Field
    is_pointer: bool

    @property
    def target(self) -> str:
        """The key under which the value is kept: the secret's own for a pointer."""
        return self.field.key or self.key


_TAG: Final = Member("", "", "", Any, required=True, default=None)


def entries(shape: Shape) -> list[Entry]:
    """Every key that `shape` has by name; none for a shape without names."""
    return list(shape.entries()) if isinstance(shape, Table | Choice) else []


def full_key(path: Iterable[str]) -> str:
    """The full key that lies at `path`."""
    key = ""
    for name in path:
        key = child_key(key, name)
    return key


def child_key(key: str, name: str) -> str:
    """The full key of `name` inside `key`, quoted as TOML does where it has to be."""
    bare = name.isascii() and name.replace("-", "_").replace("_", "a").isalnum()
    if not bare:
        name = msgspec.json.encode(name).decode()
    return f"{key}.{name}" if key else name


def is_sensitive(shape: Shape, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a secret may stand anywhere below `shape`."""
    match shape:
        case Leaf():
            return shape.secret or shape.hidden
        case Many():
            return is_sensitive(shape.item, seen)
        case Map():
            return is_sensitive(shape.value, seen)
        case Choice():
            return any(is_sensitive(table, seen) for table in shape.variants.values())
        case Table():
            if id(shape.fields) in seen:
                return False
            seen |= {id(shape.fields)}
            return any(is_sensitive(found.shape, seen) for found in shape.fields.values())


def shape_of(annotation: Any, where: str) -> Shape:
    """The shape of values of the type `annotation`; `where` names it in errors.

    Raises: UsageError when no configuration can be converted to the type.
    """
    return _Compiler().shape(annotation, where, check=True)


@dataclass(slots=True)
class _Compiler:
    """Remembers the models under way, so that one which contains itself ends."""

    known: dict[Any, dict[str, Field]] = field(default_factory=dict)

    def shape(self, annotation: Any, where: str, *, check: bool) -> Shape:
        annotation, limits = _peel(annotation)
        arms = [annotation]
        if get_origin(annotation) in (Union, types.UnionType):
            arms = list(get_args(annotation))
        nullable = type(None) in arms
        arms = [arm for arm in arms if arm is not type(None)]
        peeled = [_peel(arm) for arm in arms]
        if len(peeled) == 1:
            found = self._container(peeled[0][0], limits + peeled[0][1], nullable, where, check)
            if found is not None:
                return found
        tagged = self._choice([plain for plain, _ in peeled], nullable, where, check)
        if tagged is not None:
            return tagged
        whole = Annotated[annotation, *limits] if limits else annotation
        return self._leaf(whole, peeled, nullable, where, check)

    def _container(
        self, plain: Any, limits: tuple[Any, ...], nullable: bool, where: str, check: bool
    ) -> Shape | None:
        family = family_of(plain)
        if family is not None and not _tag_of(plain):
            return self._table(plain, family, nullable, check)
        origin, args = get_origin(plain) or plain, get_args(plain)
        if origin in _MAPS:
            key, value = args or (Any, Any)
            inner = self.shape(value, where, check=check)
            return Map(_peel(key)[0], inner, limits, nullable)
        if origin in _COLLECTIONS and (origin is not tuple or args[1:] == (...,) or not args):
            item = args[0] if args else Any
            inner = self.shape(item, where, check=check)
            return Many(inner, _COLLECTIONS[origin], limits, nullable)
        return None

    def _table(self, model: Any, family: Family, nullable: bool, check: bool) -> Table:
        if model not in self.known:
            fields = self.known[model] = {}
            check = check and family is not Family.PYDANTIC
            for member in members_of(model, family):
                where = f"{getattr(model, '__qualname__', model)}.{member.name}"
                shape = self.shape(member.annotation, where, check=check)
                fields[member.key] = Field(member, shape)
        return Table(model, family, self.known[model], nullable)

    def _choice(self, arms: list[Any], nullable: bool, where: str, check: bool) -> Choice | None:
        tags = [_tag_of(arm) for arm in arms]
        if not tags or not all(tags):
            return None
        variants = {
            tag[1]: self._table(arm, Family.STRUCT, False, check)
            for tag, arm in zip(tags, arms, strict=True)
            if tag
        }
        assert tags[0] is not None
        return Choice(tags[0][0], variants, nullable)

    def _leaf(self, whole: Any, arms: list[Any], nullable: bool, where: str, check: bool) -> Leaf:
        plain = [arm for arm, _ in arms]
        secret = len(plain) == 1 and _is_secret(plain[0])
        if check and not secret:
            try:
                msgspec.json.Decoder(whole, dec_hook=_never)
            except (TypeError, NameError) as error:
                raise UsageError(f"{where} cannot be configured: {error}") from error
        inner = [self.shape(arm, where, check=False) for arm in plain] if len(plain) > 1 else []
        return Leaf(
            whole,
            nullable,
            secret,
            takes_text=any(arm in (str, Any, object) for arm in plain),
            takes_json=any(not isinstance(shape, Leaf) for shape in inner),
            hidden=_mentions_secret(whole) or any(is_sensitive(shape) for shape in inner),
        )


def _peel(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """`annotation` without its wrappers, and the constraints that they carried."""
    limits: tuple[Any, ...] = ()
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *extra = get_args(annotation)
            limits = (*extra, *limits)
        elif origin in _WRAPPERS:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif isinstance(annotation, typing.TypeVar):
            annotation = annotation.__bound__ or Any
        else:
            return annotation, limits


def _tag_of(model: Any) -> tuple[str, Any] | None:
    """The key and the value of a struct's tag, if it has one."""
    config = getattr(get_origin(model) or model, "__struct_config__", None)
    if config is None or config.tag is None or config.array_like:
        return None
    return config.tag_field, config.tag


def _is_secret(plain: Any) -> bool:
    return plain is Secret or (isinstance(plain, type) and hasattr(plain, "get_secret_value"))


def _mentions_secret(annotation: Any) -> bool:
    plain, _ = _peel(annotation)
    return _is_secret(plain) or any(_mentions_secret(arg) for arg in get_args(plain))


def _never(kind: type, value: Any) -> Any:
    raise NotImplementedError


_WRAPPERS: Final = frozenset(
    getattr(typing, name)
    for name in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")
    if hasattr(typing, name)
)
_MAPS: Final = frozenset({dict, collections.abc.Mapping, collections.abc.MutableMapping})
_COLLECTIONS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    tuple: tuple,
    set: set,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    frozenset: frozenset,
}
