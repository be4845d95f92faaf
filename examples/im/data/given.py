"""Many rows as one parameter of a statement: JSON, which the database takes apart.

A statement that is executed for each row costs a call of the driver for each; and every call of
SQLite lets go of the interpreter's lock, which a busy event loop then is slow to give back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Subquery, Text, bindparam, cast, column, func, select
from sqlalchemy.types import JSON, TypeEngine

_ENCODE = msgspec.json.Encoder().encode


def given(dialect: str, **columns: TypeEngine[Any]) -> Subquery:
    """A table of the rows that a statement is given by `rows`.

    Args:
        dialect: of the database: ``sqlite`` or ``postgresql``.
        columns: their names and types, in the order of the values of a row.
    """
    parameter = bindparam("rows", type_=Text())
    if dialect == "sqlite":
        found = func.json_each(parameter).table_valued("value")
    else:
        found = func.json_array_elements(cast(parameter, JSON())).table_valued(
            column("value", JSON())
        )

    def value(place: int, kind: TypeEngine[Any]) -> ColumnElement[Any]:
        return cast(found.c.value.op("->>", return_type=Text())(place), kind)

    return select(
        *(value(place, kind).label(name) for place, (name, kind) in enumerate(columns.items()))
    ).subquery("given")


def rows(values: Sequence[Sequence[object]]) -> dict[str, str]:
    """The parameter of a statement with `given`."""
    return {"rows": _ENCODE(values).decode()}
