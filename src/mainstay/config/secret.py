"""Text that must never be shown, and the hiding of passwords inside text that may be.

A `Secret` keeps its rule wherever a value can leak without anybody meaning it: `repr`, `str`,
``format``, a dataclass's `repr`, the arguments of a log record, the locals of a traceback, and
every encoder, which finds nothing that it could encode. Only `Secret.reveal` gives the text, so
that a search for that word finds each place where it is used.
"""

from __future__ import annotations

import hmac
import re
from typing import Any, Final, NoReturn

from mainstay.core.redact import MASK, hide_in_urls

__all__ = ["Secret", "hide_passwords"]


class Secret:
    """A text that is never shown: `str`, `repr` and ``format`` give ``***``. Immutable.

    Equal to another secret of the same text, compared in constant time; never equal to a `str`.
    False when the text is empty. Copies are the secret itself; pickling is refused.

    Raises: TypeError when `text` is no `str`; the message does not contain it.
    """

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a Secret holds a str, not {type(text).__name__}")
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """The text itself. Call it where the text is used, and keep the result nowhere."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self._text), _octets(other._text))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed; make another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret cannot be changed; make another one")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled: send its name, and read it where it is needed")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: send its name, and read it where it is needed")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> dict[str, Any]:
        # pydantic's core schemas are plain dicts, so that a pydantic model may have a field of
        # this type without this module importing pydantic.
        return {
            "type": "function-plain",
            "function": {"type": "no-info", "function": _from_pydantic},
            "serialization": {"type": "to-string"},
        }


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _from_pydantic(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        return Secret(value)
    raise ValueError("expected str")


# The "key=value" connection strings of libpq and ODBC.
_PAIR: Final = re.compile(
    r"""([\w.-]{0,40}(?:password|passwd|pwd|secret|token|api_?key|signature)\s*=\s*)"""
    r"""(?:'[^']*'?|"[^"]*"?|[^&;\s]+)""",
    re.IGNORECASE,
)


def hide_passwords(text: str) -> str:
    """`text` with ``***`` for each password in a URL or connection string."""
    return _PAIR.sub(rf"\1{MASK}", hide_in_urls(text))
