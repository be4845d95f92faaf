"""What a typed parameter takes, and what it does not."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from mainstay.http.converters import CONVERTERS

ID = "0b0bf8f5-3f4f-4b0e-9f0e-0a3b2c1d4e5f"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "42", 42),
        ("int", "-7", -7),
        ("int", "007", 7),
        ("float", "1.50", 1.5),
        ("float", "-3", -3.0),
        ("uuid", ID, UUID(ID)),
        ("uuid", ID.upper(), UUID(ID)),
        ("slug", "so-long_2", "so-long_2"),
        ("date", "2026-01-31", date(2026, 1, 31)),
        ("str", "ä b", "ä b"),
        ("path", "a/b", "a/b"),
        ("path", "", ""),
    ],
)
def test_text_that_fits_becomes_a_value_of_the_type(kind: str, text: str, value: Any) -> None:
    """A value has the type that the converter promises."""
    converter = CONVERTERS[kind]
    assert converter.convert(text) == value
    assert type(converter.convert(text)) is converter.type


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            ("int", text)
            for text in ("", "-", "+5", "1_0", " 1", "1.0", "٣", "²", "--1", "9" * 5000)
        ),
        *(("float", text) for text in ("", "1.", ".5", "1e3", "nan", "inf", "1_0.0", "٣.٣")),
        *(("uuid", text) for text in ("", f"{{{ID}}}", ID.replace("-", ""), f"urn:uuid:{ID}")),
        ("uuid", f"1_{ID[2:]}"),
        *(("slug", text) for text in ("", "a b", "ä", "a/b", "a.b", "a\n")),
        *(("date", text) for text in ("", "20260131", "2026-02-30", "2026-W05-6", "2026-1-31")),
        ("str", ""),
    ],
)
def test_text_that_does_not_fit_is_nothing(kind: str, text: str) -> None:
    """What Python would read and a person would not write is refused."""
    assert CONVERTERS[kind].convert(text) is None


def test_the_narrower_kind_is_tried_first() -> None:
    """Each rank is its own, and the table stands in their order: every int is a float and a slug."""
    ranks = [each.rank for each in CONVERTERS.values()]
    assert ranks == sorted(set(ranks))
    assert [*CONVERTERS].index("int") < [*CONVERTERS].index("float") < [*CONVERTERS].index("slug")
