"""Facts about what names, passwords and texts may be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from examples.im.api import TEXT_LIMIT
from examples.im.logic import rules
from mainstay.errors import InvalidRequest


def refused(rule: Callable[[str], object], given: str) -> str:
    """The reason for which it is refused."""
    with pytest.raises(InvalidRequest) as caught:
        rule(given)
    return caught.value.reason


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Ada", "ada"),
        ("  grace.hopper ", "grace.hopper"),
        ("Ｗide", "wide"),
        ("ÅSA_1", "åsa_1"),
        ("李雷", "李雷"),
        ("x-" * 20, "x-" * 20),
    ],
)
def test_a_name_has_one_form(given: str, name: str) -> None:
    """However it is typed, it is NFKC and in lower case."""
    assert rules.name_of(given) == name


@pytest.mark.parametrize(
    "given", ["", "a", "x" * 41, "-ada", "_ada", "a b", "a/b", "a\nb", "aㅤ", "a+b", "😀😀"]
)
def test_what_cannot_be_a_name_is_refused(given: str) -> None:
    """Too short, too long, a mark first, other characters, letters that nobody sees."""
    assert refused(rules.name_of, given) == "BAD_NAME"


def test_a_user_is_shown_as_they_like_and_else_as_they_typed_their_name() -> None:
    """Blanks are single; what cannot be printed is refused."""
    assert rules.display_of(" Ada   Lovelace ", "ada") == "Ada Lovelace"
    assert rules.display_of("", "Ada") == "Ada"
    assert refused(lambda given: rules.display_of(given, "ada"), "x" * 41) == "BAD_NAME"
    for unseen in ("a\u202eb", "\u3164", "\u2800\u2800", "Ada\uffa0"):
        assert refused(lambda given: rules.display_of(given, "ada"), unseen) == "BAD_NAME"


def test_a_room_has_a_name_for_its_title() -> None:
    """The title is as typed, and blanks of it are dashes in the name."""
    assert rules.room_of(" Coffee  Break ") == ("coffee-break", "Coffee Break")
    assert rules.room_of("libstdc++6") == ("libstdc++6", "libstdc++6")
    assert refused(rules.room_of, "#general") == "BAD_NAME"


def test_a_password_has_8_to_200_characters() -> None:
    """Any of them."""
    assert rules.password_of("hunter22") == "hunter22"
    assert rules.password_of("p" * 200) == "p" * 200
    assert refused(rules.password_of, "hunter2") == "BAD_PASSWORD"
    assert refused(rules.password_of, "p" * 201) == "BAD_PASSWORD"


def test_a_text_keeps_its_lines_and_loses_what_terminals_obey() -> None:
    """Line feeds and tabs stay; other controls, escapes among them, are left out."""
    assert rules.text_of("one\n\ttwo 😀") == "one\n\ttwo 😀"
    assert rules.text_of("\x1b[31mred\x00\x9b\r\n") == "[31mred\n"


def test_a_text_is_something_and_not_too_long() -> None:
    """Blanks are nothing; the limit itself is allowed; half a surrogate pair is no text."""
    assert refused(rules.text_of, "") == "EMPTY"
    assert refused(rules.text_of, " \n\x07") == "EMPTY"
    assert len(rules.text_of("x" * TEXT_LIMIT)) == TEXT_LIMIT
    assert refused(rules.text_of, "x" * (TEXT_LIMIT + 1)) == "TOO_LONG"
    assert refused(rules.text_of, "half \ud83d") == "NOT_UNICODE"


def test_a_client_id_is_short_and_visible() -> None:
    """8 to 64 characters of ASCII, without blanks."""
    assert rules.client_id_of("0123-abc") == "0123-abc"
    for given in ("", "1234567", "x" * 65, "1234 5678", "12345678\n", "éééééééé"):
        assert refused(rules.client_id_of, given) == "BAD_CLIENT_ID"
