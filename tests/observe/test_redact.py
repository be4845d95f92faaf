"""What is masked, and what every value becomes."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import uuid
from typing import Any

import pytest

from mainstay.core.redact import MASK, hide_in_urls
from mainstay.observe.redact import DEPTH, ITEMS, plain, plain_field


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "DB_PASSWORD",
        "dbpassword",
        "passwd",
        "userSecret",
        "access_token",
        "accessToken",
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "api_key",
        "X-Api-Key",
        "apiKey",
        "APIKey",
        "apikey",
        "private_key",
        "aws.secret.access.key",
    ],
)
def test_a_name_with_a_credential_word_is_masked(name: str) -> None:
    """A name that says "secret" in any usual spelling hides its value."""
    assert plain_field(name, "hunter2") == MASK


@pytest.mark.parametrize(
    "name", ["order", "key", "keyboard", "primary_key", "max_tokens", "author", "secretary", "path"]
)
def test_a_name_without_a_credential_word_is_shown(name: str) -> None:
    """Words that only look alike hide nothing."""
    assert plain_field(name, "hunter2") == "hunter2"


@pytest.mark.parametrize("value", [True, False, None])
def test_whether_there_is_a_secret_is_shown(value: object) -> None:
    """True, False and None tell no secret, and an operator wants to see them."""
    assert plain_field("password", value) is value


def test_numbers_of_a_credential_are_masked() -> None:
    """A PIN is a secret, although it is a number."""
    assert plain_field("token", 123456) == MASK


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer hunter2", "accept": "*/*"},
        [("authorization", "Bearer hunter2"), ("accept", "*/*")],
        [(b"authorization", b"Bearer hunter2"), (b"accept", b"*/*")],
        {b"Cookie": b"hunter2"},
        [{"deep": {"deeper": ({"password": "hunter2"},)}}],
    ],
)
def test_credentials_inside_a_value_are_masked(headers: object) -> None:
    """Mappings and pairs are searched at every level, with names as str or bytes."""
    assert "hunter2" not in str(plain(headers))
    assert MASK in str(plain(headers))


def test_secrets_of_urls_are_masked_in_text() -> None:
    """By the rule that the configuration has too."""
    text = "postgres://u:hunter/2@h?token=abc u:hun#ter2@"
    assert plain(text) == hide_in_urls(text) == "postgres://u:***@h?token=*** u:hun#ter2@"
    assert plain(["redis://:hun#ter2@h"]) == ["redis://:***@h"]


class Colour(enum.Enum):
    RED = "red"


class Hidden(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "***"


class Broken:
    def __repr__(self) -> str:
        raise ValueError("no repr")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (dt.datetime(2026, 11, 21, 4, tzinfo=dt.UTC), "2026-11-21T04:00:00+00:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/srv/ä"), "/srv/ä"),
        (decimal.Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (Hidden("hunter2"), "***"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (b"\x00", "b'\\x00'"),
        ({1: {2}}, {"1": [2]}),
        (ValueError("x://u:p@h"), "ValueError('x://u:***@h')"),
        (Broken(), "<Broken that cannot be shown>"),
    ],
)
def test_every_value_becomes_plain(value: object, shown: object) -> None:
    """Dates, ids, paths, enums and objects become text; what fails says so."""
    assert plain(value) == shown


def test_a_value_that_holds_itself_ends() -> None:
    """Depth and number of items are bounded together, whatever is referred to whatever."""
    loop: list[Any] = []
    loop.extend([loop] * 10)
    text = str(plain(loop))
    assert "..." in text
    assert len(text) < 20 * ITEMS


def test_a_secret_below_the_bound_is_not_shown() -> None:
    """What is too deep to be searched is not shown at all."""
    value: Any = {"password": "hunter2"}
    for _ in range(DEPTH + 1):
        value = {"next": value}
    assert "hunter2" not in str(plain(value))
