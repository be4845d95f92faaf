"""What is text for people in generated code: comments of ``.proto`` files as docstrings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["END", "docstring"]

END: Final = ('"""', "", "# fmt: off", "# ruff: noqa")
"""The end of a module's docstring, and what keeps formatters and linters of all settings away."""


def docstring(text: str, width: int) -> Iterator[str]:
    """A docstring that says `text`, on one line if it fits into `width` columns.

    Args:
        text: with its own line breaks, which stay.
        width: what is left of the line where it stands.
    """
    said = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').replace("\t", "    ")
    lines = [line.rstrip() for line in said.strip().splitlines()]
    if len(lines) == 1 and len(lines[0]) + 6 <= width and not lines[0].endswith('"'):
        yield f'"""{lines[0]}"""'
        return
    lead = " " if lines[0].startswith('"') else ""
    yield f'"""{lead}{lines[0]}'
    yield from lines[1:]
    yield '"""'
