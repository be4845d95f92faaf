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

from mainstay.wire.http2 import Event, Fields, Http2Settings, ResponseHead, Trailers, Writable
from mainstay.wire.http2_heads import decoded_size
from mainstay.wire.http2_httpunk import HttpunkEngine, checked, join_last

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
                        # Here and not in a method of its own: there are two of them in every reply.
                        stream: Any = frame.stream_id
                        verdict = core.recv_headers(frame, stream)
                        which = verdict.kind
                        if which == H2_HEADERS_HEAD:
                            status = frame.status
                            # Exactly one pseudo-field, and this one (RFC 9113 §8.3.2).
                            if status is None or frame.method or frame.path or frame.scheme:
                                events.append(self._malformed(stream))
                                continue
                            fields = frame.headers.raw_items()
                            oversize = fields != self._usual_head and self._oversize_head(fields)
                            events.append(
                                ResponseHead(stream, status, fields, verdict.eof, oversize)
                            )
                        elif which == H2_HEADERS_TRAILERS:
                            fields = frame.headers.raw_items()
                            oversize = fields != self._usual_end and self._oversize_end(fields)
                            # Trailers with pseudo-fields are malformed (RFC 9113 §8.1).
                            if (
                                oversize
                                or frame.method
                                or frame.path
                                or frame.scheme
                                or frame.status
                            ):
                                events.append(self._malformed(stream))
                            else:
                                events.append(Trailers(stream, fields))
                    elif kind is H2FrameData:
                        self._data(frame, events, parts)
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

    def _oversize_head(self, fields: list[tuple[bytes, bytes]]) -> bool:
        if self._oversize(fields):
            return True
        if len(fields) <= _FEW:
            self._usual_head = fields.copy()
        return False

    def _oversize_end(self, fields: list[tuple[bytes, bytes]]) -> bool:
        if self._oversize(fields):
            return True
        if len(fields) <= _FEW:
            self._usual_end = fields.copy()
        return False

    def _oversize(self, fields: list[tuple[bytes, bytes]]) -> bool:
        """Whether these are more than allowed; then they are forgotten."""
        settings = self._settings
        if len(fields) > settings.header_count or decoded_size(fields) > settings.head_size:
            fields.clear()
            return True
        return False

    def request_whole(
        self,
        method: str,
        scheme: str,
        authority: str,
        target: str,
        fields: Fields,
        data: bytes,
        ended: bool,
    ) -> tuple[int, int] | None:
        """See `Http2Engine`."""
        core = self._core
        headers = checked(fields)
        if not core.try_claim_slot():
            return None
        stream = self._next
        try:
            opened = core.open_stream(
                method,
                target,
                headers,
                False,
                method == "HEAD",
                stream,
                scheme=scheme,
                authority=authority,
            )
        except BaseException:
            core.release_slot_count()
            raise
        if opened is None:
            return None
        self._next = stream + 2
        if not data and not ended:
            return stream, 0
        verdict = core.send_data(stream, data, 0, ended)
        if verdict.done or verdict.stopped is not None:
            return stream, len(data)
        sent = verdict.sent
        return stream, sent + self.send(stream, data, sent, ended) if sent else 0

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
