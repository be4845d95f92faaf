"""Which names are those of secrets, and how passwords are hidden in text that holds URLs.

One rule for the log and for the configuration, so that what one of them hides the other does not
print. Both would rather hide too much: a URL that cannot be read any more is a nuisance, a
password in a log is an incident.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

__all__ = ["CREDENTIAL_WORDS", "MASK", "hide_in_urls", "is_credential"]

MASK: Final = "***"

CREDENTIAL_WORDS: Final = frozenset(
    (
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "secrets",
        "token",
        "authorization",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "apikey",
    )
)
"""A name with one of these words names a secret. So does one with ``api key``, ``private key``,
``access key`` or ``signing key`` in any spelling, and one with a word that ends in ``password``,
``passwd``, ``secret`` or ``token``, such as ``dbpassword``."""

_KEY_KINDS: Final = frozenset(("api", "private", "access", "signing"))
_ENDINGS: Final = ("password", "passwd", "secret", "token")
_NAME_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_WORD: Final = re.compile(r"\S+")
_USER: Final = re.compile(r"://[^\s:/?#@]*:")
_PARAMETER: Final = re.compile(r"([?&;])([^\s=&;#?]+)=([^\s&;]+)")


@lru_cache(maxsize=4096)
def is_credential(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    words = [word.lower() for word in _NAME_PART.findall(name)]
    if any(word in CREDENTIAL_WORDS or word.endswith(_ENDINGS) for word in words):
        return True
    return any(second == "key" and first in _KEY_KINDS for first, second in pairwise(words))


def hide_in_urls(text: str) -> str:
    """`text` with ``***`` for the passwords of its URLs, and for the values of query parameters
    that are named as credentials. Takes time in proportion to the length of `text`.
    """
    if "://" not in text:
        return text
    if "@" in text:
        text = _WORD.sub(_hide_password, text)
    return _PARAMETER.sub(_hide_parameter, text) if "=" in text else text


def _hide_password(match: re.Match[str]) -> str:
    # To the last "@" of the word, further than RFC 3986 §3.2.1 lets a password reach: drivers
    # accept unescaped "/", "#" and "@" in passwords. One expression for all of it would be
    # quadratic for a text of many "://x:" without an "@".
    word = match[0]
    end = word.rfind("@")
    user = _USER.search(word, 0, end) if end > 0 else None
    return word if user is None else f"{word[: user.end()]}{MASK}{word[end:]}"


def _hide_parameter(match: re.Match[str]) -> str:
    mark, name, _ = match.groups()
    return f"{mark}{name}={MASK}" if is_credential(name) else match[0]
