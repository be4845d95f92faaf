"""What an import costs is held by name: a new line here is a decision, not an accident."""

import json
import subprocess
import sys
from typing import Final

from tests.architecture.source import PACKAGE, ROOT, is_stdlib

# Modules of the standard library that are slow to import, or that a program without a service in
# it has no use for.
HEAVY: Final = frozenset(
    {"asyncio", "concurrent", "email", "http", "logging", "multiprocessing", "socket", "ssl"}
)

# What `from mainstay import Service` may load of others: what every service needs.
OF_OTHERS: Final[frozenset[str]] = frozenset()

# The rooms that `from mainstay import Service` opens; configuration and logs wait until it runs.
ROOMS: Final = frozenset({"core", "errors", "interfaces", "service", "version"})

SCRIPT = """
import sys
sys.path.insert(0, {path!r})
before = set(sys.modules)
{statement}
import json
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded(statement: str) -> list[str]:
    """The modules that a fresh interpreter loads for the statement."""
    script = SCRIPT.format(path=str(ROOT / "src"), statement=statement)
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    return list(json.loads(done.stdout))


def of_others(names: list[str]) -> set[str]:
    """The third-party packages among the modules; sysconfig's data are named by platform."""
    tops = {name.partition(".")[0] for name in names}
    tops -= {PACKAGE, *(top for top in tops if top.startswith("_sysconfigdata"))}
    return {top for top in tops if not is_stdlib(top)}


def test_importing_the_package_loads_the_public_face_only() -> None:
    """`import mainstay` is a table of names: nothing else of ours, nothing heavy, no vendor."""
    names = loaded("import mainstay")
    assert [name for name in names if name.startswith(PACKAGE)] == ["mainstay", "mainstay.version"]
    assert of_others(names) == set()
    assert HEAVY & set(names) == set()


def test_importing_service_loads_what_every_service_needs() -> None:
    """`from mainstay import Service` opens the rooms on the list, and loads the vendors on it."""
    names = loaded("from mainstay import Service")
    assert of_others(names) == OF_OTHERS
    assert {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")} == ROOMS


def test_a_vendor_is_seen() -> None:
    """The check tells packages of others from the standard library's and ours."""
    assert of_others(loaded("import json, email.message, pytest")) >= {"pytest"}
    assert "email" in loaded("import email.message")
