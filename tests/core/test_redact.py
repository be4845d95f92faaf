"""Which names and which parts of a text are secret."""

from __future__ import annotations

import time

import pytest

from mainstay.core.redact import CREDENTIAL_WORDS, hide_in_urls, is_credential


@pytest.mark.parametrize(
    "name",
    [*sorted(CREDENTIAL_WORDS), "dbpassword", "accessToken", "X-Api-Key", "aws.secret.access.key"],
)
def test_a_name_with_a_credential_word_names_a_secret(name: str) -> None:
    """In any usual spelling."""
    assert is_credential(name)


@pytest.mark.parametrize("name", ["order", "key", "primary_key", "max_tokens", "secretary"])
def test_a_name_that_looks_alike_names_none(name: str) -> None:
    """Whole words count, not letters in a row."""
    assert not is_credential(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://app:hunter2@db/shop", "postgres://app:***@db/shop"),
        ("redis://:hunter2@cache:6379", "redis://:***@cache:6379"),
        ("a://b:p@ss@c and d://e:f@g", "a://b:***@c and d://e:***@g"),
        ("postgres://u:hunter/2@h", "postgres://u:***@h"),
        ("postgres://u:hun#ter2@h", "postgres://u:***@h"),
        ("postgres://u:hun?ter2@h/db", "postgres://u:***@h/db"),
        ("postgres://u:a://b:c@h", "postgres://u:***@h"),
        ("get https://x/y?access_token=hunter2&page=3", "get https://x/y?access_token=***&page=3"),
        ("get https://x/y?page=3;token=hun#ter2", "get https://x/y?page=3;token=***"),
        ("https://x:8080/y?page=3", "https://x:8080/y?page=3"),
        ("https://x/y?mail=a@b", "https://x/y?mail=a@b"),
        ("https://x:8080/y?mail=a@b", "https://x:***@b"),
        ("user:name@host", "user:name@host"),
    ],
)
def test_secrets_of_urls_are_hidden(text: str, shown: str) -> None:
    """The password, whatever characters are in it, and parameters named as credentials; what only
    looks like a password goes too."""
    assert hide_in_urls(text) == shown


def test_text_without_a_url_is_the_same_object() -> None:
    """A message without "://" costs one search and no regular expression."""
    text = "password=hunter2?"
    assert hide_in_urls(text) is text


@pytest.mark.parametrize("part", ["://x:", "://", "://x:y", "?token", "&a=", "://x:@"])
def test_no_text_takes_long(part: str) -> None:
    """A peer that may write into the log cannot stop it: a megabyte takes well below a second."""
    before = time.process_time()
    hide_in_urls("@ = " + part * (2**20 // len(part)))
    assert time.process_time() - before < 2
