"""The few frames of HTTP/2 that are written by hand (RFC 9113 §6)."""

from __future__ import annotations

from typing import Final

from mainstay.wire.http2 import Fields, Http2Settings

__all__ = ["MAX_FRAME", "frame", "interim_head", "opening", "ping_frame", "window_frame"]

MAX_FRAME: Final = 16_384
"""Bytes of payload that every peer takes, and that we take."""

_HEADERS: Final = 1
_SETTINGS: Final = 4
_PING: Final = 6
_WINDOW_UPDATE: Final = 8
_END_HEADERS: Final = 4

_ENABLE_PUSH: Final = 2
_MAX_STREAMS: Final = 3
_WINDOW: Final = 4
_MAX_FRAME_SIZE: Final = 5
_HEAD_SIZE: Final = 6
_CONNECT_PROTOCOL: Final = 8

_PREFIX: Final = 0x7F
_MORE: Final = 0x80


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A whole frame (RFC 9113 §4.1)."""
    length = len(payload).to_bytes(3, "big")
    return length + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def opening(client: bool, settings: Http2Settings) -> bytes:
    """The first SETTINGS (RFC 9113 §6.5.2; RFC 8441 §3 for the last one)."""
    values = {
        _WINDOW: settings.stream_window,
        _MAX_FRAME_SIZE: MAX_FRAME,
        _HEAD_SIZE: settings.head_size,
    }
    if client:
        values[_ENABLE_PUSH] = 0
    else:
        values[_MAX_STREAMS] = settings.streams
        if settings.extended_connect:
            values[_CONNECT_PROTOCOL] = 1
    pairs = (key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values.items())
    return frame(_SETTINGS, 0, 0, b"".join(pairs))


def ping_frame(payload: bytes) -> bytes:
    """A PING with these 8 bytes."""
    return frame(_PING, 0, 0, payload)


def window_frame(stream: int, size: int) -> bytes:
    """WINDOW_UPDATE: the peer may send so many bytes more on this stream, or (0) on all."""
    return frame(_WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


def interim_head(stream: int, status: int, fields: Fields) -> bytes:
    """HEADERS with a 1xx status, whose fields change no compression table.

    Raises: ValueError when it is longer than a frame.
    """
    # Name 8 of the static table is `:status`; literal without indexing (RFC 7541 §6.2.2).
    block = b"\x08" + _string(b"%d" % status)
    block += b"".join(b"\x00" + _string(name) + _string(value) for name, value in fields)
    if len(block) > MAX_FRAME:
        raise ValueError("an interim response does not fit a frame")
    return frame(_HEADERS, _END_HEADERS, stream, block)


def _string(text: bytes) -> bytes:
    """A string literal without Huffman's code; its length has a prefix of 7 bits (RFC 7541 §5)."""
    size = len(text)
    if size < _PREFIX:
        return bytes((size,)) + text
    length = bytearray((_PREFIX,))
    size -= _PREFIX
    while size > _PREFIX:
        length.append(size & _PREFIX | _MORE)
        size >>= 7
    length.append(size)
    return bytes(length) + text
