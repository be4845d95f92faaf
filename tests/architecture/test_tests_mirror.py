"""The tests mirror the source, say what they prove, and do not sleep.

A module with code in it has a test file of its name. A test file is about a module, or about one
aspect of it (`test_scope.py`, `test_scope_shield.py`), or stands in a folder of its own kind.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tests.architecture.source import Module, dotted, functions, modules, parse, suite

# Folders of tests that are about the whole, not about one module.
OF_THEIR_OWN_KIND: Final = (
    "architecture",
    "docs",
    "conformance",
    "e2e",
    "backends",
    "fuzz",
    "system",
    "examples",
    "bench",
)

# Module -> why nothing tests it alone. Can only shrink: an entry that has a test file fails.
UNTESTED: Final[Mapping[str, str]] = {
    "mainstay": "the public face is held by test_public_names and test_import_budget",
}

# "file:function" -> why it has to sleep. Can only shrink too.
SLEEPERS: Final[Mapping[str, str]] = {
    "tests.testing.test_clock:test_announced_threads_stop_the_clock": (
        "that virtual time stands still while a thread works shows in real time only"
    ),
}

# From here on a sleep stands for "for ever": nobody waits for it, the test cancels it.
FOR_EVER: Final = 60.0


def has_code(module: Module) -> bool:
    """Whether any function in it does something: Protocols, values and re-exports do nothing."""
    for node in functions(module.tree):
        body = node.body[1:] if ast.get_docstring(node) else node.body
        if any(not isinstance(each, ast.Pass) and not _is_ellipsis(each) for each in body):
            return True
    return False


def _is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def mirror(name: str) -> str:
    """The test file of a module: ``tests.core.test_scope`` for ``mainstay.core.scope``."""
    *folders, last = name.split(".")[1:] or [name]
    return ".".join(["tests", *folders, f"test_{last.strip('_')}"])


def is_contract(module: Module) -> bool:
    """Whether it is a contract suite, which is proven by being run against implementations."""
    return module.name.startswith("mainstay.testing.contracts.")


def untested(
    source: Iterable[Module], files: Iterable[Module], allowed: Iterable[str]
) -> list[str]:
    """Modules without a test file, and exceptions that are none any more."""
    names = {module.name for module in files}
    wanting = {
        module.name
        for module in source
        if has_code(module)
        and not is_contract(module)
        and not any(f"{name}_".startswith(f"{mirror(module.name)}_") for name in names)
    }
    found = [f"{name} has no {mirror(name)}" for name in wanting - set(allowed)]
    return sorted(found + [f"{name} needs no exception" for name in set(allowed) - wanting])


def astray(source: Iterable[Module], files: Iterable[Module]) -> list[str]:
    """Test files that are about no module."""
    known = {mirror(module.name) for module in source}
    return [
        f"{module.name} is about no module"
        for module in files
        if module.name.rpartition(".")[2].startswith("test_")
        and module.name.split(".")[1] not in OF_THEIR_OWN_KIND
        and not any(f"{module.name}_".startswith(f"{name}_") for name in known)
    ]


def outermost(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a file and the methods of its classes, but no function inside another."""
    bodies = [module.tree.body]
    bodies += [node.body for node in module.tree.body if isinstance(node, ast.ClassDef)]
    for body in bodies:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def cases(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The tests in a file."""
    return (node for node in outermost(module) if node.name.startswith("test_"))


def silent(files: Iterable[Module]) -> list[str]:
    """Tests that do not say what they prove."""
    return [
        f"{module.where(node.lineno)} {node.name} states no fact"
        for module in files
        for node in cases(module)
        if not ast.get_docstring(node)
    ]


def is_real(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a test runs in real time: marked so itself, or by its class or file."""
    owners = [
        each for each in module.tree.body if isinstance(each, ast.ClassDef) and node in each.body
    ]
    marks = [mark for each in [node, *owners] for mark in each.decorator_list]
    for each in module.tree.body:
        if isinstance(each, ast.Assign) and dotted(each.targets[0]) == "pytestmark":
            marks += [part for part in ast.walk(each.value) if isinstance(part, ast.Attribute)]
    return any(dotted(mark).endswith("mark.real_loop") for mark in marks)


def naps(node: ast.AST, *, real: bool) -> Iterator[int]:
    """Lines under `node` where real time would be slept away.

    A thread's sleep is always real. A coroutine's is virtual, unless the test runs on a real loop.
    """
    for call in ast.walk(node):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = dotted(call.func)
        length = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
        if length == 0 or (isinstance(length, int | float) and length >= FOR_EVER):
            continue
        if name == "time.sleep" or (real and name == "asyncio.sleep"):
            yield call.lineno


def sleepers(files: Iterable[Module], allowed: Iterable[str]) -> list[str]:
    """Tests and helpers that sleep, and exceptions that are none any more."""
    found: dict[str, str] = {}
    for module in files:
        for node in outermost(module):
            real = is_real(module, node)
            for line in naps(node, real=real):
                name = f"{module.name}:{node.name}"
                found[name] = f"{module.where(line)} {node.name} sleeps"
    awake = [f"{name} needs no exception" for name in allowed if name not in found]
    return [line for name, line in found.items() if name not in set(allowed)] + awake


def test_every_module_with_code_has_its_test_file() -> None:
    """`core/scope.py` is tested by `tests/core/test_scope.py`, and so on for all."""
    assert untested(modules(), suite(), UNTESTED) == []


def test_every_test_file_is_about_a_module() -> None:
    """A reader finds the source from the name of the test."""
    assert astray(modules(), suite()) == []


def test_every_contract_suite_is_run() -> None:
    """Each contract is imported by some test, which runs it against an implementation."""
    run = {
        imported.target
        for module in suite()
        if not module.name.startswith("tests.architecture.")
        for imported in module.imports()
    }
    for contract in filter(is_contract, modules()):
        assert any(f"{target}.".startswith(f"{contract.name}.") for target in run), contract.name


def test_every_test_states_the_fact_it_proves() -> None:
    """Each test has a docstring, those of the shipped contract suites too."""
    assert silent([*suite(), *filter(is_contract, modules())]) == []


def test_no_test_sleeps() -> None:
    """Waiting is for a condition, or on the virtual clock."""
    assert sleepers(suite(), SLEEPERS) == []


def test_a_module_without_a_test_file_is_found() -> None:
    """Code wants one; Protocols, values and re-exports do not; an exception can only shrink."""
    source = [
        parse("mainstay.core.x", "def f():\n    return 1"),
        parse("mainstay.core.plug", 'class P(Protocol):\n    def m(self):\n        """Law."""'),
        parse("mainstay.core.stub", "def f() -> int: ..."),
    ]
    assert untested(source, [], []) == ["mainstay.core.x has no tests.core.test_x"]
    assert untested(source, [], ["mainstay.core.x"]) == []
    files = [parse("tests.core.test_x")]
    assert untested(source, files, ["mainstay.core.x"]) == ["mainstay.core.x needs no exception"]


def test_a_test_file_about_nothing_is_found() -> None:
    """An aspect of a module has the module's name in front."""
    source = [parse("mainstay.core.scope")]
    names = ["core.test_scope", "core.test_scope_shield", "core.test_scopes", "docs.test_links"]
    files = [parse(f"tests.{name}") for name in names]
    assert astray(source, files) == ["tests.core.test_scopes is about no module"]


def test_a_test_that_states_nothing_is_found() -> None:
    """Functions, coroutines and methods alike; helpers inside a test are no tests."""
    text = """
async def test_a():
    def test_inner(): ...
class TestB:
    def test_b(self): ...
    def test_c(self):
        "It holds."
"""
    found = silent([parse("tests.core.test_x", text)])
    assert [line.split()[1] for line in found] == ["test_a", "test_b"]


def test_a_nap_is_found() -> None:
    """In real time only: virtual sleeps, zero, and stand-ins for ever are fine."""
    text = """
def helper():
    time.sleep(delay)
async def test_virtual():
    await asyncio.sleep(3)
@pytest.mark.real_loop
async def test_real():
    await asyncio.sleep(0)
    await asyncio.sleep(3600)
    await asyncio.sleep(0.1)
"""
    files = [parse("tests.core.test_x", text)]
    assert sleepers(files, []) == [
        "tests.core.test_x:3 helper sleeps",
        "tests.core.test_x:10 test_real sleeps",
    ]
    allowed = ["tests.core.test_x:helper", "tests.core.test_x:test_real", "tests.core.test_x:gone"]
    assert sleepers(files, allowed) == ["tests.core.test_x:gone needs no exception"]


def test_a_mark_on_the_class_or_file_counts() -> None:
    """A test may be real by its class, or by `pytestmark`."""
    body = "    async def test_a(self):\n        await asyncio.sleep(1)"
    marked = f"@pytest.mark.real_loop\nclass TestA:\n{body}"
    assert len(sleepers([parse("tests.core.test_x", marked)], [])) == 1
    marked = f"pytestmark = [pytest.mark.real_loop]\nclass TestA:\n{body}"
    assert len(sleepers([parse("tests.core.test_x", marked)], [])) == 1
