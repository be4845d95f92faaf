"""Which interpreter to measure on, and the environment for it: ``.venv-bench``.

Many source builds of CPython are made without profile-guided optimisation and are a good deal
slower on our kind of code, unevenly so, which would falsify ratios too. The configure line tells
only half of it: Debian runs the profiling from its own build scripts, and its line does not show
that. So every CPython of the machine runs a short probe, and the fastest is taken; among equals,
one that is configured with ``--enable-optimizations``, then the newest. BENCH_PYTHON names another.

Run with ``python -m bench.environment``, which prints the path of the environment's interpreter.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Interpreter", "choose", "described", "inspect", "interpreters", "prepare", "processor"]

ROOT: Final = Path(__file__).parent.parent
HOME: Final = ROOT / ".venv-bench"
PEERS: Final = ("anyio", "uvloop")
EQUAL: Final = 1.05
"""Interpreters whose probes differ by less than this factor are equally fast."""

PROBE: Final = """
import json, sys, sysconfig, time

class Box:
    __slots__ = ("value",)
    def __init__(self, value): self.value = value
    def get(self): return self.value

def work():
    seen = {}
    for number in range(20_000):
        seen[number & 63] = Box(number).get()

def timed():
    began = time.process_time()
    work()
    return time.process_time() - began

supported = (
    sys.implementation.name == "cpython"
    and sys.version_info >= (3, 11)
    and sys.prefix == sys.base_prefix
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
if supported:
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = ("--enable-optimizations", "--with-lto", "--with-pydebug", "--enable-experimental-jit")
    print(json.dumps({
        "path": sys.executable,
        "version": sys.version.split()[0],
        "compiler": " ".join(sys.version.split("[")[-1].split("]")[0].split()),
        "flags": [flag for flag in flags if flag in arguments],
        "probe": min(timed() for _ in range(40)),
    }))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython of this machine.

    Attributes:
        path: its executable.
        version: such as ``3.13.1``.
        compiler: what built it.
        flags: the parts of its configure line that matter for speed.
        probe: CPU seconds for a little work; comparable within one machine.
    """

    path: str
    version: str
    compiler: str
    flags: Sequence[str]
    probe: float

    @property
    def optimised(self) -> bool:
        """Whether its configure line says so."""
        return "--enable-optimizations" in self.flags

    @property
    def order(self) -> tuple[int, ...]:
        """Its version, to compare."""
        return tuple(int(part) for part in self.version.split(".")[:2])


def inspect(path: str | Path) -> Interpreter | None:
    """What is to know of an interpreter; None if it is too old, of another kind, or does not run."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", PROBE], check=False, capture_output=True, text=True, timeout=60
        )
        return Interpreter(**json.loads(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def interpreters() -> list[Interpreter]:
    """Every CPython that we support on PATH and among the versions of pyenv, each once."""
    found: dict[str, Interpreter] = {}
    for path in _candidates():
        if os.access(path, os.X_OK):
            interpreter = inspect(path)
            if interpreter is not None:
                found.setdefault(os.path.realpath(interpreter.path), interpreter)
    return list(found.values())


def _candidates() -> Iterator[Path]:
    seen = set()
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for name in ("python3", *(f"python3.{minor}" for minor in range(11, 20))):
            path = Path(folder, name)
            # Several names of one file; but never follow the link of a virtual environment.
            place = (folder, os.path.realpath(path))
            if place not in seen:
                seen.add(place)
                yield path
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/3.*/bin/python3"))


def choose(interpreters: Sequence[Interpreter]) -> Interpreter:
    """The fastest; among equals an optimised one, then the newest."""
    fastest = min(each.probe for each in interpreters)
    equals = [each for each in interpreters if each.probe <= fastest * EQUAL]
    return max(equals, key=lambda each: (each.optimised, each.order, -each.probe))


def described(record: dict[str, Any]) -> Iterator[str]:
    """Lines about the choice, for the header of the bench."""
    chosen = Interpreter(**record["chosen"])
    flags = " ".join(chosen.flags) or "no --enable-optimizations in its configure line"
    yield f"CPython {chosen.version} at {chosen.path}, {chosen.compiler}, {flags}"
    probes = ", ".join(
        f"{each['version']} {each['probe'] * 1000:.1f} ms" for each in record["among"]
    )
    yield f"{record['why']}; probes: {probes}"


def processor() -> str:
    """What the machine calls its processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def prepare(home: Path = HOME) -> Path:
    """Make the environment for the chosen interpreter, if it is not there, and return its python.

    What was chosen, and why, is left in ``bench.json`` inside.
    """
    named = os.environ.get("BENCH_PYTHON")
    among = [each for each in [inspect(named)] if each] if named else interpreters()
    if not among:
        message = f"bench: no CPython of 3.11 or newer {f'at {named}' if named else 'here'}"
        raise SystemExit(message)
    chosen = choose(among)
    why = "named by BENCH_PYTHON" if named else "the fastest here"
    python = home / "bin" / "python"
    stamp = home / "bench-stamp"
    wanted = _fingerprint(chosen)
    if not stamp.exists() or stamp.read_text() != wanted:
        _make(chosen, home, python)
        stamp.write_text(wanted)
    record = {"chosen": asdict(chosen), "among": [asdict(each) for each in among], "why": why}
    (home / "bench.json").write_text(json.dumps(record))
    return python


def _fingerprint(chosen: Interpreter) -> str:
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return "\n".join([chosen.path, chosen.version, project, *PEERS])


def _make(chosen: Interpreter, home: Path, python: Path) -> None:
    sys.stderr.write(f"bench: making {home.name} with {chosen.path}\n")
    # Without pip, since a distribution's interpreter may lack ensurepip; ours fills it.
    subprocess.run([chosen.path, "-m", "venv", "--clear", "--without-pip", home], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    options = ["--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*pip, *options, "--editable", str(ROOT), *PEERS], check=True)


if __name__ == "__main__":
    print(prepare())
