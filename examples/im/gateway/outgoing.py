"""Frames on their way out."""

from __future__ import annotations

from typing import Final

from msgspec.json import Encoder

from examples.im.frames import FromGateway, Refused, ServerFrame
from mainstay.errors import (
    Conflict,
    Error,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
)

_encode: Final = Encoder().encode

_CODES: Final[dict[type[Error], str]] = {
    NotFound: "not_found",
    PermissionDenied: "not_a_member",
    InvalidRequest: "invalid",
    Conflict: "conflict",
    Overloaded: "rate_limited",
}

_LATER: Final = 2.0
"""Seconds after which to ask again what could not be answered."""


class Outgoing:
    """A frame for one client or for thousands: it is encoded once, when the first one gets it.

    Attributes:
        frame: as it is.
        seq: place of the event that it tells of; 0 if it tells of none.
    """

    __slots__ = ("_text", "frame", "seq")

    def __init__(self, frame: ServerFrame, seq: int = 0) -> None:
        self.frame = frame
        self.seq = seq
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The frame for a WebSocket."""
        if self._text is None:
            self._text = _encode(self.frame).decode()
        return self._text

    @property
    def message(self) -> FromGateway:
        """The frame for gRPC."""
        return FromGateway(self.frame)


def refused(code: str, message: str, client_id: str = "", retry_after: float = 0.0) -> Outgoing:
    """A `Refused`, on its way; see there."""
    return Outgoing(Refused(code, message, client_id, retry_after))


def refusal_of(error: Exception, client_id: str = "") -> Outgoing:
    """What a client hears of an error: its own mistakes in full, and of ours that there is one."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            later = (
                float(error.metadata.get("retry_after", _LATER)) if code == "rate_limited" else 0
            )
            return refused(code, error.message, client_id, later)
    return refused("unavailable", "this cannot be done now", client_id, _LATER)
