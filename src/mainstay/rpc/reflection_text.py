"""One service, method, message or enumeration, as it stands in the text of its ``.proto`` file.

It is cut out of what `proto_text` writes, which has one statement a line, and indents by two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mainstay.errors import NotFound
from mainstay.rpc.proto.text import proto_text

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor

__all__ = ["symbol_text"]

_WORDS: Final = ("service", "message", "enum", "rpc")


def symbol_text(file: FileDescriptor, symbol: str) -> str:
    """The text of `symbol`; of a field or a value that of what it stands in.

    Args:
        file: that defines it.
        symbol: full name.

    Raises: NotFound when the file does not define it.
    """
    path = symbol.removeprefix(f"{file.package}." if file.package else "").split(".")
    lines = proto_text(file).splitlines()
    found: Sequence[str] = ()
    for depth, name in enumerate(path):
        inner = _cut(lines if not found else found[1:], name, "  " * depth)
        if not inner:
            break
        found = lines = inner
    if not found:
        raise NotFound(f"{file.name} does not define {symbol}")
    margin = len(found[0]) - len(found[0].lstrip())
    return "\n".join(line[margin:] for line in found) + "\n"


def _cut(lines: Sequence[str], name: str, margin: str) -> list[str]:
    """The lines of the statement that defines `name`, at this margin."""
    for start, line in enumerate(lines):
        if not line.startswith(margin):
            continue
        word, _, rest = line[len(margin) :].partition(" ")
        if word not in _WORDS or rest.replace("(", " ", 1).split(" ", 1)[0] != name:
            continue
        if not line.endswith("{"):
            return [line]
        end = next(at for at in range(start, len(lines)) if lines[at] == f"{margin}}}")
        return list(lines[start : end + 1])
    return []
