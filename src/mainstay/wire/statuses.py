"""The phrases of statuses, the same on every version of Python."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

__all__ = ["phrase_of"]

# RFC 9110 has renamed them, which Python follows since 3.13; 499 is nginx's.
_PHRASES: Final[Mapping[int, str]] = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    499: "Client Closed Request",
}


def phrase_of(status: int) -> str:
    """The phrase of a status (RFC 9110 §15); empty for one that nobody registered."""
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
