"""The fast HTTP/2 engine of a client: what every call passes, in as few steps as can be.

A reply is two field lists and a body, and most replies to a client are alike. So a list that equals
the one before is not looked at again, and a reply whose bytes are known is not decoded at all: see
`http2_replies`. All else is `HttpunkEngine`'s.

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
    HeaderMap,
)

from mainstay.wire.http2 import Event, Fields, Http2Settings, ResponseHead, Trailers, Writable
from mainstay.wire.http2_frames import window_frame
from mainstay.wire.http2_heads import decoded_size
from mainstay.wire.http2_httpunk import HttpunkEngine, check_fields, join_last
from mainstay.wire.http2_replies import KnownReplies

__all__ = ["HttpunkClient"]

_FEW: Final = 16
"""Fields of a list that is remembered."""
_MOST_ASKED: Final = 64
"""Lists of fields of requests that are remembered."""


class HttpunkClient(HttpunkEngine):
    """See `Http2Engine`.

    Args:
        settings: what the server is allowed; with `Http2Settings.together` there are `replies`.
    """

    __slots__ = ("_asked", "_cut", "_mapped", "_mapped_fields", "_usual")

    def __init__(self, *, settings: Http2Settings) -> None:
        super().__init__(client=True, settings=settings)
        # Lists that are not too long; copies, since the events with their like belong to who takes
        # them. Of heads, and of trailers.
        self._usual: list[list[tuple[bytes, bytes]]] = [[], []]
        self._mapped_fields: Fields | None = None
        self._mapped: HeaderMap | None = None
        self._asked: dict[Fields, HeaderMap] = {}
        self.replies = KnownReplies() if settings.together else None
        self._cut = 0  # bytes that the package was not told of, nor the server that they were read

    def receive(self, data: bytes, found: Any = None) -> list[Event]:
        """See `Http2Engine`.

        Args:
            data: the bytes.
            found: the bodies of the replies that a `ReplyGuard` has cut out of them, by stream; each
                of these is told as a `Reply`.
        """
        core = self._core
        events: list[Any] = []  # of `Event`, and `Reply`
        parts: list[bytes] = []
        known: Any = self.replies
        try:
            frame: Any  # its class decides, which the checker cannot see
            for frame in core.receive(data):
                try:
                    kind = type(frame)
                    if kind is H2FrameHeaders:
                        stream = frame.stream_id
                        body = found.pop(stream, None) if found else None
                        if body is not None:
                            self._cut += len(body)  # also of a stream that is over
                            verdict = core.recv_headers(frame, stream)
                            if verdict.kind == H2_HEADERS_HEAD:
                                events.append((stream, known.head, body, known.end))
                            elif verdict.kind == H2_HEADERS_TRAILERS:  # it had a head before
                                events.append(self._malformed(stream))
                            continue
                        verdict = core.recv_headers(frame, stream)
                        self._headers_of(frame, stream, verdict, events)
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
        if self._cut > self._settings.connection_window >> 2:
            self._append(window_frame(0, self._cut))
            self._cut = 0
        return events

    def _headers_of(self, frame: Any, stream: int, verdict: Any, events: list[Event]) -> None:
        which = verdict.kind
        if which == H2_HEADERS_HEAD:
            status = frame.status
            # Exactly one pseudo-field, and this one (RFC 9113 §8.3.2).
            if status is None or frame.method or frame.path or frame.scheme:
                events.append(self._malformed(stream))
                return
            fields = frame.headers.raw_items()
            oversize = fields != self._usual[0] and self._oversize(0, fields)
            if self.replies is not None:
                self.replies.began(stream, status, fields)
            events.append(ResponseHead(stream, status, fields, verdict.eof, oversize))
        elif which == H2_HEADERS_TRAILERS:
            fields = frame.headers.raw_items()
            # Trailers with pseudo-fields are malformed (RFC 9113 §8.1).
            if (
                (fields != self._usual[1] and self._oversize(1, fields))
                or frame.method
                or frame.path
                or frame.scheme
                or frame.status
            ):
                events.append(self._malformed(stream))
                return
            if self.replies is not None:
                self.replies.ended(stream, fields)
            events.append(Trailers(stream, fields))

    def _oversize(self, which: int, fields: list[tuple[bytes, bytes]]) -> bool:
        """Whether these are more than allowed; then they are forgotten."""
        settings = self._settings
        if len(fields) > settings.header_count or decoded_size(fields) > settings.head_size:
            fields.clear()
            return True
        if len(fields) <= _FEW:
            self._usual[which] = fields.copy()
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
        headers = self._mapped if fields is self._mapped_fields else self._map(fields)
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

    def _map(self, fields: Fields) -> HeaderMap:
        """The fields of a request for the package; those that come as tuples are checked once, and
        kept no longer than the connection. Raises: ValueError for fields that cannot be sent."""
        if type(fields) is not tuple:
            return check_fields(fields)
        headers = self._asked.get(fields)
        if headers is None:
            headers = check_fields(fields)
            if len(self._asked) >= _MOST_ASKED:
                self._asked.clear()
            self._asked[fields] = headers
        self._mapped_fields, self._mapped = fields, headers
        return headers

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
