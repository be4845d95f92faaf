"""The frames of a WebSocket (RFC 6455), with permessage-deflate (RFC 7692), for both sides.

Parsing, masking, the close handshake and the extension are those of `websockets`, whose protocol
does no I/O either. Here frames become messages, and what the peer can make us do is bounded:

* A message, decompressed, has at most `max_size` bytes. The parts of one are joined as they come,
  so parts without content cost nothing that lasts.
* Bytes are parsed in slices of `SLICE`: compressed ones may become a thousand times as many, and
  others be hundreds of frames, so whoever stops asking for events (`next_event`), or sets
  `frames_left`, stops the work, too.
* Frames that bring nothing are counted as `idle`, for whoever knows the time.
* Every ping makes a pong; the bytes of those not yet sent are `pending`, for whoever writes.

A violation of the peer becomes a `Closed` event, and a close frame that tells it why.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions import Extension
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from mainstay.errors import BugError, ClosedError, UsageError

__all__ = ["SLICE", "Closed", "Pong", "WebSocketWire", "fit_reason"]

SLICE: Final = 2048
"""Bytes that are parsed at a time."""

_WORTH_COMPRESSING: Final = 128
"""Bytes; shorter messages gain nothing from it."""

_REASON: Final = 123
"""Bytes of a close frame's reason (RFC 6455 §5.5: 125 with the code)."""

_ABNORMAL: Final = 1006
_INVALID: Final = 1007

_NEAR: Final = 126
_FAR: Final = 65536
_SHORT: Final = Struct("!BB").pack
_MEDIUM: Final = Struct("!BBH").pack
_LONG: Final = Struct("!BBQ").pack

# Not one of the tree of loggers: at DEBUG it would log what people say to each other.
_silent: Final = logging.Logger("mainstay.wire.websocket", logging.CRITICAL + 1)  # noqa: LOG001


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer sends nothing more.

    Attributes:
        code: of the peer's close frame, 1005 when it had none; 1006 when it left without one; for
            a violation what we told it.
        reason: the peer's words, or ours for a violation.
        clean: whether the peer said goodbye.
    """

    code: int
    reason: str
    clean: bool


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping, with its data."""

    data: bytes


