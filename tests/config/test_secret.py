from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from mainstay.config.secret import Secret, hide_passwords

HIDDEN = "hunter2-hunter2"


@dataclass
class Holder:
    password: Secret


def test_no_way_of_printing_shows_the_text(caplog: pytest.LogCaptureFixture) -> None:
    """str, repr, format, a dataclass, a container and a log record all have three asterisks."""
    secret = Secret(HIDDEN)
    assert str(secret) == repr(secret) == f"{secret}" == "***"
    assert f"{secret:>5}" == "  ***"
    assert repr(Holder(secret)) == "Holder(password=***)"
    assert repr([secret]) == "[***]"
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", secret, secret)
    assert caplog.messages == ["*** ***"]


def test_a_traceback_with_locals_does_not_show_the_text() -> None:
    """Tools that print the locals of each frame print the mask."""

    def fail(secret: Secret) -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        fail(Secret(HIDDEN))
    found = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(found.format())
    assert "secret = ***" in text
    assert HIDDEN not in text


@pytest.mark.parametrize(
    "encode", [json.dumps, msgspec.json.encode, msgspec.to_builtins, pickle.dumps]
)
def test_no_encoder_takes_it(encode: Callable[[Any], Any]) -> None:
    """JSON, msgspec and pickle refuse a secret, and their message does not show it."""
    with pytest.raises(TypeError) as caught:
        encode(Secret(HIDDEN))
    assert HIDDEN not in str(caught.value)


def test_reveal_gives_the_text() -> None:
    """The one way to the text is `reveal`."""
    assert Secret(HIDDEN).reveal() == HIDDEN


def test_it_is_equal_to_a_secret_of_the_same_text_only() -> None:
    """A secret equals one of the same text, hashes alike, and never equals a str."""
    assert Secret("é\udc80") == Secret("é\udc80")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_it_is_false_when_empty() -> None:
    """`if secret:` asks whether there is any text."""
    assert Secret("x")
    assert not Secret("")


def test_it_cannot_be_changed_and_its_copies_are_itself() -> None:
    """Nothing sets or deletes its text, and copying does not pickle it."""
    secret = Secret("x")
    with pytest.raises(AttributeError):
        secret._text = "y"
    with pytest.raises(AttributeError):
        del secret._text
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_it_holds_text_only_and_does_not_quote_what_it_refused() -> None:
    """Bytes are refused by type, without their value in the message."""
    with pytest.raises(TypeError, match="holds a str, not bytes") as caught:
        Secret(b"hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://app:pw@db/x", "postgresql://app:***@db/x"),
        ("redis://:pw@cache:6379", "redis://:***@cache:6379"),
        ("amqp://u:p/w@rd@host", "amqp://u:***@host"),
        ("amqp://u:hun#ter?2@host", "amqp://u:***@host"),
        ("https://x/y?X-Api-Key=pw", "https://x/y?X-Api-Key=***"),
        (
            "postgresql://db/x?user=a&password=pw&ssl=on",
            "postgresql://db/x?user=a&password=***&ssl=on",
        ),
        ("host=db password=pw dbname=x", "host=db password=*** dbname=x"),
        ("host=db password='p w' dbname=x", "host=db password=*** dbname=x"),
        ("Server=x;Pwd=pw;", "Server=x;Pwd=***;"),
        ("https://example.org:8080/a?b=c", "https://example.org:8080/a?b=c"),
        ("a plain text", "a plain text"),
    ],
)
def test_passwords_in_urls_and_connection_strings_are_hidden(text: str, shown: str) -> None:
    """The password goes, the rest stays for the operator to recognise."""
    assert hide_passwords(text) == shown
