"""The fast HTTP/2 engine of a client: what every call passes, in as few steps as can be.

A reply is two field lists and a body, and most replies to a client are alike. So a list that equals
the one before is not looked at again. All else is `HttpunkEngine`'s.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

from typing import Any, Final

from httpunk._httpunk import (
    H2_HEADERS_HEAD,
    H2_HEADERS_TRAILERS,
    H2Error,
    H2FrameData,
    H2FrameHeaders,
    H2FrameWindowUpdate,
    H2StreamError,
)

from mainstay.wire.http2 import Data, Event, Http2Settings, ResponseHead, Trailers, Writable
from mainstay.wire.http2_heads import decoded_size
from mainstay.wire.http2_httpunk import HttpunkEngine, join_last

__all__ = ["HttpunkClient"]

_FEW: Final = 16
"""Fields of a list that is remembered."""


class HttpunkClient(HttpunkEngine):
    """See `Http2Engine`.

    Args:
        settings: what the server is allowed.
    """

    __slots__ = ("_usual_end", "_usual_head")

    def __init__(self, *, settings: Http2Settings) -> None:
        super().__init__(client=True, settings=settings)
        # Copies: the events with their like belong to who takes them.
        self._usual_head: list[tuple[bytes, bytes]] = []
        self._usual_end: list[tuple[bytes, bytes]] = []

    def receive(self, data: bytes) -> list[Event]:
        """See `Http2Engine`."""
        core = self._core
        events: list[Event] = []
        parts: list[bytes] = []
        try:
            frame: Any  # its class decides, which the checker cannot see
            for frame in core.receive(data):
                try:
                    kind = type(frame)
                    if kind is H2FrameHeaders:
                        self._headers(frame, events)
                    elif kind is H2FrameData:
                        verdict = core.recv_data(frame)
                        stream: Any = verdict.handle
                        part = verdict.payload
                        if stream is None or part is None:
                            continue
                        if verdict.budgeted:
                            core.release_data_frame(stream, len(part))
                        if events and self._goes_on(events[-1], stream, part, verdict.eof, parts):
                            continue
                        if parts:
                            join_last(events, parts)
                        events.append(Data(stream, part, verdict.eof))
                    elif kind is H2FrameWindowUpdate:
                        stream = frame.stream_id
                        if core.recv_window_update(frame) or not stream:
                            events.append(Writable(stream))
                    else:
                        self._control(frame, events)
                except H2StreamError as error:
                    self._reset_for(error, events)
        except H2Error as error:
            events.append(self._broken(error))
        if parts:
            join_last(events, parts)
        return events

    def _headers(self, frame: H2FrameHeaders, events: list[Event]) -> None:
        stream = frame.stream_id
        verdict = self._core.recv_headers(frame, stream)
        kind = verdict.kind
        if kind == H2_HEADERS_HEAD:
            status = frame.status
            # Exactly one pseudo-field, and this one (RFC 9113 §8.3.2).
            if status is None or frame.method or frame.path or frame.scheme:
                events.append(self._malformed(stream))
                return
            fields = frame.headers.raw_items()
            oversize = False
            if fields != self._usual_head:
                oversize = self._oversize(fields)
                if oversize:
                    fields = []
                elif len(fields) <= _FEW:
                    self._usual_head = fields.copy()
            events.append(ResponseHead(stream, status, fields, verdict.eof, oversize))
        elif kind == H2_HEADERS_TRAILERS:
            fields = frame.headers.raw_items()
            oversize = False
            if fields != self._usual_end:
                oversize = self._oversize(fields)
                if oversize:
                    fields = []
                elif len(fields) <= _FEW:
                    self._usual_end = fields.copy()
            # A trailer section with pseudo-fields is malformed (RFC 9113 §8.1).
            if oversize or frame.method or frame.path or frame.scheme or frame.status:
                events.append(self._malformed(stream))
            else:
                events.append(Trailers(stream, fields))

    def _oversize(self, fields: list[tuple[bytes, bytes]]) -> bool:
        settings = self._settings
        return len(fields) > settings.header_count or decoded_size(fields) > settings.head_size

    def _goes_on(
        self, last: Event, stream: int, part: bytes, ended: bool, parts: list[bytes]
    ) -> bool:
        """Whether these bytes belong to the last event; then they do from now on."""
        if type(last) is not Data or last.stream != stream:
            return False
        if not parts:
            parts.append(last.data)
        parts.append(part)
        last.ended = ended
        return True

    def take(self) -> bytes:
        """See `Http2Engine`."""
        core = self._core
        out = self._out
        if core.has_pending():
            view, _ = core.take_pending()
            pending = bytes(view)
            view.release()
            core.credit_written()
            if out:
                self._out = b""
                return out + pending
            return pending
        if out:
            self._out = b""
        return out