class WebSocketWire:
    """One side of a WebSocket after the handshake: bytes in, events out, and the reverse.

    Args:
        client: which side we are.
        max_size: bytes of a message of the peer; None for any.
        extension: what the handshake has agreed upon.

    Attributes:
        ended: whether the connection should be closed, once `data_to_send` was sent.
        pending: bytes of `data_to_send`.
        frames_left: after which `next_event` parses no further slice, until this is set again; None
            for as many as there are.
        idle: pings, pongs and parts of a message without content that came; to be set to 0 by
            whoever counts them.
    """

    __slots__ = (
        "_buffer",
        "_client",
        "_data",
        "_eof",
        "_events",
        "_extensions",
        "_out",
        "_protocol",
        "_text",
        "_told",
        "ended",
        "frames_left",
        "idle",
        "pending",
    )

    def __init__(
        self, *, client: bool = False, max_size: int | None, extension: Extension | None = None
    ) -> None:
        self._protocol = Protocol(
            CLIENT if client else SERVER, state=OPEN, max_size=max_size, logger=_silent
        )
        self._extensions = self._protocol.extensions = [] if extension is None else [extension]
        self._client = client
        self._events: list[str | bytes | Pong | Closed] = []  # of one slice, so it is short
        self._data = bytearray()  # received, and not parsed yet
        self._eof = False
        self._buffer: bytearray | None = None  # of a message in parts
        self._text = False  # whether that is text
        self._told = False  # whether `Closed` is among the events
        self._out: list[bytes] = []
        self.ended = False
        self.pending = 0
        self.frames_left: int | None = None
        self.idle = 0

    # --- receiving ------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Bytes of the peer; ``b""`` when it sends no more."""
        if data:
            self._data += data
        else:
            self._eof = True

    def next_event(self) -> str | bytes | Pong | Closed | None:
        """The next message (text or bytes) or news; None until more is received or may be parsed.

        After `Closed` there is nothing more.
        """
        while not self._events:
            if self.frames_left is not None and self.frames_left <= 0:
                return None
            if self._data:
                part = bytes(self._data[:SLICE])
                del self._data[:SLICE]
                self._protocol.receive_data(part)
            elif self._eof:
                self._eof = False
                self._protocol.receive_eof()
                if not self._told:
                    self._events.append(Closed(_ABNORMAL, "", clean=False))
                    self._told = True
            else:
                return None
            self._collect()
        return self._events.pop(0)

    @property
    def unparsed(self) -> bool:
        """Whether something was received that `next_event` has not looked at."""
        return bool(self._data) or self._eof

    def _collect(self) -> None:
        """Turn what the protocol has parsed into events."""
        frames = self._protocol.events_received()
        if self.frames_left is not None:
            self.frames_left -= len(frames)
        for frame in frames:
            if self._told:
                break
            assert isinstance(frame, Frame)
            self._take(frame)
        error = self._protocol.parser_exc
        if error is not None and not self._told:
            self._violated(error)
        self._flush()

    def _take(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            if frame.fin:
                self._deliver(frame.data, text=opcode is Opcode.TEXT)
            else:
                self._buffer = bytearray(frame.data)
                self._text = opcode is Opcode.TEXT
        elif opcode is Opcode.CONT:
            assert self._buffer is not None  # the protocol has checked
            self._buffer += frame.data
            self.idle += not frame.fin and not frame.data
            if frame.fin:
                whole, self._buffer = self._buffer, None
                self._deliver(whole, text=self._text)
        elif opcode is Opcode.PING:
            self.idle += 1
        elif opcode is Opcode.PONG:
            self.idle += 1
            self._events.append(Pong(bytes(frame.data)))
        elif opcode is Opcode.CLOSE:
            close = self._protocol.close_rcvd
            assert close is not None
            self._events.append(Closed(int(close.code), close.reason, clean=True))
            self._told = True

    def _deliver(self, data: Any, *, text: bool) -> None:
        if not text:
            self._events.append(bytes(data))
            return
        try:
            self._events.append(data.decode() if isinstance(data, bytearray) else str(data, "utf8"))
        except UnicodeDecodeError as error:
            reason = f"the text is no UTF-8: {error.reason} at byte {error.start}"
            if not self._protocol.eof_sent:
                self._protocol.fail(_INVALID, reason)
            self._events.append(Closed(_INVALID, reason, clean=False))
            self._told = True

    def _violated(self, error: Exception) -> None:
        self._told = True
        if isinstance(error, EOFError):
            self._events.append(Closed(_ABNORMAL, "", clean=False))
        elif isinstance(error, (ProtocolError, PayloadTooBig, UnicodeDecodeError)):
            close = self._protocol.close_sent or Close(_ABNORMAL, "")
            self._events.append(Closed(int(close.code), close.reason or str(error), clean=False))
        else:
            raise BugError(f"a WebSocket frame could not be parsed: {error!r}") from error

    # --- sending --------------------------------------------------------------------------------

    def send(self, message: str | bytes) -> None:
        """Add a message to `data_to_send`.

        Raises: ClosedError once either side has said goodbye; UsageError for text that cannot be
        encoded.
        """
        if self._protocol.state is not OPEN:
            raise ClosedError("the WebSocket is closed")
        if isinstance(message, str):
            opcode = Opcode.TEXT
            try:
                data = message.encode()
            except UnicodeEncodeError as error:
                raise UsageError(f"a text to send has half a surrogate pair: {error}") from None
        else:
            opcode, data = Opcode.BINARY, message
        size = len(data)
        compressed = bool(self._extensions) and size >= _WORTH_COMPRESSING
        if compressed or self._client:
            extensions = self._extensions if compressed else []
            self._write(Frame(opcode, data).serialize(mask=self._client, extensions=extensions))
        elif size < _NEAR:
            self._write(_SHORT(0x80 | opcode, size) + data)
        else:
            medium = size < _FAR
            self._write(
                _MEDIUM(0x80 | opcode, 126, size) if medium else _LONG(0x80 | opcode, 127, size)
            )
            self._write(data)

    def ping(self, data: bytes = b"") -> None:
        """Add a ping to `data_to_send`; nothing once the connection has ended."""
        if not self.ended:
            self._protocol.send_ping(data)
            self._flush()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, with a reason cut to fit; nothing once either side has.

        Raises: UsageError for a code that may not be sent (RFC 6455 §7.4).
        """
        if self._protocol.state is not OPEN:
            return
        try:
            self._protocol.send_close(code, fit_reason(reason))
        except ProtocolError as error:
            message = f"a WebSocket cannot be closed with {code}; use 1000, or 3000 to 4999"
            raise UsageError(message) from error
        self._flush()

    @property
    def closing(self) -> bool:
        """Whether either side has said goodbye, so that no message can be sent."""
        return self._protocol.state is not OPEN

    def data_to_send(self) -> bytes:
        """What has to be sent now; a second call has nothing new."""
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self.pending = 0
        return data

    def _write(self, data: bytes) -> None:
        self._out.append(data)
        self.pending += len(data)

    def _flush(self) -> None:
        """Take over what the protocol wants to send; empty bytes stand for the end."""
        for data in self._protocol.data_to_send():
            if data:
                self._write(data)
            else:
                self.ended = True

    def __repr__(self) -> str:
        side = "client" if self._client else "server"
        return f"<WebSocketWire {side} {self._protocol.state.name.lower()}>"


def fit_reason(reason: str) -> str:
    """`reason`, cut to what a close frame can hold, at the end of a character."""
    return reason.encode("utf-8", "replace")[:_REASON].decode("utf-8", "ignore")
