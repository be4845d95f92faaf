"""Size budgets: what does not fit on a page is split, or says why it is not.

The limits are where h11, Starlette, httpcore and dramatiq are: each of them has no import cycle and
no file above 750 lines, and functions of 60 to 80 lines at the 99th percentile.

The lists of exceptions can only shrink: an entry that is back under the limit fails, and an entry
names the size it was admitted with, above which it fails too.
"""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Final

from tests.architecture.source import Module, functions, modules, parse

MEDIAN_FILE: Final = 150
LONGEST_FILE: Final = 700
LONGEST_FUNCTION: Final = 70

# "module" or "module:function" -> (lines, reason).
ALLOWED: Final[Mapping[str, tuple[int, str]]] = {}


def sizes(source: Iterable[Module]) -> dict[str, int]:
    """Lines of each module, and of each function in it from ``def`` to its last line."""
    found = {}
    for module in source:
        found[module.name] = module.text.count("\n")
        for node in functions(module.tree):
            name = f"{module.name}:{node.name}"
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            found[name] = max(lines, found.get(name, 0))
    return found


def limit(name: str) -> int:
    """What holds for a module, or for a function, of this name."""
    return LONGEST_FUNCTION if ":" in name else LONGEST_FILE


def violations(sizes: Mapping[str, int], allowed: Mapping[str, tuple[int, str]]) -> list[str]:
    """One line for each thing that is too long, and for each exception that is none any more."""
    found = []
    for name, lines in sizes.items():
        most, _ = allowed.get(name, (limit(name), ""))
        if lines > most:
            found.append(f"{name} has {lines} lines, {most} are allowed")
    for name, (lines, reason) in allowed.items():
        if sizes.get(name, 0) <= limit(name):
            found.append(f"{name} needs no exception any more")
        elif sizes[name] < lines:
            found.append(f"{name} has shrunk to {sizes[name]} lines: write that, not {lines}")
        if not reason:
            found.append(f"{name} is excepted without a reason")
    return found


def test_nothing_is_too_long() -> None:
    """No file and no function is above the hard limit, but those with a reason."""
    assert violations(sizes(modules()), ALLOWED) == []


def test_the_median_file_is_short() -> None:
    """Half of the files with code in them have at most 150 lines."""
    files = [module.text.count("\n") for module in modules() if len(module.tree.body) > 1]
    assert median(files) <= MEDIAN_FILE


def test_a_long_function_is_found() -> None:
    """A method counts from its ``def``, docstring included."""
    body = "\n".join("        x = 1" for _ in range(LONGEST_FUNCTION))
    module = parse("mainstay.core.x", f"class A:\n    async def f(self):\n{body}\n")
    assert violations(sizes([module]), {}) == ["mainstay.core.x:f has 71 lines, 70 are allowed"]


def test_a_long_file_is_found() -> None:
    """Every line counts, comments too."""
    module = parse("mainstay.core.x", "# line\n" * (LONGEST_FILE + 1))
    assert violations(sizes([module]), {}) == ["mainstay.core.x has 701 lines, 700 are allowed"]


def test_an_exception_can_only_shrink() -> None:
    """It fails when the thing grew, when it shrank, when it fits, and when it is gone."""
    allowed = {"a:f": (80, "a table of states, read from top to bottom")}
    assert violations({"a:f": 80}, allowed) == []
    assert violations({"a:f": 81}, allowed) == ["a:f has 81 lines, 80 are allowed"]
    assert violations({"a:f": 75}, allowed) == ["a:f has shrunk to 75 lines: write that, not 80"]
    assert violations({"a:f": 70}, allowed) == ["a:f needs no exception any more"]
    assert violations({}, allowed) == ["a:f needs no exception any more"]


def test_an_exception_has_a_reason() -> None:
    """An entry without one is no exception but a hole."""
    assert violations({"a": 800}, {"a": (800, "")}) == ["a is excepted without a reason"]
