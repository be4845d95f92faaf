"""From the merged tree to the models' instances, finding everything that is wrong on the way.

Rules it keeps:

* What fails is reported once, and stands as `FAILED`; its siblings are still looked at. A table's
  own check runs only when all of its fields are right.
* A value from a file is of its type already; text from the environment, a flag or a secret's file
  is converted. msgspec does both: strict for the former, lax for the latter.
* The default of a field is the lowest layer: a table or map that is given in part takes the rest
  from the default value, not from the defaults of its class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import EnumType
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

import msgspec

from mainstay.config.files import read_secret
from mainstay.config.layers import Branch, Broken, Given, Items, Node, Source, kind_of, origins
from mainstay.config.models import Family
from mainstay.config.names import variable_name
from mainstay.config.problems import Problem
from mainstay.config.secret import Secret, hide_passwords
from mainstay.config.shapes import Choice, Field, Leaf, Many, Map, Shape, Table, child_key
from mainstay.config.show import shown_briefly
from mainstay.config.unreadable import Unreadable
from mainstay.core.redact import MASK

__all__ = ["FAILED", "Builder"]


class _Failed:
    """The type of `FAILED`."""

    __slots__ = ()


FAILED: Final = _Failed()
_ABSENT: Final = object()
_EMPTY: Final = Source("default")


class Builder:
    """Builds one section's instance; adds to `problems` what is wrong.

    Args:
        prefix: of the section's variables.
        depth: how many keys the section's own keys begin with.
        file: a file in which a missing key could be set, to be named in messages.
        partial: whether a file could not be read, so that nothing can be called missing.
    """

    def __init__(
        self,
        prefix: str,
        depth: int,
        problems: list[Problem],
        *,
        file: Path | None = None,
        partial: bool = False,
    ) -> None:
        self._prefix = prefix
        self._depth = depth
        self._file = file
        self._partial = partial
        self._problems = problems
        self._secrets: set[str] = set()

    def build(self, shape: Shape, node: Node, key: str, base: Any = _ABSENT) -> Any:
        """The value of `shape` that `node` gives for `key`, over the default value `base`."""
        match node:
            case Broken():
                return FAILED
            case Given(value=None) if shape.nullable and not node.is_pointer:
                return None
        match shape, node:
            case Leaf(), Given():
                return self._leaf(shape, node, key)
            case Table(family=Family.PYDANTIC), Branch():
                return self._pydantic(shape, node, key)
            case Table(), Branch():
                return self._table(shape, node, key, base)
            case Choice(), Branch():
                return self._choice(shape, node, key, base)
            case Map(), Branch():
                return self._map(shape, node, key, base)
            case Many(), Items():
                return self._many(shape, node, key)
        return self._wrong(shape, node, key, "this has another form than its kind asks for")

    def _wrong(self, shape: Shape, node: Node, key: str, reason: str) -> Any:
        origin = ", ".join(origins(node))
        value = None
        if isinstance(node, Given) and not node.is_pointer:
            value = shown_briefly(shape, node.value)
        self._problems.append(Problem(key, reason, origin, value))
        return FAILED

    def _missing(self, field_shape: Shape, key: str) -> Any:
        if self._partial:
            return FAILED
        ways = [f"set {key} in {self._file or 'a configuration file'}"]
        variable, flag = self._ways(key)
        if variable:
            ways += [f"{variable} in the environment", f"--set {flag}=…"]
        reason = "missing: " + ", or ".join(ways)
        if isinstance(field_shape, Leaf) and field_shape.secret and variable:
            reason += f"; a file with the value is named by {variable}_FILE"
        self._problems.append(Problem(key, reason))
        return FAILED

    def _ways(self, key: str) -> tuple[str, str]:
        """The variable and the flag that give `key`; empty where neither can."""
        if "[" in key or '"' in key:
            return "", ""
        own = key.split(".")[self._depth :]
        return variable_name(self._prefix, *own), key

    # Leaves

    def _leaf(self, shape: Leaf, node: Given, key: str) -> Any:
        found = self._text_of(shape, node, key)
        if found is FAILED:
            return FAILED
        value, text = found
        if text and value == "" and not shape.takes_text:
            if shape.nullable:
                return None
            return self._wrong(shape, node, key, "empty; leave it out to have the default")
        if shape.secret:
            return self._secret(shape, node, key, value)
        try:
            return _converted(shape.annotation, value, lax=text)
        except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            options = _options(shape.annotation)
            reason = _reason(error, text=text)
            if options:
                reason = "expected " + ", ".join(json.dumps(option) for option in options[:-1])
                reason += (" or " if options[1:] else "") + json.dumps(options[-1])
            return self._wrong(shape, node, key, reason)

    def _text_of(self, shape: Leaf, node: Given, key: str) -> Any:
        """The value of `node` and whether it is text, read from the file that it points to."""
        if not node.is_pointer:
            self._remember(shape, node.value)
            return node.value, node.source.text
        if not isinstance(node.value, str) or not node.value:
            return self._wrong(shape, node, key, "expected the name of a file with the value")
        path = node.source.directory / node.value
        try:
            text = read_secret(path)
        except Unreadable as error:
            reason = f"the value is to come from {path}: {error}"
            return self._wrong(shape, node, key, reason)
        self._remember(shape, text)
        return text, True

    def _remember(self, shape: Leaf, value: Any) -> None:
        if shape.secret and isinstance(value, str) and value:
            self._secrets.add(value)

    def _scrubbed(self, reason: str) -> str:
        """`reason`, which the model's own check wrote, without any secret of the section."""
        for text in sorted(self._secrets, key=len, reverse=True):
            reason = reason.replace(text, MASK)
        return hide_passwords(reason)

    def _secret(self, shape: Leaf, node: Given, key: str, value: Any) -> Any:
        if not isinstance(value, str):
            return self._wrong(shape, node, key, f"expected str, got {kind_of(value)}")
        limits = getattr(shape.annotation, "__metadata__", ())
        try:
            msgspec.convert(value, Annotated[(str, *limits)] if limits else str)
        except msgspec.ValidationError as error:
            return self._wrong(shape, node, key, _reason(error, text=True))
        return Secret(value)

    # Tables

    def _table(self, shape: Table, node: Branch, key: str, base: Any) -> Any:
        model = get_origin(shape.model) or shape.model
        if type(base) is not model and not (
            shape.family is Family.TYPED_DICT and isinstance(base, dict)
        ):
            base = _ABSENT
        values: dict[str, Any] = {}
        for found in shape.fields.values():
            value = self._field(found, node.children.get(found.key), key, base)
            if value is not _ABSENT:
                values[found.member.parameter] = value
        if any(value is FAILED for value in values.values()):
            return FAILED
        try:
            return model(**values)
        except (ValueError, TypeError) as error:
            reason = self._scrubbed(str(error) or type(error).__name__)
            return self._wrong(shape, node, key, reason)

    def _field(self, found: Field, node: Node | None, key: str, base: Any) -> Any:
        member, shape = found.member, found.shape
        full = child_key(key, member.key)
        inherited = _inherited(base, member.name)
        if node is None:
            if inherited is not _ABSENT:
                return inherited
            if not member.required:
                return _ABSENT
            if isinstance(shape, Table | Choice) and not shape.nullable:
                # Say which of its keys are missing, or make it from their defaults.
                return self.build(shape, Branch({}, _EMPTY), full)
            return self._missing(shape, full)
        if inherited is _ABSENT and member.default and not isinstance(shape, Leaf | Many):
            inherited = member.default()
        return self.build(shape, node, full, inherited)

    def _choice(self, shape: Choice, node: Branch, key: str, base: Any) -> Any:
        given = node.children.get(shape.tag)
        full = child_key(key, shape.tag)
        if isinstance(given, Broken):
            return FAILED
        if isinstance(given, Given):
            table = shape.variant(given.value)
        else:
            table = shape.variant(None)
            for variant in shape.variants.values():
                if type(base) is (get_origin(variant.model) or variant.model):
                    table = variant
            if table is None:
                return self._missing(Leaf(str, nullable=False), full)
        if table is None:
            assert isinstance(given, Given)
            names = ", ".join(str(tag) for tag in shape.variants)
            tag = Leaf(str, nullable=False)
            return self._wrong(tag, given, full, f"expected one of {names}")
        # A key of another variant is no mistake: a higher layer may have changed the tag.
        return self._table(table, node, key, base)

    def _pydantic(self, shape: Table, node: Branch, key: str) -> Any:
        plain = self._plain(shape, node, key)
        try:
            return shape.model.model_validate(plain)
        except ValueError as error:
            for fault in cast("Any", error).errors(include_url=False, include_input=False):
                self._pydantic_fault(fault, shape, node, key)
            return FAILED

    def _pydantic_fault(self, fault: Any, shape: Shape, node: Node, key: str) -> None:
        """One of pydantic's errors, at the deepest key that its location names."""
        given: Node | None = node
        for part in fault["loc"]:
            match shape, part:
                case Many(), int():
                    shape, key = shape.item, f"{key}[{part}]"
                    given = given.nodes[part] if isinstance(given, Items) else None
                case Table() | Map(), str() if isinstance(shape, Map) or part in shape.fields:
                    shape, key = _shape_below(shape, part), child_key(key, part)
                    given = given.children.get(part) if isinstance(given, Branch) else None
                case _:
                    break
            node = given or node
        if given is None and fault["type"] == "missing":
            self._missing(shape, key)
            return
        if any(problem.key == key for problem in self._problems):
            return  # the value could not even be read, and stands as `FAILED`
        reason = fault["msg"].removeprefix("Value error, ")
        self._wrong(shape, node, key, self._scrubbed(reason))

    def _plain(self, shape: Shape, node: Node, key: str) -> Any:
        """What `node` gives, without judging it, for a library that judges by itself."""
        match shape, node:
            case _, Branch():
                plain: dict[str, Any] = {}
                if isinstance(shape, Table):
                    # Empty tables, so that pydantic says which of their keys are missing.
                    plain = {
                        name: {}
                        for name, found in shape.fields.items()
                        if found.member.required and isinstance(found.shape, Table)
                        if not found.shape.nullable
                    }
                for name, child in node.children.items():
                    inner = _shape_below(shape, name)
                    plain[name] = self._plain(inner, child, child_key(key, name))
                return plain
            case Many(), Items():
                return [
                    self._plain(shape.item, child, f"{key}[{index}]")
                    for index, child in enumerate(node.nodes)
                ]
            case Leaf(), Given():
                found = self._text_of(shape, node, key)
                if found is FAILED:
                    return FAILED
                value, text = found
                empty = text and value == "" and shape.nullable and not shape.takes_text
                return None if empty else value
            case _, Given():
                return node.value
        return FAILED

    # Containers

    def _map(self, shape: Map, node: Branch, key: str, base: Any) -> Any:
        built: dict[Any, Any] = dict(base) if isinstance(base, Mapping) else {}
        failed = False
        for name, child in node.children.items():
            full = child_key(key, name)
            try:
                converted = _converted(shape.key, name, lax=True)
            except msgspec.ValidationError as error:
                self._wrong(shape, Broken(child.source), full, f"key: {_reason(error, text=True)}")
                failed = True
                continue
            value = self.build(shape.value, child, full, built.get(converted, _ABSENT))
            failed = failed or value is FAILED
            built[converted] = value
        return FAILED if failed else self._limited(shape, node, key, built)

    def _many(self, shape: Many, node: Items, key: str) -> Any:
        built = [
            self.build(shape.item, child, f"{key}[{index}]")
            for index, child in enumerate(node.nodes)
        ]
        if any(value is FAILED for value in built):
            return FAILED
        try:
            made = shape.make(built)
        except TypeError as error:  # items that a set cannot hold
            return self._wrong(shape, node, key, str(error))
        return self._limited(shape, node, key, made)

    def _limited(self, shape: Map | Many, node: Node, key: str, built: Any) -> Any:
        if shape.limits:
            stand_in: Any = [None] * len(built)
            kind: Any = list[Any]
            if isinstance(shape, Map):
                stand_in, kind = {str(index): None for index in range(len(built))}, dict[str, Any]
            try:
                msgspec.convert(stand_in, Annotated[(kind, *shape.limits)])
            except msgspec.ValidationError as error:
                return self._wrong(shape, node, key, _reason(error, text=False))
        return built


