"""A plug point is a Protocol of at most six methods, in ``interfaces/``, with a contract suite."""

import ast
from collections.abc import Iterable, Iterator
from typing import Final

from tests.architecture.source import Module, dotted, functions, modules, parse

MOST_METHODS: Final = 6


def protocols(module: Module) -> Iterator[ast.ClassDef]:
    """The classes of a module that are Protocols themselves."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            bases = {dotted(base).rpartition(".")[2] for base in node.bases}
            if "Protocol" in bases:
                yield node


def violations(source: Iterable[Module]) -> list[str]:
    """One line for each Protocol that is too wide or without contract, and each vague method."""
    source = list(source)
    known = {module.name for module in source}
    found = []
    for module in source:
        if module.room != "interfaces":
            continue
        plugs = list(protocols(module))
        contract = module.name.replace(".interfaces.", ".testing.contracts.")
        if plugs and contract not in known:
            found.append(f"{module.name} has no contract suite {contract}")
        for plug in plugs:
            methods = [node for node in plug.body if node in list(functions(plug))]
            if len(methods) > MOST_METHODS:
                found.append(f"{module.name}.{plug.name} has {len(methods)} methods")
            found += [
                f"{module.name}.{plug.name}.{method.name} says no law"
                for method in functions(plug)
                if not ast.get_docstring(method)
            ]
    return found


def test_plug_points_are_small_and_have_a_contract() -> None:
    """Every Protocol of ``interfaces/`` has at most six methods, each with its law, and a suite."""
    assert violations(modules()) == []


def test_a_wide_protocol_is_found() -> None:
    """Seven methods are two plug points."""
    body = "".join(f'    def m{n}(self):\n        """Law."""\n' for n in range(7))
    source = [
        parse("mainstay.interfaces.x", f"class X(typing.Protocol[T]):\n{body}"),
        parse("mainstay.testing.contracts.x"),
    ]
    assert violations(source) == ["mainstay.interfaces.x.X has 7 methods"]


def test_a_plug_point_without_a_contract_is_found() -> None:
    """The suite has the name of the interface's file; a file of values alone needs none."""
    source = [
        parse("mainstay.interfaces.x", "class X(Protocol): ..."),
        parse("mainstay.interfaces.values", "class V: ..."),
    ]
    assert violations(source) == [
        "mainstay.interfaces.x has no contract suite mainstay.testing.contracts.x"
    ]


def test_a_method_without_a_law_is_found() -> None:
    """Its docstring is all that an adapter's author has."""
    source = [
        parse("mainstay.interfaces.x", "class X(Protocol):\n    async def m(self): ..."),
        parse("mainstay.testing.contracts.x"),
    ]
    assert violations(source) == ["mainstay.interfaces.x.X.m says no law"]
