"""Importing does nothing to the world: no socket, thread, process, handler or look at a setting."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.architecture.source import PACKAGE, ROOT, modules

PROBE = Path(__file__).with_name("import_probe.py")


def deeds(source: Path, package: str, names: Iterable[str]) -> list[str]:
    """What importing each module, in a process of its own, does: ``module<TAB>deed``."""
    command = [sys.executable, "-W", "error", str(PROBE), str(source), package, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=280)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_no_module_does_anything_as_it_is_imported() -> None:
    """Each module alone, in a fresh process, imports without a trace."""
    names = [module.name for module in modules() if not module.name.endswith("__main__")]
    assert deeds(ROOT / "src", PACKAGE, names) == []


def test_what_a_module_does_is_found(tmp_path: Path) -> None:
    """Each kind of deed is reported for the module that does it, and none for one that is quiet."""
    bodies = {
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
    found = deeds(tmp_path, "loud", [f"loud.{name}" for name in bodies])
    said = {
        line.partition("\t")[0].removeprefix("loud."): line.partition("\t")[2] for line in found
    }
    assert said.pop("import_error").startswith("does not import: ModuleNotFoundError")
    assert said == {
        "environment": "reads the environment: LOUD_MODE",
        "getenv": "reads the environment: LOUD_MODE",
        "handler": "installs a logging handler",
        "popen": said["popen"],
        "signals": "installs a signal handler",
        "socket": "does socket.__new__",
        "thread": "starts a thread",
    }
    assert "loud.popen\tdoes subprocess.Popen" in found