def _shape_below(shape: Shape, name: str) -> Shape:
    if isinstance(shape, Table):
        return shape.fields[name].shape
    return shape.value if isinstance(shape, Map) else Leaf(Any, nullable=True)


def _inherited(base: Any, name: str) -> Any:
    if isinstance(base, dict):
        return base.get(name, _ABSENT)
    return _ABSENT if base is _ABSENT else getattr(base, name, _ABSENT)


def _converted(annotation: Any, value: Any, *, lax: bool) -> Any:
    return msgspec.convert(value, annotation, strict=not lax, dec_hook=_made_of_text)


def _made_of_text(kind: type, value: Any) -> Any:
    """An instance of a class that msgspec does not know, such as Path, made from text."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise TypeError(f"Expected `{kind.__name__}` as text, got `{kind_of(value)}`")
    try:
        return kind(value)
    except Exception as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from None


_PLACE: Final = re.compile(r" - at `\$(.*)`$")
_NAMES: Final = {"object": "table", "array": "list"}


def _reason(error: Exception, *, text: bool) -> str:
    """Msgspec's message in the words of a configuration file."""
    said, place = str(error), ""
    found = _PLACE.search(said)
    if found is not None:
        said, place = said[: found.start()], found[1]
    if text:
        said = said.removesuffix(", got `str`")
    said = re.sub(r"`([^`]+)`", lambda match: _NAMES.get(match[1], match[1]), said)
    said = said.replace(" | null", "")
    said = said[:1].lower() + said[1:]
    return hide_passwords(f"{said}, at {place.lstrip('.')}" if place else said)


def _options(annotation: Any) -> list[Any]:
    """The values that an enumeration or a Literal has, when `annotation` is nothing else."""
    arms = [annotation]
    if get_origin(annotation) is Annotated:
        arms = [annotation.__origin__]
    if get_origin(arms[0]) in (Union, UnionType):
        arms = [arm for arm in get_args(arms[0]) if arm is not type(None)]
    found: list[Any] = []
    for arm in arms:
        if get_origin(arm) is Literal:
            found += get_args(arm)
        elif isinstance(arm, EnumType):
            found += [arm[name].value for name in arm.__members__]
        else:
            return []
    return found
