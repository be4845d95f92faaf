"""Protocol logic does no I/O: bytes in, events out, and time as an argument."""

from collections.abc import Iterable
from typing import Final

import pytest

from tests.architecture.source import Module, modules, parse

# What reaches the world, waits for it, or learns the time.
FORBIDDEN: Final = frozenset(
    {
        "anyio",
        "asyncio",
        "concurrent",
        "multiprocessing",
        "os",
        "queue",
        "random",
        "select",
        "selectors",
        "signal",
        "socket",
        "socketserver",
        "ssl",
        "subprocess",
        "threading",
        "time",
        "uvloop",
    }
)


def violations(source: Iterable[Module]) -> list[str]:
    """One line for each import of something that reaches the world, from ``wire/``."""
    return [
        f"{module.where(imported.line)} imports {imported.top}"
        for module in source
        if module.room == "wire"
        for imported in module.imports()
        if imported.top in FORBIDDEN
    ]


def test_wire_reaches_nothing() -> None:
    """No module of ``wire/`` imports what waits, reads a clock or touches a socket."""
    assert violations(modules()) == []


@pytest.mark.parametrize("name", ["asyncio", "socket", "ssl", "time", "select", "threading"])
def test_an_impure_module_is_found(name: str) -> None:
    """Whether it imports the module, a submodule or a name, at the top or in a function."""
    text = f"import {name}\nimport {name}.deeper\nfrom {name} import x\ndef f():\n    import {name}"
    found = violations([parse("mainstay.wire.http1", text)])
    assert found == [f"mainstay.wire.http1:{line} imports {name}" for line in (1, 2, 3, 5)]


def test_other_rooms_may_do_io() -> None:
    """The rule is about ``wire/``; ``net/`` is where sockets are."""
    assert violations([parse("mainstay.net.listener", "import socket")]) == []
