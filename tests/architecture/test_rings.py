"""The law of the house: who may know whom.

1. A module imports from its own folder or from a lower ring, never beside or above.
2. Ring 0 imports the standard library and itself only (`test_vendors` holds the first half).
3. The rooms of ring 3 meet in the rings below and are put together in ``service``.
4. ``contrib`` is imported by nobody; ``testing`` by nobody inside the package.
5. Nobody inside imports from the package's public face: it would hide the ring.

Imports for the type checker and imports in functions count as well: knowing is knowing.
"""

from collections.abc import Iterable
from typing import Final

from tests.architecture.source import PACKAGE, Module, home, modules, parse

RINGS: Final = {
    "version": 0,
    "errors": 0,
    "core": 0,
    "wire": 1,
    "interfaces": 1,
    "net": 2,
    "http": 3,
    "rpc": 3,
    "tcp": 3,
    "discovery": 3,
    "govern": 3,
    "messaging": 3,
    "cache": 3,
    "data": 3,
    "observe": 3,
    "config": 3,
    "process": 3,
    "service": 4,
    "cli": 5,
    "console": 5,
    "__main__": 6,
}

# Outside the rings, imported by nobody inside: what each may import is said here.
APART: Final = {
    "contrib": frozenset({"errors", "core", "interfaces"}),
    "testing": frozenset(room for room, ring in RINGS.items() if ring < 5),
}


def may_import(room: str, other: str) -> bool:
    """Whether a module of `room` may know one of `other`."""
    if room == other:
        return True
    if room in APART:
        return other in APART[room]
    if other in APART or other not in RINGS:
        return False
    # `errors` is the floor of ring 0: a file, on which the folder `core` stands.
    return RINGS[other] < RINGS[room] or (room, other) == ("core", "errors")


def violations(source: Iterable[Module]) -> list[str]:
    """One line for each import that breaks the law, and for each room that has no ring."""
    source = list(source)
    known = {module.name for module in source}
    found = []
    for module in source:
        if module.name == PACKAGE:
            continue  # the public face names everything, lazily
        if module.room not in RINGS and module.room not in APART:
            found.append(f"{module.name}: the room '{module.room}' has no ring")
            continue
        for imported in module.imports():
            if imported.top != PACKAGE:
                continue
            room = (home(imported.target, known) or imported.target).partition(".")[2]
            room = room.partition(".")[0]
            if not may_import(module.room, room):
                found.append(f"{module.where(imported.line)} imports {imported.target}")
    return found


def test_every_module_imports_from_its_own_folder_or_a_lower_ring() -> None:
    """No import points beside or above, and every room has a ring."""
    assert violations(modules()) == []


def test_an_import_upward_is_found() -> None:
    """A module of ring 3 that imports the service breaks the law."""
    source = [
        parse("mainstay.http.server", "from mainstay.service.app import Service"),
        parse("mainstay.service.app"),
    ]
    assert violations(source) == ["mainstay.http.server:1 imports mainstay.service.app.Service"]


def test_an_import_sideways_is_found_wherever_it_hides() -> None:
    """Under TYPE_CHECKING, in a function, relative, or by name: knowing is knowing."""
    text = """
if TYPE_CHECKING:
    from mainstay.http import status
def late():
    import mainstay.http.status
    import_module("mainstay.http.status")
from ..http.status import OK
"""
    source = [parse("mainstay.rpc.server", text), parse("mainstay.http.status")]
    assert [line.split()[0].partition(":")[2] for line in violations(source)] == list("3567")


def test_rooms_of_one_ring_do_not_import_one_another() -> None:
    """Within rings 1 and 5 as well as 3; `core` stands on `errors`, not the other way round."""
    assert not may_import("wire", "interfaces")
    assert not may_import("console", "cli")
    assert may_import("core", "errors")
    assert not may_import("errors", "core")


def test_what_stands_apart_is_imported_by_nobody_inside() -> None:
    """Neither the adapters nor the test support may be known to any ring, nor to each other."""
    for room in [*RINGS, "contrib"]:
        assert not may_import(room, "testing")
    for room in [*RINGS, "testing"]:
        assert not may_import(room, "contrib")
    assert may_import("testing", "service")
    assert not may_import("testing", "cli")


def test_the_public_face_is_not_imported_from_inside() -> None:
    """`from mainstay import Service` inside the package would hide which ring it reaches."""
    source = [
        parse("mainstay", package=True),
        parse("mainstay.cli.main", "from mainstay import Service"),
    ]
    assert violations(source) == ["mainstay.cli.main:1 imports mainstay.Service"]


def test_a_room_without_a_ring_is_found() -> None:
    """A new folder has to be given its place in the table."""
    source = [parse("mainstay.attic.box")]
    assert violations(source) == ["mainstay.attic.box: the room 'attic' has no ring"]
