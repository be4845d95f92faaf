"""The layers of the chat, read from the imports: who may know whom."""

from __future__ import annotations

from statistics import median
from typing import Final

import pytest

from tests.architecture.source import ROOT, Module, parse
from tests.architecture.test_sizes import MEDIAN_FILE, sizes, violations

IM: Final = "examples.im"
SEAMS: Final = {"examples.im.api", "examples.im.frames"}

ALLOWED: Final[dict[str, set[str]]] = {
    "data": {"examples.im.api"},
    "logic": {"examples.im.api", "examples.im.data"},
    "gateway": SEAMS,
    "importing": {"examples.im.api", "examples.im.data"},
    "chat": SEAMS,
}
"""What the modules of a layer import of the chat, beside their own layer."""

PUT_TOGETHER: Final[dict[str, set[str]]] = {
    # The one module of the gateway's layer that knows who answers: by RPC, and not how.
    "examples.im.gateway.service": {"examples.im.logic.rpc"},
    # The one module of the terminal client that knows the gateway's definition.
    "examples.im.chat.__main__": {"examples.im.gateway.talk"},
}


def modules() -> list[Module]:
    """All modules of the chat."""
    found = []
    for path in sorted((ROOT / "examples" / "im").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(parse(name, path.read_text(), package=path.name == "__init__.py"))
    return found


def layer_of(name: str) -> str:
    """The folder or file right under ``examples/im``; empty for others."""
    return name.removeprefix(f"{IM}.").partition(".")[0] if name.startswith(f"{IM}.") else ""


def is_below(name: str, homes: set[str]) -> bool:
    """Whether it is one of these modules, in one of them, or a name of one."""
    return any(name == each or name.startswith(f"{each}.") for each in homes)


def strangers(module: Module) -> list[str]:
    """What a module imports of the chat and should not."""
    layer = layer_of(module.name)
    if layer not in ALLOWED:
        return []
    allowed = ALLOWED[layer] | PUT_TOGETHER.get(module.name, set()) | {f"{IM}.{layer}"}
    found = []
    for each in module.imports():
        target = each.target
        if target.startswith(IM) and target != IM and not is_below(target, allowed):
            found.append(f"{module.where(each.line)} imports {target}")
    return found


def test_layers_know_only_those_below_and_the_seams() -> None:
    """The gateway knows neither logic nor data, the logic no gateway, the data only values."""
    everything = modules()
    assert {layer_of(each.name) for each in everything} >= ALLOWED.keys() - {"chat"}
    assert [line for each in everything for line in strangers(each)] == []


def test_the_seams_know_nobody() -> None:
    """`api` imports nothing of the chat, `frames` only `api`."""
    found = {each.name: {i.target for i in each.imports()} for each in modules()}
    ours = {name: {each for each in found[name] if each.startswith(IM)} for name in SEAMS}
    assert ours["examples.im.api"] == set()
    assert all(is_below(each, {IM, "examples.im.api"}) for each in ours["examples.im.frames"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("examples.im.gateway.hub", "from examples.im.logic import rpc"),
        ("examples.im.gateway.service", "from examples.im.logic.service import service"),
        ("examples.im.gateway.hub", "def f():\n    import examples.im.data.tables"),
        ("examples.im.logic.service", "from examples.im.gateway import hub"),
        ("examples.im.data.writer", "from examples.im import frames"),
    ],
)
def test_a_step_out_of_a_layer_is_found(name: str, text: str) -> None:
    """The rule itself works: on modules that break it."""
    assert len(strangers(parse(name, text))) == 1


def test_the_vendor_of_the_database_is_known_by_the_data_alone() -> None:
    """Whoever changes the database changes one folder."""
    knowing = {
        layer_of(module.name)
        for module in modules()
        for each in module.imports()
        if each.top in {"sqlalchemy", "sqlite3", "aiosqlite", "asyncpg"}
    }
    assert knowing == {"data"}


def test_its_pages_are_of_a_readable_size() -> None:
    """The limits are those of the library: for files, for functions, and for the median file."""
    found = sizes(modules())
    assert violations(found, {}) == []
    assert median(lines for name, lines in found.items() if ":" not in name) <= MEDIAN_FILE
