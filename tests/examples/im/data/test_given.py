"""Rows in one parameter are what they were."""

from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, Connection, Text, select

from examples.im.data.database import Database
from examples.im.data.given import given, rows

pytestmark = pytest.mark.real_loop

GIVEN = [
    (0, ""),
    (2**53 - 1, "plain"),
    (-7, "ünïcödé ⛵ and 'quotes' \"twice\" \\ and\nlines\tand [brackets], {braces}"),
    (3, "12"),
]


def _back(db: Connection, values: list[tuple[int, str]]) -> list[tuple[int, str]]:
    table = given(db.dialect.name, number=BigInteger(), text=Text())
    return [(number, text) for number, text in db.execute(select(table), rows(values))]


async def test_rows_come_out_as_they_went_in(database: Database) -> None:
    """In their order, numbers as numbers and texts as texts, whatever is in them; also none."""
    assert await database.read(_back, GIVEN) == GIVEN
    assert await database.read(_back, []) == []
