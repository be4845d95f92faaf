"""Importing does nothing to the world: no socket, thread, process, handler or look at a setting."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

from tests.architecture.source import PACKAGE, ROOT, Module, modules, parse
from tests.architecture.test_cycles import edges

PROBE = Path(__file__).with_name("import_probe.py")


def firsts(source: Iterable[Module]) -> dict[str, str]:
    """Each module with the largest of those that its import begins with; empty where is none.

    As there are no cycles, a module finds what it imports complete, whether that was imported
    before or is imported now. So a process that has imported one of them, and nothing else, is as
    fresh as an empty one, and the module costs what is its own. Only an import that certainly
    happens counts: one that stands in the module's body itself.
    """
    graph = edges(
        replace(module, tree=ast.Module([each for each in module.tree.body if _imports(each)], []))
        for module in source
    )
    closures: dict[str, set[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        closures[name] = {name}.union(*(closures[other] for other in graph[name]))
    return {
        name: max(others, key=lambda other: (len(closures[other]), other), default="")
        for name, others in graph.items()
    }


def _imports(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


def deeds(source: Path, package: str, names: Mapping[str, str]) -> list[str]:
    """What importing each module does, in a process that has imported nothing or only what is
    named for it: ``module<TAB>deed``."""
    arguments = [f"{name}<{first}" for name, first in names.items()]
    command = [sys.executable, "-W", "error", str(PROBE), str(source), package, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=280)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_no_module_does_anything_as_it_is_imported() -> None:
    """Each module alone, in a fresh process, imports without a trace."""
    names = firsts(module for module in modules() if not module.name.endswith("__main__"))
    assert deeds(ROOT / "src", PACKAGE, names) == []


def test_a_module_comes_after_the_largest_that_it_imports() -> None:
    """What is for the type checker, or for later, may not be imported before it."""
    assert firsts(
        [
            parse("mainstay.low"),
            parse("mainstay.mid", "from mainstay import low"),
            parse("mainstay.top", "from mainstay import low\nfrom mainstay.mid import X"),
            parse("mainstay.typed", "if TYPE_CHECKING:\n    import mainstay.mid"),
            parse("mainstay.late", "def f():\n    import mainstay.mid"),
        ]
    ) == {
        "mainstay.low": "",
        "mainstay.mid": "mainstay.low",
        "mainstay.top": "mainstay.mid",
        "mainstay.typed": "",
        "mainstay.late": "",
    }


def test_what_a_module_does_is_found(tmp_path: Path) -> None:
    """Each kind of deed is reported for the module that does it, and none for one that is quiet."""
    bodies = {
        "end": "import os\nos._exit(1)",
        "environment": "import os\nos.environ.get('LOUD_MODE')",
        "getenv": "import os\nos.getenv('LOUD_MODE')",
        "handler": "import logging\nlogging.getLogger('loud').addHandler(logging.NullHandler())",
        "import_error": "import loud.no_such_module",
        "popen": "import subprocess\nsubprocess.run(['true'])",
        "quiet": "import asyncio, os, threading\ndef f():\n    return os.environ['HOME']",
        "signals": "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        "socket": "import socket\nsocket.socket().close()",
        "thread": "import threading\nthread = threading.Thread(target=int)\nthread.start()\n"
        "thread.join()",
    }
    (tmp_path / "loud").mkdir()
    for name, body in bodies.items():
        (tmp_path / "loud" / f"{name}.py").write_text(body)
    names = {f"loud.{name}": "" for name in bodies} | {"loud.socket": "loud.quiet"}
    found = deeds(tmp_path, "loud", names)
    said = {
        line.partition("\t")[0].removeprefix("loud."): line.partition("\t")[2] for line in found
    }
    assert said.pop("import_error").startswith("does not import: ModuleNotFoundError")
    assert said == {
        "end": "ends its process",
        "environment": "reads the environment: LOUD_MODE",
        "getenv": "reads the environment: LOUD_MODE",
        "handler": "installs a logging handler",
        "popen": said["popen"],
        "signals": "installs a signal handler",
        "socket": "does socket.__new__",
        "thread": "starts a thread",
    }
    assert "loud.popen\tdoes subprocess.Popen" in found
