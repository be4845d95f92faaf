"""YAML as its core schema (YAML 1.2.2 §10.3.2) has it, on PyYAML's parser.

PyYAML resolves plain scalars by YAML 1.1, where ``on`` and ``no`` are booleans, ``0755`` is 493
and ``22:22`` is 1342. Here only ``true`` and ``false`` are booleans, a number with a leading zero
and a time of day stay text, and so does a date, which the model's type converts. Nodes become
plain values in this module, so no constructor of PyYAML runs and no tag makes an object.

Refused: keys given twice, anything that contains itself, unknown tags, several documents, and
documents with too many values, written out or by anchors (the "billion laughs"). ``<<`` merges tables, as in YAML 1.1: it is
too common in real files to be refused.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, Final

from mainstay.config.unreadable import Unreadable
from mainstay.errors import ConfigError

__all__ = ["read_yaml"]

# Values in the whole document once each alias is written out.
_SIZE_LIMIT: Final = 100_000
_TAG: Final = "tag:yaml.org,2002:"
_PLAIN: Final = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    (
        "int",
        re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
        list("-+0123456789"),
    ),
    (
        "float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        list("-+0123456789."),
    ),
    ("merge", re.compile(r"<<\Z"), ["<"]),
)
# What PyYAML quotes of a document, such as the name of an alias, may be a password.
_QUOTED: Final = re.compile(r" ?'[^'\s<]{2,}'")


def read_yaml(text: str) -> Any:
    """The value of the one YAML document in `text`; an empty one is an empty table.

    Raises: Unreadable; ConfigError when PyYAML is not installed; RecursionError when the document
    is nested too deeply for the parser.
    """
    yaml = _pyyaml()
    try:
        root = yaml.compose(text, Loader=_loader(yaml))
    except yaml.YAMLError as error:
        raise _syntax(error, text) from None
    return {} if root is None else _Reader().value(root)


def _pyyaml() -> Any:
    try:
        return importlib.import_module("yaml")
    except ImportError:
        raise ConfigError(
            "a YAML file cannot be read, because PyYAML is not installed:"
            " install mainstay[yaml], or write the file in TOML"
        ) from None


def _loader(yaml: Any) -> Any:
    """A class of PyYAML's that resolves plain scalars by the core schema, and counts values."""
    size = 0

    def compose_node(self: Any, parent: Any, index: Any) -> Any:
        # The parser takes 40 µs a value, so what is too much ends it here, not when it has read
        # everything. Keys, and the root, have no index.
        nonlocal size
        size += index is not None
        if size > _SIZE_LIMIT:
            raise _at(self.peek_event(), f"the file has over {_SIZE_LIMIT} values")
        return yaml.SafeLoader.compose_node(self, parent, index)

    members = {"yaml_implicit_resolvers": {}, "compose_node": compose_node}
    loader: Any = type("CoreLoader", (yaml.SafeLoader,), members)
    for tag, pattern, first in _PLAIN:
        loader.add_implicit_resolver(_TAG + tag, pattern, first)
    return loader


def _syntax(error: Any, text: str) -> Unreadable:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "this is not YAML"
    if mark is not None:
        line, column = mark.line, mark.column
    else:  # a character that YAML does not allow anywhere
        before = text[: getattr(error, "position", 0)]
        line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    return Unreadable(f"line {line + 1}, column {column + 1}: {_QUOTED.sub('', str(said))}")


class _Reader:
    """Turns the nodes of one document into values, and counts them."""

    def __init__(self) -> None:
        self._size = 0
        self._open: set[int] = set()

    def value(self, node: Any) -> Any:
        self._size += 1
        if self._size > _SIZE_LIMIT:
            raise _at(node, f"with its aliases written out, the file has over {_SIZE_LIMIT} values")
        kind = node.tag.removeprefix(_TAG)
        if node.id == "scalar":
            return self._scalar(node, kind)
        if id(node) in self._open:
            raise _at(node, "this contains itself")
        self._open.add(id(node))
        try:
            if node.id == "mapping" and kind == "map":
                return self._table(node)
            if node.id == "sequence" and kind == "seq":
                return [self.value(item) for item in node.value]
        finally:
            self._open.discard(id(node))
        raise _at(node, "tags that make objects are not supported")

    def _table(self, node: Any) -> dict[str, Any]:
        table: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                merged = {**self._merged(value_node), **merged}
                continue
            if key_node.id != "scalar":
                raise _at(key_node, "a key must be a plain word or text")
            key = key_node.value
            if key in table:
                raise _at(key_node, f"the key {key} is given twice in this table")
            table[key] = self.value(value_node)
        return {**merged, **table}

    def _merged(self, node: Any) -> dict[str, Any]:
        found = self.value(node)
        tables = found if isinstance(found, list) else [found]
        merged: dict[str, Any] = {}
        for table in tables:
            if not isinstance(table, dict):
                raise _at(node, "<< merges a table or a list of tables")
            merged = {**table, **merged}
        return merged

    def _scalar(self, node: Any, kind: str) -> Any:
        text = node.value
        try:
            match kind:
                case "str" | "merge" | "timestamp":
                    return text
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "int":
                    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
                    return int(text, base)
                case "float":
                    return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
        except (ValueError, KeyError, OverflowError):
            raise _at(node, f"this is not a value of the type {kind}") from None
        raise _at(node, "tags that make objects are not supported")


def _at(node: Any, reason: str) -> Unreadable:
    mark = node.start_mark
    return Unreadable(f"line {mark.line + 1}, column {mark.column + 1}: {reason}")
