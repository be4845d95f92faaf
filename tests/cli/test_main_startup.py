"""What the command line imports, held by name: a line more here is a decision."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.world import GOOD, MAINSTAY, mainstay, running, write

# After the command has ended, what it has loaded that a bare interpreter has not.
PROGRAM = (
    *MAINSTAY[:2],
    "-c",
    """
import sys
before = set(sys.modules)
from mainstay.cli.main import cli
cli.main(prog_name="mainstay", standalone_mode=False)
print("\\n" + " ".join(sorted(set(sys.modules) - before)))
""",
)

# What a service runs on, beside itself and the standard library.
VENDORS = {"click", "msgspec", "structlog", "uvloop"}
ROOMS = {"cli", "config", "core", "errors", "interfaces", "observe", "service", "version"}
# Of these the settings, and the types that any function may ask for; no engine, no server.
SETTINGS = {"http", "net", "process", "rpc", "wire"}

# What msgspec and structlog load if it happens to be there, what Cython makes, and what the
# interpreter's site brings.
BESIDE = {"cython_runtime", "greenlet", "rich", "sitecustomize", "typing_extensions"}


def loaded(tmp_path: Path, *arguments: str) -> set[str]:
    done = mainstay(*arguments, cwd=tmp_path, program=PROGRAM)
    assert (done.code, done.err) == (0, "")
    return set(done.out.splitlines()[-1].split())


def of_others(names: set[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in names if not name.startswith("_")}
    return tops - sys.stdlib_module_names - {"mainstay", "good"} - BESIDE


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("mainstay")}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_the_help_loads_next_to_nothing(tmp_path: Path, arguments: list[str]) -> None:
    """No service, no event loop, no vendor but click."""
    names = loaded(tmp_path, *arguments)
    assert ours(names) <= {
        "mainstay",
        "mainstay.cli",
        "mainstay.cli.exits",
        "mainstay.cli.main",
        "mainstay.errors",
        "mainstay.version",
    }
    assert of_others(names) == {"click"}
    assert not names & {"asyncio", "logging", "socket", "ssl", "subprocess"}


def test_the_help_of_a_command_starts_no_machinery(tmp_path: Path) -> None:
    """To describe `run` takes the command's own module, what declares a service, and what a parent
    process is told by if even that fails."""
    names = loaded(tmp_path, "run", "--help")
    assert of_others(names) <= {"click", "msgspec", "structlog"}
    assert not names & {"mainstay.service.hosting", "mainstay.service.running", "mainstay.cli.dev"}


def test_run_loads_what_a_service_needs(tmp_path: Path) -> None:
    """No watcher of files, no cron, no YAML, no room that the service has no use for."""
    write(
        tmp_path,
        good=f"""{GOOD}
    import json, sys

    @service.on_start
    async def tell() -> None:
        print("loaded", json.dumps(sorted(sys.modules)), flush=True)
    """,
    )
    with running("run", "good", cwd=tmp_path) as process:
        names = set(json.loads(process.wait_line("loaded").partition(" ")[2]))
        assert process.end(signal.SIGTERM) == 0
    assert of_others(names) == VENDORS
    assert {name.split(".")[1] for name in ours(names) if "." in name} == ROOMS | SETTINGS
    assert not names & {"mainstay.cli.dev", "mainstay.service.checking", "croniter", "yaml"}
    assert not names & {"mainstay.http.server", "mainstay.http.app", "mainstay.service.endpoints"}
    assert not names & {"mainstay.wire.http1", "mainstay.http.client", "mainstay.http.binding"}
