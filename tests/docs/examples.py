"""Finds and runs the examples in the docs.

A fence marked ``python`` is an example, and runs. The blocks of one page share a namespace, in order, as
a reader would type them. A fence marked ``python no-run`` is not run; the comment above it,
``<!-- why -->``, gives the reason. Other fences (``console``, ``toml``, …) are text.

A top-level ``await`` is not supported: an example that needs a loop shows how it gets one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^(?P<indent> *)```+ *(?P<info>[^`\n]*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        info: the words after the fence, such as ``python no-run``.
        text: what is inside.
        line: the number of its first line in the page, from 1.
        above: the last line before the fence that is not blank.
    """

    info: str
    text: str
    line: int
    above: str

    @property
    def is_example(self) -> bool:
        """Whether it is Python at all."""
        return self.info.split()[:1] == ["python"]

    @property
    def runs(self) -> bool:
        """Whether it is to be run."""
        return self.is_example and "no-run" not in self.info.split()


def pages(root: Path = ROOT) -> list[Path]:
    """README and every page of the docs."""
    found = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "changes").rglob("*.md")]
    return sorted(found)


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = text.splitlines()
    opened: int | None = None
    above = info = indent = ""
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, info, indent = number + 1, fence["info"].strip(), fence["indent"]
        elif opened is not None and fence and not fence["info"]:
            inside = [each.removeprefix(indent) for each in lines[opened:number]]
            yield Block(info, "\n".join(inside) + "\n", opened + 1, above)
            opened, above = None, ""
        elif opened is None and line.strip():
            above = line.strip()


def faults(text: str) -> list[str]:
    """One line for each block that is marked in a way the runner does not know."""
    found = []
    for block in blocks(text):
        if not block.is_example:
            continue
        if block.info not in ("python", "python no-run"):
            found.append(f"line {block.line}: '{block.info}' is neither python nor python no-run")
        elif not block.runs and not re.fullmatch(r"(<!-- )?\S.* -->", block.above):
            found.append(f"line {block.line}: no comment above says why it does not run")
    return found


def run(text: str, page: str) -> None:
    """Run the examples of a page, in one namespace; a traceback shows the page's own lines."""
    # A real module: dataclasses and injection look annotations up in `sys.modules`.
    module = ModuleType(re.sub(r"\W+", "_", page))
    sys.modules[module.__name__] = module
    try:
        for block in blocks(text):
            if block.runs:
                padded = "\n" * (block.line - 1) + block.text
                exec(compile(padded, page, "exec", dont_inherit=True), module.__dict__)
    finally:
        del sys.modules[module.__name__]
