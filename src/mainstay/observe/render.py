"""One record as one line: JSON for machines, text for people.

Both are the last processor of the chain that `log` builds: a callable of (logger, method name,
fields) as structlog has them, which returns the line without its newline.

Rules this file keeps:

* **A record cannot forge another.** A JSON line holds no character that any reader takes for the
  end of a line, and no control character that a terminal obeys. In text, what follows the first
  line is indented, so a line that begins with a time is a record of ours.
* **No value spoils a line.** What JSON cannot express was made text by `redact.plain`; what still
  fails is shown by name.
* **Non-ASCII stays as it is**: people read their own language. Only what cannot be printed, a lone
  surrogate for one, or what reorders the line on a screen is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import MutableMapping
from typing import Any, Final

__all__ = ["JsonRenderer", "TextRenderer", "escaped"]

# ASCII controls but the tab, DEL and the C1 controls; the two Unicode line ends; the marks that reorder text
# ("Trojan Source", CVE-2021-42574); surrogates, which UTF-8 cannot encode.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BARE: Final = re.compile(r"[^\s\"'=\[\]{}\\]+")
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def escaped(text: str) -> str:
    r"""`text` with every character that could forge or disturb a line written as ``\uXXXX``."""
    # `isprintable` is one fast scan and false for everything unsafe, and for some harmless
    # characters too: the slow path sorts them out.
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


class JsonRenderer:
    """Fields as a line of JSON, in their order."""

    __slots__ = ()

    def __call__(self, logger: Any, name: str, fields: MutableMapping[str, Any]) -> str:
        """The line of `fields`, whose values `redact.plain` has made."""
        try:
            line = _encode(fields)
        except Exception:  # such as an integer of more digits than Python prints
            line = _encode({key: _encodable(value) for key, value in fields.items()})
        return escaped(line)


def _encodable(value: Any) -> Any:
    try:
        _encode(value)
    except Exception:  # see above
        return f"<{type(value).__name__} that cannot be shown>"
    return value


_COLOURS: Final = {
    "debug": "\x1b[2m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
}
_DIM: Final = "\x1b[2m"
_BOLD: Final = "\x1b[1m"
_PLAIN: Final = "\x1b[0m"
_HEAD: Final = frozenset(("time", "level", "logger", "message", "exception", "stack"))


class TextRenderer:
    """Fields as a line for people: ``time LEVEL logger: message  field=value``.

    A traceback or a stack follows, indented. With `colour`, the level, the names and the times are
    set apart by ANSI sequences.
    """

    __slots__ = ("_colour",)

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def __call__(self, logger: Any, name: str, fields: MutableMapping[str, Any]) -> str:
        """The text of `fields`, whose values `redact.plain` has made."""
        level = str(fields["level"])
        parts = [
            self._paint(_DIM, str(fields["time"])),
            self._paint(_COLOURS.get(level, ""), f"{level.upper():<8}"),
            f"{self._paint(_BOLD, escaped(str(fields['logger'])))}: {_block(fields['message'])}",
        ]
        pairs = [
            f"{self._paint(_DIM, f'{escaped(str(key))}=')}{_value(value)}"
            for key, value in fields.items()
            if key not in _HEAD
        ]
        if pairs:
            parts.append(" " + " ".join(pairs))
        line = " ".join(parts)
        if fields.get("stack"):
            line += f"\n    {_block(fields['stack'])}"
        exception = fields.get("exception")
        if exception:
            shown = exception.get("traceback") if isinstance(exception, dict) else exception
            line += f"\n    {_block(shown)}"
        return line

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colour and colour else text


def _block(value: Any) -> str:
    """`value` with its later lines indented."""
    text = str(value)
    if "\n" not in text:
        return escaped(text)
    return "\n    ".join(escaped(line) for line in text.rstrip("\n").split("\n"))


def _value(value: Any) -> str:
    """`value` bare if that is clear to the eye, otherwise quoted as JSON."""
    if isinstance(value, str) and _BARE.fullmatch(value):
        return escaped(value)
    try:
        return escaped(_encode(value))
    except Exception:  # see JsonRenderer
        return str(_encodable(value))
