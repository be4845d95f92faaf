"""`load`: from models, files, environment and flags to instances, or to one error with all faults.

The layers, each over the one before: the models' defaults, the files in their order, the
environment, the flags. A layer is turned into a tree (`inputs`), the trees are laid over each other
(`layers`), and what won is converted and checked (`build`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from mainstay.config.build import Builder
from mainstay.config.inputs import Section, environment_layer, file_layer, flag_layer
from mainstay.config.layers import Branch, Broken, Node, Source, merge
from mainstay.config.models import Family, Member, family_of
from mainstay.config.problems import Problem, config_error
from mainstay.config.rows import Row, rows_of
from mainstay.config.shapes import Field, Table, shape_of
from mainstay.errors import UsageError

__all__ = ["Loaded", "Plan", "load", "plan"]

_Model = TypeVar("_Model")
_SECTION: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


class Loaded:
    """The configuration of a service: an instance of each model, and where each value is from.

    Immutable; the instances are as mutable as their models are.
    """

    __slots__ = ("_models", "_rows", "_values")
    _models: Mapping[str, Any]
    _values: Mapping[str, Any]
    _rows: tuple[Row, ...]

    def __init__(
        self, models: Mapping[str, Any], values: Mapping[str, Any], rows: Sequence[Row]
    ) -> None:
        object.__setattr__(self, "_models", MappingProxyType(dict(models)))
        object.__setattr__(self, "_values", MappingProxyType(dict(values)))
        object.__setattr__(self, "_rows", tuple(rows))

    def __getitem__(self, model: type[_Model]) -> _Model:
        """The instance of `model`.

        Raises: UsageError when no section, or more than one, has that model.
        """
        sections = [section for section, kind in self._models.items() if kind is model]
        if len(sections) != 1:
            name = getattr(model, "__qualname__", repr(model))
            found = f"{len(sections)} sections have" if sections else "no section has"
            raise UsageError(f"{found} the model {name}; use get() with the section's name")
        instance: _Model = self._values[sections[0]]
        return instance

    def get(self, section: str) -> Any:
        """The instance of `section`; ``""`` is the root's.

        Raises: UsageError when there is no such section.
        """
        if section not in self._values:
            known = ", ".join(repr(name) for name in self._values)
            raise UsageError(f"there is no section {section!r}; there are {known or 'none'}")
        return self._values[section]

    def rows(self) -> list[Row]:
        """Every value, defaults included, in the order of the models."""
        return list(self._rows)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("what was loaded does not change; load again")

    def __repr__(self) -> str:
        given = sum(row.origin != "default" for row in self._rows)
        sections = " ".join(repr(section) for section in self._values)
        return f"<Loaded {sections} {len(self._rows)} values, {given} given>"


class Plan:
    """The models of a service, read once: their sections, and the table that a file is."""

    __slots__ = ("sections", "whole")

    def __init__(self, sections: Mapping[str, Section], whole: Table) -> None:
        self.sections = sections
        self.whole = whole


def plan(models: Mapping[str, Any], name: str) -> Plan:
    """The places of `models` in the files and the environment of the service `name`.

    Raises: UsageError when a model cannot be configured, or two of them would share a name.
    """
    sections: dict[str, Section] = {}
    fields: dict[str, Field] = {}
    for section, model in models.items():
        shape = _table(model, section)
        if section and not _SECTION.fullmatch(section):
            raise UsageError(
                f"the section {section!r} is not named in lower case, in words with - or _ between"
            )
        own = shape.fields if not section else {section: _section_field(section, model, shape)}
        for key in own:
            if key in fields:
                raise UsageError(f"the key {key!r} is both a section and a field of the root")
        fields.update(own)
        path = (section,) if section else ()
        sections[section] = Section(path, section or name, shape)
    if "" not in sections:
        # Variables with the service's prefix are still ours, and unknown.
        nothing = Table(dict, Family.TYPED_DICT, {}, nullable=False)
        sections = {"": Section((), name, nothing), **sections}
    prefixes = [re.sub(r"\W", "_", found.prefix).lower() for found in sections.values()]
    if len(set(prefixes)) < len(prefixes):
        raise UsageError(
            f"the service {name!r} and one of the sections {', '.join(models)!r}, or two of them,"
            " have the same variables; rename one"
        )
    return Plan(sections, Table(dict, Family.TYPED_DICT, fields, nullable=False))


def _table(model: Any, section: str) -> Table:
    where = f"the model of section {section!r}" if section else "the root model"
    if family_of(type(model)) is not None:
        name = type(model).__qualname__
        raise UsageError(f"{where} must be the class {name}, not an instance of it")
    shape = shape_of(model, where)
    if not isinstance(shape, Table) or shape.nullable:
        raise UsageError(f"{where} must be a class with fields, not {model!r}")
    _refuse_endless(shape, ())
    return shape


def _refuse_endless(table: Table, above: tuple[int, ...]) -> None:
    """Raise UsageError for a model that needs an instance of itself, which nothing can give."""
    if id(table.fields) in above:
        name = getattr(table.model, "__qualname__", table.model)
        raise UsageError(f"the model {name} requires itself; make the field optional, or a list")
    for found in table.fields.values():
        if isinstance(found.shape, Table) and found.member.required and not found.shape.nullable:
            _refuse_endless(found.shape, (*above, id(table.fields)))


def _section_field(section: str, model: Any, shape: Table) -> Field:
    return Field(Member(section, section, section, model, required=True, default=None), shape)


def load(
    models: Mapping[str, Any],
    *,
    name: str,
    files: Sequence[Path] = (),
    environ: Mapping[str, str],
    flags: Sequence[str] = (),
) -> Loaded:
    """Read the configuration of the service `name`, and check all of it.

    Args:
        models: a model for each section. The section ``""`` has its keys at the top of a file and
            the service's name as the prefix of its variables; any other section is a table of its
            name, which is its prefix too.
        name: of the service.
        files: TOML (``.toml``) or YAML (``.yaml``, ``.yml``) files, which must exist; a later one
            overrides an earlier one.
        environ: the environment; only variables with a prefix of ours are looked at.
        flags: ``key=value`` each, the later overriding the earlier.

    Raises:
        ConfigError: the message has a line, and ``problems`` a `Problem`, for every fault.
        UsageError: the models themselves cannot be configured.
    """
    found = plan(models, name)
    problems: list[Problem] = []
    tree: Node = Branch({}, Source("default"))
    partial = False
    for path in files:
        layer = file_layer(found.whole, path, problems)
        partial = partial or isinstance(layer, Broken)
        tree = tree if isinstance(layer, Broken) else merge(tree, layer)
    tree = merge(tree, environment_layer(found.sections.values(), environ, problems))
    tree = merge(tree, flag_layer(found.whole, flags, problems))
    nodes = {section: _subtree(tree, section, found.sections[section]) for section in models}
    values: dict[str, Any] = {}
    for section, node in nodes.items():
        place = found.sections[section]
        file = files[-1] if files else None
        builder = Builder(place.prefix, len(place.path), problems, file=file, partial=partial)
        values[section] = builder.build(place.shape, node, section)
    if problems:
        raise config_error(name, problems)
    rows: list[Row] = []
    for section, node in nodes.items():
        rows.extend(rows_of(found.sections[section].shape, values[section], node, section))
    return Loaded(models, values, rows)


def _subtree(tree: Node, section: str, place: Section) -> Node:
    """The part of `tree` that is for `section`; `Broken` when something else stands there."""
    assert isinstance(tree, Branch)
    if section:
        return tree.children.get(section, Branch({}, tree.source))
    children = {key: node for key, node in tree.children.items() if key in place.shape.fields}
    return Branch(children, tree.source)
