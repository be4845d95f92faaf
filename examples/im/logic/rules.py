"""What names, passwords and texts may be. Each function returns what is kept of it.

Names are compared in one form: NFKC, in lower case. Raises of all: InvalidRequest, whose `reason`
says which rule it was.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from examples.im.api import TEXT_LIMIT
from mainstay.errors import InvalidRequest

_NAME: Final = re.compile(r"[^\W_][\w.-]{1,39}")
_ROOM: Final = re.compile(r"[^\W_][\w.+-]{1,59}")
_FILLERS: Final = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")
"""Letters and signs by their category, which nobody sees."""

_CONTROLS: Final = {
    code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}
_CLIENT_ID: Final = re.compile(r"[!-~]{8,64}")
_DISPLAY: Final = 40
_PASSWORD: Final = (8, 200)


def folded(name: str) -> str:
    """The form in which names are compared."""
    return unicodedata.normalize("NFKC", name).strip().lower()


def name_of(given: str) -> str:
    """The name of a user: 2 to 40 letters, digits, ``.``, ``_`` and ``-``, no mark first."""
    name = folded(given)
    if not _NAME.fullmatch(name) or _FILLERS.search(name):
        raise InvalidRequest(
            "a name has 2 to 40 letters, digits, dots, dashes or underscores, a letter or digit first",
            reason="BAD_NAME",
        )
    return name


def display_of(given: str, name: str) -> str:
    """How a user is shown: up to 40 characters that can be seen, or else the name as written."""
    display = " ".join(unicodedata.normalize("NFC", given).split()) or name.strip()
    if len(display) > _DISPLAY or not display.isprintable() or _FILLERS.search(display):
        raise InvalidRequest(
            f"a shown name has up to {_DISPLAY} characters that can be seen", reason="BAD_NAME"
        )
    return display


def room_of(given: str) -> tuple[str, str]:
    """The name and the title of a room: as with users, with ``+``, up to 60 characters; a blank is
    a dash in the name."""
    title = " ".join(unicodedata.normalize("NFC", given).split())
    name = folded(title).replace(" ", "-")
    if not _ROOM.fullmatch(name) or _FILLERS.search(name):
        raise InvalidRequest(
            "the name of a room has 2 to 60 letters, digits, blanks, dots, dashes, pluses or "
            "underscores, a letter or digit first",
            reason="BAD_NAME",
        )
    return name, title


def password_of(given: str) -> str:
    """A password: 8 to 200 characters, any."""
    least, most = _PASSWORD
    if not least <= len(given) <= most:
        raise InvalidRequest(f"a password has {least} to {most} characters", reason="BAD_PASSWORD")
    return given


def text_of(given: str) -> str:
    """What is said: not nothing, up to `TEXT_LIMIT` characters; control characters are left out,
    since a terminal would obey them, but for line feeds and tabs."""
    if len(given) > TEXT_LIMIT:
        raise InvalidRequest(
            f"a message has up to {TEXT_LIMIT} characters, and this one has {len(given)}",
            reason="TOO_LONG",
        )
    text = given if given.isprintable() else given.translate(_CONTROLS)
    if not text.strip():
        raise InvalidRequest("a message without a text", reason="EMPTY")
    if not text.isascii():
        _check_encodable(text)
    return text


def client_id_of(given: str) -> str:
    """By which a sender knows a message: 8 to 64 visible characters of ASCII."""
    if not _CLIENT_ID.fullmatch(given):
        raise InvalidRequest(
            "a client id has 8 to 64 visible characters of ASCII", reason="BAD_CLIENT_ID"
        )
    return given


def _check_encodable(text: str) -> None:
    """Half of a surrogate pair cannot be stored, and JSON's escapes can say it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("the text is not Unicode", reason="NOT_UNICODE") from None
