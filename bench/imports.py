"""What an import costs a fresh interpreter, beyond its own start."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

from bench.harness import Case, Experiment, NewLoop, Sample

__all__ = ["EXPERIMENT", "most_expensive"]

TIMED = """
import time
began = time.process_time()
{statement}
print(time.process_time() - began)
"""


def fresh(statement: str) -> Case:
    """A statement, timed in an interpreter that has imported nothing."""
    program = TIMED.format(statement=statement)

    def sample(times: int, new_loop: NewLoop) -> Sample:
        # -I: neither the folder we are in nor PYTHONPATH may shadow what is installed.
        done = subprocess.run(
            [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
        )
        return Sample(float(done.stdout))

    return Case(statement, sample)


EXPERIMENT = Experiment(
    "import",
    "import it in a fresh interpreter",
    [
        fresh("import asyncio"),
        fresh("import asyncio, uvloop"),
        fresh("import anyio"),
        fresh("import anyio._backends._asyncio"),
        fresh("import mainstay"),
        fresh("from mainstay import Scope"),
        fresh("from mainstay import Service"),
        fresh("import mainstay.service.hosting"),
    ],
    reference="import asyncio",
    rounds=15,
    times=1,
)

_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")


def most_expensive(statement: str, count: int = 5) -> Iterator[str]:
    """The modules that took longest by themselves in `statement`, as ``-X importtime`` sees it."""
    done = subprocess.run(
        [sys.executable, "-I", "-X", "importtime", "-c", statement],
        check=True,
        capture_output=True,
        text=True,
    )
    found = [
        (int(match[1]), int(match[2]), match[4])
        for match in map(_LINE.fullmatch, done.stderr.splitlines())
        if match is not None
    ]
    yield f"{statement}: {len(found)} modules; by their own time, those below them included second"
    for own, cumulative, name in sorted(found, reverse=True)[:count]:
        yield f"  {own / 1000:6.1f} ms {cumulative / 1000:6.1f} ms  {name}"
