"""No package of others but where the table says: the rest of the house does not know it exists."""

from collections.abc import Iterable, Mapping
from typing import Final

from tests.architecture.source import PACKAGE, Module, is_stdlib, modules, parse

# Package -> the rooms that may import it. A new line needs a page in docs/decisions/.
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "click": frozenset({"cli"}),
    "croniter": frozenset({"service"}),
    "google": frozenset({"rpc"}),
    "grpc": frozenset({"rpc"}),
    "h2": frozenset({"wire"}),
    "hpack": frozenset({"wire"}),
    "httptools": frozenset({"wire"}),
    "httpunk": frozenset({"wire"}),
    "jinja2": frozenset({"http"}),
    "jwt": frozenset({"http"}),
    "brotli": frozenset({"http"}),
    "msgspec": frozenset({"config", "http", "process", "rpc", "service", "testing"}),
    "python_multipart": frozenset({"wire"}),
    "structlog": frozenset({"observe"}),
    "uvloop": frozenset({"service"}),
    "websockets": frozenset({"wire"}),
    "watchfiles": frozenset({"cli"}),
    "yaml": frozenset({"config"}),
    "zstandard": frozenset({"http"}),
}


def vendors(module: Module) -> dict[str, int]:
    """The packages of others that it imports, each with a line where it does."""
    return {
        imported.top: imported.line
        for imported in module.imports()
        if imported.top != PACKAGE and not is_stdlib(imported.top)
    }


def violations(source: Iterable[Module]) -> list[str]:
    """One line for each import of a package outside its rooms, and each adapter with two."""
    found = []
    for module in source:
        used = vendors(module)
        if module.room == "contrib":
            if len(used) > 1:
                found.append(f"{module.name} imports more than one vendor: {sorted(used)}")
            continue
        found += [
            f"{module.where(line)} imports {package}"
            for package, line in used.items()
            if module.room not in ALLOWED.get(package, frozenset())
        ]
    return found


def test_packages_of_others_stay_in_their_rooms() -> None:
    """Every third-party import stands in a room that the table allows."""
    assert violations(modules()) == []


def test_an_import_outside_its_room_is_found() -> None:
    """The core may not import a vendor, not even in a function."""
    source = [parse("mainstay.core.scope", "def f():\n    import msgspec.json")]
    assert violations(source) == ["mainstay.core.scope:2 imports msgspec"]


def test_an_import_in_its_room_is_fine() -> None:
    """The command line may use its library."""
    assert violations([parse("mainstay.cli.main", "import click")]) == []


def test_an_unknown_package_is_found() -> None:
    """What no line of the table names is allowed nowhere."""
    source = [parse("mainstay.cli.main", "from rich import print")]
    assert violations(source) == ["mainstay.cli.main:1 imports rich"]


def test_an_adapter_has_one_vendor() -> None:
    """One file of ``contrib`` adapts one vendor, whichever."""
    assert violations([parse("mainstay.contrib.etcd", "import etcd")]) == []
    found = violations([parse("mainstay.contrib.all", "import etcd\nimport redis")])
    assert found == ["mainstay.contrib.all imports more than one vendor: ['etcd', 'redis']"]
