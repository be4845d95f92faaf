from __future__ import annotations

from mainstay.config.layers import Branch, Given, Items, Source
from mainstay.config.rows import Row, rows_of
from mainstay.config.secret import Secret
from mainstay.config.shapes import shape_of
from tests.config.world import Color, Database, Limits, Memory, Pool, Redis

FILE = Source("file f")


def test_a_table_has_a_row_for_each_field() -> None:
    """Given and default values have their origins, in the order of the model."""
    node = Branch({"size": Given(3, FILE, shadowed=("low",))}, FILE)
    assert list(rows_of(shape_of(Pool, "x"), Pool(3), node, "pool")) == [
        Row("pool.size", "3", "file f", ("low",)),
        Row("pool.idle", "1.0", "default"),
    ]


def test_a_typed_dict_has_rows_for_what_it_has() -> None:
    """A key that is not required and not there has none."""
    assert [row.key for row in rows_of(shape_of(Limits, "x"), {"rate": 1.0}, None, "")] == ["rate"]


def test_a_map_has_a_row_for_each_key() -> None:
    """An empty one has a row of its own, and so has None."""
    shape = shape_of(dict[Color, int] | None, "x")
    node = Branch({"red": Given(1, FILE)}, FILE)
    found = list(rows_of(shape, {Color.RED: 1, Color.BLUE: 2}, node, "m"))
    assert found == [Row("m.red", "1", "file f"), Row("m.blue", "2", "default")]
    assert list(rows_of(shape, {}, None, "m")) == [Row("m", "{}", "default")]
    assert list(rows_of(shape, None, None, "m")) == [Row("m", "none", "default")]


def test_a_list_of_tables_has_rows_for_each_of_them() -> None:
    """A list of anything else is one row."""
    node = Items((Branch({"url": Given("a", FILE)}, FILE),), FILE)
    found = list(rows_of(shape_of(list[Database], "x"), [Database("a")], node, "l"))
    assert found[:2] == [Row("l[0].url", '"a"', "file f"), Row("l[0].pool", "10", "default")]
    assert list(rows_of(shape_of(list[int], "x"), [1, 2], Items((), FILE), "l")) == [
        Row("l", "[1, 2]", "file f")
    ]


def test_a_tagged_table_shows_its_tag() -> None:
    """The first row says which of the tables it is."""
    node = Branch({"type": Given("redis", FILE), "url": Given("u", FILE)}, FILE)
    assert list(rows_of(shape_of(Redis | Memory, "x"), Redis("u"), node, "cache")) == [
        Row("cache.type", '"redis"', "file f"),
        Row("cache.url", '"u"', "file f"),
    ]


def test_a_secret_from_a_file_names_the_file() -> None:
    """The origin says who named the file, and which it is; the value is not shown."""
    node = Given("pw", Source("environment X_FILE"), is_pointer=True)
    assert list(rows_of(shape_of(Secret, "x"), Secret("hunter2"), node, "x")) == [
        Row("x", "***", "environment X_FILE (from pw)")
    ]
