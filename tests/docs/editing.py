"""Changes that a page of the tutorial makes to a file, in the words of the page.

=========================  =====================================================================
nothing                    the file is this, whole
at its end                 this is added after all
its imports                this stands in the place of all imports
in the place of ``name``   this stands in the place of a function, a class or an assignment; a
                           method is ``Class.method``; nothing else is added
after ``name``             this is added after it, in the same class
=========================  =====================================================================
"""

from __future__ import annotations

import ast
import re
from textwrap import indent

_NAMED = re.compile(r"(?P<how>in the place of|after) `(?P<name>[\w.]+)`")


def edited(source: str, where: str | None, text: str) -> str:
    """The source after a change.

    Args:
        source: of the file, before; empty for a new one.
        where: as in the table.
        text: what the page shows, which ends with a line feed.

    Raises: ValueError for words that are not in the table, names that are not in the source, and
        more than one definition in the place of one.
    """
    if where is None:
        return text
    if where == "at its end":
        return f"{source}\n\n{text}"
    lines = source.splitlines(keepends=True)
    if where == "its imports":
        imports = [
            node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        first, last = imports[0].lineno, imports[-1].end_lineno
        return "".join([*lines[: first - 1], text, *lines[last:]])
    named = _NAMED.fullmatch(where)
    if named is None:
        message = f"{where!r} is no place in a file"
        raise ValueError(message)
    node = _find(ast.parse(source), named["name"])
    shown = indent(text, " " * node.col_offset)
    decorators = [] if isinstance(node, ast.Assign) else node.decorator_list
    first = min([node.lineno, *(each.lineno for each in decorators)])
    if named["how"] == "after":
        between = "\n" if node.col_offset or isinstance(node, ast.Assign) else "\n\n"
        return "".join([*lines[: node.end_lineno], between, shown, *lines[node.end_lineno :]])
    if len(ast.parse(text).body) != 1:
        message = f"what stands {where} is more than one definition"
        raise ValueError(message)
    return "".join([*lines[: first - 1], shown, *lines[node.end_lineno :]])


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign


def _find(tree: ast.Module, name: str) -> _Definition:
    outer: ast.Module | ast.ClassDef = tree
    *classes, last = name.split(".")
    for part in classes:
        outer = next(
            (each for each in outer.body if isinstance(each, ast.ClassDef) and each.name == part),
            outer,
        )
    for node in outer.body:
        if isinstance(node, _Definition) and last in _names(node):
            return node
    message = f"there is no {name}"
    raise ValueError(message)


def _names(node: _Definition) -> list[str]:
    if isinstance(node, ast.Assign):
        return [each.id for each in node.targets if isinstance(each, ast.Name)]
    return [node.name]
