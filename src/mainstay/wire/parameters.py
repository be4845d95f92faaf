"""Values with parameters: ``form-data; name="a"; filename="b c.txt"`` (RFC 9110 §5.6.6, RFC 7578)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from mainstay.errors import InvalidRequest

__all__ = ["parse_parameters"]

_PARAMETER: Final = re.compile(
    r'[ \t]*;[ \t]*(?:([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^";\s]*)))?[ \t]*'
)
# Browsers leave a backslash in a file name as it is; who escapes, escapes these two.
_ESCAPED: Final = re.compile(r'\\(["\\])')
_LONGEST: Final = 8 * 1024


def parse_parameters(text: str) -> tuple[str, dict[str, str]]:
    """The value in lower case, and its parameters with names in lower case.

    ``name*=utf-8''…`` (RFC 8187) is decoded, and stands for a ``name`` that is not there.

    Raises: InvalidRequest when it cannot be read in one way only, as with a name that comes twice.
    """
    if len(text) > _LONGEST:
        raise InvalidRequest(f"a header field with parameters is longer than {_LONGEST} characters")
    value, _, _ = text.partition(";")
    found: dict[str, str] = {}
    position = len(value)
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise InvalidRequest("a parameter of a header field is malformed")
        position = match.end()
        if match[1] is None:
            continue
        name = match[1].lower()
        if name in found:
            raise InvalidRequest(f"the parameter {name!r} of a header field comes twice")
        found[name] = match[3] if match[2] is None else _ESCAPED.sub(r"\1", match[2])
    for name in [each for each in found if each.endswith("*")]:
        found.setdefault(name[:-1], _extended(found.pop(name)))
    return value.strip().lower(), found


def _extended(text: str) -> str:
    charset, _, rest = text.partition("'")
    _, separator, escaped = rest.partition("'")
    if not separator or charset.lower() not in ("utf-8", "iso-8859-1"):
        raise InvalidRequest("an extended parameter of a header field is malformed (RFC 8187)")
    try:
        return unquote(escaped, charset, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("an extended parameter of a header field is no text") from None
