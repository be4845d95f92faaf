"""No module imports itself through others: what has a cycle has no order to be read in."""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from tests.architecture.source import Module, home, modules, parse


def edges(source: Iterable[Module]) -> dict[str, set[str]]:
    """Each module with those it imports as it is imported, or for the type checker.

    An import in a function is not an edge: it runs when both modules are complete.
    """
    source = list(source)
    known = {module.name for module in source}
    graph = {}
    for module in source:
        found = {home(each.target, known) for each in module.imports() if not each.deferred}
        graph[module.name] = {other for other in found if other and other != module.name}
    return graph


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one cycle, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_cycles() -> None:
    """The modules have an order in which each finds what it imports complete."""
    assert cycle(edges(modules())) == []


def test_a_cycle_is_found() -> None:
    """Three modules in a ring are named, even where one edge is for the type checker only."""
    graph = edges(
        [
            parse("mainstay.core.a", "from mainstay.core import b"),
            parse("mainstay.core.b", "from mainstay.core.c import thing"),
            parse("mainstay.core.c", "if TYPE_CHECKING:\n    import mainstay.core.a"),
        ]
    )
    assert set(cycle(graph)) == {"mainstay.core.a", "mainstay.core.b", "mainstay.core.c"}


def test_an_import_in_a_function_closes_no_cycle() -> None:
    """It runs after both modules are complete."""
    graph = edges(
        [
            parse("mainstay.core.a", "from mainstay.core import b"),
            parse("mainstay.core.b", "def late():\n    from mainstay.core import a"),
        ]
    )
    assert cycle(graph) == []
