"""The fast HTTP/2 engine: hyper's `h2`, in Rust, by way of the package httpunk.

With `http2_httpunk_client` the only file that knows httpunk. What it uses, `H2Streams`, is private
to that package and young, so the version is pinned in pyproject.toml, and the contract of engines
holds it to its word (decision 021). It is driven from one thread, without the package's own asyncio
layer.

What it does not have is done here:

* It cuts a field list that is too long without saying so. So it is told a limit that is well above
  ours, such that what is left is above ours, too, whatever was cut: one field can be cut off below
  its limit only if it is longer than their difference, and such a field is no entry of the
  compression table (4 KiB), so it needs more bytes than the guard allows for an encoded block.
* Its limits begin with the peer's acknowledgement, which a peer may withhold; until then a head may
  take 16 MiB. So the acknowledgement is applied at once, and the peer's own is swallowed.
* It knows no ``:protocol``. An extended CONNECT is told from a plain one by its ``:path``, and a
  WebSocket by ``sec-websocket-version``, which RFC 8441 §5 asks for.
* It sends no PING, and no interim responses; both are written here. The fields of the latter are
  literals without indexing (RFC 7541 §6.2.2), which mean the same whatever the tables hold.
"""

from __future__ import annotations

from typing import Any, Final

from httpunk._httpunk import (
    H2_HEADERS_HEAD,
    H2_HEADERS_OPENED,
    H2_HEADERS_TRAILERS,
    H2_PREFACE,
    H2Codec,
    H2Error,
    H2FrameData,
    H2FrameGoAway,
    H2FrameHeaders,
    H2FramePing,
    H2FramePriority,
    H2FrameRstStream,
    H2FrameSettings,
    H2FrameStreamError,
    H2FrameWindowUpdate,
    H2StreamError,
    H2Streams,
    H2UserError,
    HeaderMap,
)

from mainstay.wire.http2 import (
    Broken,
    Data,
    ErrorCode,
    Event,
    Fields,
    Goaway,
    Http2Settings,
    Pong,
    RequestHead,
    Reset,
    ResponseHead,
    Trailers,
    Writable,
)
from mainstay.wire.http2_frames import interim_head, opening, ping_frame, window_frame
from mainstay.wire.http2_heads import decoded_size, join_cookies, request_head
from mainstay.wire.http2_known import Found, KnownHead, KnownHeads
from mainstay.wire.http2_replies import KnownReplies

__all__ = ["HttpunkEngine", "check_fields", "checked", "join_last"]

_MAX_FRAME: Final = 16_384
_MOST_KEPT: Final = 256
_MOST_KNOWN: Final = 1024
_LONGEST_KNOWN: Final = 256
"""Characters of a path."""
_SEND_BUFFER: Final = 128 * 1024
"""Bytes of one stream between two `take`."""

# Frames that are applied as if the peer had sent them.
_ACK: Final[Any] = H2Codec("client").receive(bytes([0, 0, 0, 4, 1, 0, 0, 0, 0]))[0]
_SHUTDOWN: Final = b"SHUTDOWN"
_DRAINED: Final[Any] = H2Codec("client").receive(bytes([0, 0, 8, 6, 1, 0, 0, 0, 0]) + _SHUTDOWN)[0]
_NONE: Final[list[bytes]] = []

# A request that ends with its head: POST / of http, by the static table (RFC 7541, appendix A).
_HEADER: Final = b"\x00\x00\x03\x01\x05"
_BLOCK: Final = b"\x83\x86\x84"


class HttpunkEngine:
    """See `Http2Engine`.

    Args:
        client: whether this end is the client.
        settings: what the peer is allowed.
    """

    __slots__ = (
        "_core",
        "_head_size",
        "_header_count",
        "_next",
        "_out",
        "_settings",
        "_swallow",
        "_together",
        "_untold",
        "client",
        "known",
        "replies",
    )

    def __init__(self, *, client: bool, settings: Http2Settings) -> None:
        self.client = client
        self._settings = settings
        self._head_size = settings.head_size
        self._header_count = settings.header_count
        self._together = settings.together
        self._untold = 0  # bytes that the package was not told of, nor the peer that they were read
        self.known = KnownHeads() if settings.together and not client else None
        self.replies: KnownReplies | None = None  # see `HttpunkClient`
        self._core = H2Streams(
            "client" if client else "server",
            initial_window_size=settings.stream_window,
            connection_window=settings.connection_window,
            max_frame_size=_MAX_FRAME,
            # The guard allows twice the size for an encoded block, and Huffman's code has five bits
            # at least for a character.
            max_header_list_size=(settings.head_size * 2 * 8) // 5 + settings.head_size + 8192,
            max_send_buf_size=_SEND_BUFFER,
            max_concurrent_streams=settings.streams,
            max_local_error_reset_streams=None,  # for the life of a connection; the guard's matter
            auto_date_header=False,
            enable_push=False if client else None,
        )
        self._out = b""
        self._next = 1
        self._swallow = True

    def begin(self) -> None:
        """See `Http2Engine`."""
        core = self._core
        core.begin()
        begun = self._flushed()
        at = len(H2_PREFACE) if self.client else 0
        length = int.from_bytes(begun[at : at + 3], "big")
        # Its SETTINGS are replaced by ours, what follows (the window of the connection) stays.
        self._out = begun[:at] + opening(self.client, self._settings) + begun[at + 9 + length :]
        core.recv_settings(_ACK)

    def receive_known(self, data: bytes, found: dict[int, Found]) -> list[Event]:
        """See `Http2Engine`. What is known is cut out, and the package told of a request without
        fields or body in its place, which is on the same stream and ends it."""
        parts: list[bytes] = []
        at = 0
        untold = self._untold
        cuts: list[tuple[int, int, int]] = []
        for stream, _, body, first, second, third, fourth in found.values():
            cuts.append((first, second, stream))
            cuts.append((third, fourth, 0))
            untold += len(body)
        cuts.sort()
        for start, stop, stream in cuts:
            if start > at:
                parts.append(data[at:start])
            if stream:
                parts += (_HEADER, data[start + 5 : start + 9], _BLOCK)
            at = stop
        parts.append(data[at:])
        if untold > self._settings.connection_window >> 2:
            self._append(window_frame(0, untold))
            untold = 0
        self._untold = untold
        return self._receive(b"".join(parts), found)

    def receive(self, data: bytes) -> list[Event]:
        """See `Http2Engine`."""
        return self._receive(data, None)

    def _receive(self, data: bytes, found: dict[int, Found] | None) -> list[Event]:
        core = self._core
        events: list[Event] = []
        parts: list[bytes] = []
        try:
            frame: Any  # its class decides, which the checker cannot see
            for frame in core.receive(data):
                try:
                    kind = type(frame)
                    if kind is H2FrameHeaders:
                        if found is not None:
                            stream = frame.stream_id
                            request = found.get(stream)
                            if request is not None:
                                if core.recv_headers(frame, stream).kind == H2_HEADERS_OPENED:
                                    core.accepted(stream)
                                    events.append(request)
                                continue
                        self._headers(frame, events)
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

    def _broken(self, error: H2Error) -> Broken:
        first = error.args[0]
        code = first if isinstance(first, int) else int(ErrorCode.PROTOCOL_ERROR)
        self._core.send_goaway(code)
        return Broken(code, _words(error))

    def _headers(self, frame: H2FrameHeaders, events: list[Event]) -> None:
        stream = frame.stream_id
        core = self._core
        verdict = core.recv_headers(frame, stream)
        kind = verdict.kind
        headers = frame.headers
        if kind == H2_HEADERS_OPENED:
            core.accepted(stream)
            request = self._request(frame, stream, headers)
            known = self.known
            if known is not None and stream in known.candidates:
                _learn(known, request)
            events.append(request or self._malformed(stream))
        elif kind == H2_HEADERS_HEAD:
            # Exactly one pseudo-field, and this one (RFC 9113 §8.3.2).
            if frame.status is None or frame.method or frame.path or frame.scheme:
                events.append(self._malformed(stream))
                return
            fields, oversize = self._fields(headers)
            events.append(ResponseHead(stream, frame.status, fields, verdict.eof, oversize))
        elif kind == H2_HEADERS_TRAILERS:
            fields, oversize = self._fields(headers)
            # A trailer section with pseudo-fields is malformed (RFC 9113 §8.1).
            if oversize or frame.method or frame.path or frame.scheme or frame.status:
                events.append(self._malformed(stream))
            else:
                events.append(Trailers(stream, fields))

    def _request(
        self, frame: H2FrameHeaders, stream: int, headers: HeaderMap
    ) -> RequestHead | None:
        ended = frame.end_stream
        method = frame.method
        if len(headers) > self._header_count:
            return RequestHead(stream, method or "", b"", "", "", "", [], None, ended, True)
        fields = headers.raw_items()
        if decoded_size(fields) > self._head_size:
            return RequestHead(stream, method or "", b"", "", "", "", [], None, ended, True)
        if frame.status is not None:
            return None
        key = (method, frame.scheme, frame.authority, frame.path)
        known = _known.get(key)
        length = frame.content_length
        if (
            known is not None
            and "host" not in headers
            and (length is None or len(headers.get_all("content-length")) == 1)
        ):
            if "cookie" in headers and len(headers.get_all("cookie")) > 1:
                fields = join_cookies(fields)
            verb, target, scheme, authority = known
            return RequestHead(
                stream, verb, target, scheme, authority, "", fields, length, ended, False
            )
        head = self._request_anew(frame, headers, fields)
        if (
            head is not None
            and key[2]
            and method != "CONNECT"
            and len(head.target) <= _LONGEST_KNOWN
        ):
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[key] = (head.method, head.target, head.scheme, head.authority)
        return head

    def _request_anew(
        self, frame: H2FrameHeaders, headers: HeaderMap, fields: list[tuple[bytes, bytes]]
    ) -> RequestHead | None:
        protocol = ""
        if frame.method == "CONNECT" and frame.path is not None:
            protocol = "websocket" if "sec-websocket-version" in headers else "unknown"
        if "cookie" in headers and len(headers.get_all("cookie")) > 1:
            fields = join_cookies(fields)
        return request_head(
            frame.stream_id,
            frame.method,
            frame.scheme,
            frame.authority,
            frame.path,
            protocol,
            headers.get_all("host") if "host" in headers else _NONE,
            fields,
            frame.content_length,
            frame.end_stream,
        )

    def _fields(self, headers: HeaderMap) -> tuple[list[tuple[bytes, bytes]], bool]:
        """What is in there, and whether it is longer than allowed; then nothing."""
        if len(headers) > self._header_count:
            return [], True
        fields = headers.raw_items()
        if decoded_size(fields) > self._head_size:
            return [], True
        return fields, False

    def _malformed(self, stream: int) -> Reset:
        self._core.reset_stream(stream, int(ErrorCode.PROTOCOL_ERROR), "library")
        return Reset(stream, ErrorCode.PROTOCOL_ERROR, ours=True)

    def _data(self, frame: H2FrameData, events: list[Event], parts: list[bytes]) -> None:
        """`parts` are those of the last event, which one stream has to itself: frames of a few
        bytes each would otherwise cost the more the smaller they are."""
        verdict: Any = self._core.recv_data(frame)  # whose handle is the number that it was given
        stream = verdict.handle
        part = verdict.payload
        if stream is None or part is None:
            return
        if verdict.budgeted:
            self._core.release_data_frame(stream, len(part))
        if events:
            last: Any = events[-1]
            kind = type(last)
            if kind is RequestHead and verdict.eof and self._together and last.stream == stream:
                last.body = part
                return
            if kind is Data and last.stream == stream:
                if not parts:
                    parts.append(last.data)
                parts.append(part)
                last.ended = verdict.eof
                return
            if parts:
                join_last(events, parts)
        events.append(Data(stream, part, verdict.eof))

    def _control(self, frame: object, events: list[Event]) -> None:
        core = self._core
        if isinstance(frame, H2FrameRstStream):
            if core.recv_reset(frame) is not None:
                events.append(Reset(frame.stream_id, frame.error_code))
        elif isinstance(frame, H2FrameSettings):
            if not frame.ack:
                core.recv_settings(frame)
                events.append(Writable(0))
            elif self._swallow:
                self._swallow = False
            else:
                core.recv_settings(frame)  # one too many, which it says
        elif isinstance(frame, H2FramePing):
            core.recv_ping(frame)
            if frame.ack and frame.data != _SHUTDOWN:
                events.append(Pong(frame.data))
        elif isinstance(frame, H2FrameStreamError):
            raise H2StreamError(frame.stream_id, frame.error_code, "library")
        elif isinstance(frame, H2FrameGoAway):
            aborted, _ = core.recv_go_away(frame)
            events.append(Goaway(frame.last_stream_id, frame.error_code))
            events += (Reset(stream, ErrorCode.REFUSED_STREAM) for stream, _ in aborted)  # type: ignore[arg-type]
        else:
            assert isinstance(frame, H2FramePriority)  # which asks for nothing (RFC 9113 §5.3.2)

    def _reset_for(self, error: H2StreamError, events: list[Event]) -> None:
        stream, code, initiator = error.args
        if initiator == "remote":
            return
        core = self._core
        core.reset_on_error(stream, code)
        events.append(Reset(stream, code, ours=True))

    # --- sending --------------------------------------------------------------------------------

    def request(
        self, method: str, scheme: str, authority: str, target: str, fields: Fields, ended: bool
    ) -> int | None:
        """See `Http2Engine`."""
        core = self._core
        headers = check_fields(fields)
        if not core.try_claim_slot():
            return None
        stream = self._next
        try:
            opened = core.open_stream(
                method,
                target,
                headers,
                ended,
                method == "HEAD",
                stream,
                scheme=scheme,
                authority=authority,
            )
        except BaseException:
            core.release_slot_count()
            raise
        if opened is not None:
            assert opened == stream
            self._next += 2
        return opened

    def respond(self, stream: int, status: int, fields: Fields, ended: bool) -> None:
        """See `Http2Engine`."""
        try:
            self._core.send_response_head(stream, status, _mapped(fields), ended)
        except H2UserError as error:
            raise ValueError(_words(error)) from None

    def respond_whole(
        self, stream: int, status: int, fields: Fields, body: bytes, trailers: Fields
    ) -> int:
        """See `Http2Engine`."""
        core = self._core
        end = _kept.get(trailers) if type(trailers) is tuple else None
        if end is None:
            end = checked(trailers)
        head = _kept.get(fields) if type(fields) is tuple else None
        if head is None:
            head = _mapped(fields)
        try:
            core.send_response_head(stream, status, head, False)
        except H2UserError as error:
            raise ValueError(_words(error)) from None
        size = len(body)
        if size:
            verdict = core.send_data(stream, body, 0, False)
            if not verdict.done:
                if verdict.stopped is not None:
                    return size  # nobody is there: dropped
                sent = verdict.sent
                if sent:
                    sent += self.send(stream, body, sent, False)
                if sent < size:
                    return sent
        core.send_trailers(stream, end)
        return size

    def inform(self, stream: int, status: int, fields: Fields) -> None:
        """See `Http2Engine`."""
        headers = checked(fields)
        self._append(interim_head(stream, status, headers.raw_items()))

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
        stream = self.request(method, scheme, authority, target, fields, False)
        if stream is None:
            return None
        return stream, self.send(stream, data, 0, ended) if data or ended else 0

    def send(self, stream: int, data: bytes, start: int, ended: bool) -> int:
        """See `Http2Engine`."""
        core = self._core
        at = start
        size = len(data)
        while True:
            verdict = core.send_data(stream, data, at, ended)
            at += verdict.sent
            if verdict.stopped is not None:
                return size - start  # nobody is there: dropped
            if verdict.done or not verdict.sent:
                return at - start

    def window(self, stream: int) -> int:
        """See `Http2Engine`."""
        room = self._core.conn_send_window
        return min(room, self._core.stream_send_window(stream) or 0) if stream else room

    def send_trailers(self, stream: int, fields: Fields) -> None:
        """See `Http2Engine`."""
        headers = checked(fields)
        self._core.send_trailers(stream, headers)

    def reset(self, stream: int, code: int) -> None:
        """See `Http2Engine`."""
        self._core.reset_stream(stream, code)

    def credit(self, stream: int, size: int) -> None:
        """See `Http2Engine`."""
        self._core.release_capacity(stream, size)

    def ping(self, payload: bytes) -> None:
        """See `Http2Engine`."""
        self._append(ping_frame(payload))

    def drain(self) -> None:
        """See `Http2Engine`."""
        self._core.begin_graceful_shutdown()

    def drain_now(self) -> None:
        """See `Http2Engine`."""
        self._core.begin_graceful_shutdown()
        self._core.recv_ping(_DRAINED)

    def fail(self, code: int) -> None:
        """See `Http2Engine`."""
        self._core.send_goaway(code)

    def take(self) -> bytes:
        """See `Http2Engine`."""
        out = self._flushed()
        if self._out:
            out = self._out + out
            self._out = b""
        return out

    @property
    def drained(self) -> bool:
        """See `Http2Engine`."""
        return self._core.shutdown_final

    def _flushed(self) -> bytes:
        view, _ = self._core.take_pending()
        out = bytes(view)
        view.release()
        if out:
            self._core.credit_written()
        return out

    def _append(self, frame: bytes) -> None:
        """After what is there: frames keep their order."""
        self._out += self._flushed() + frame


_known: dict[tuple[str | None, ...], tuple[str, bytes, str, str]] = {}
"""Pseudo-fields that were found to be well-formed, as a `RequestHead` has them: clients ask for the
same again and again. Cleared when there are too many."""


def _learn(known: KnownHeads, head: RequestHead | None) -> None:
    if head is None or head.method != "POST" or head.protocol or head.oversize:
        return
    same = KnownHead(
        head.method, head.target, head.scheme, head.authority, head.fields, head.length
    )
    known.learn(head.stream, same)


def _words(error: H2Error) -> str:
    """What an error of the package says: some are a code alone, some a code and words."""
    said = error.args[-1]
    if isinstance(said, str):
        return said
    name = ErrorCode(said).name if said in _CODES else f"error {said}"
    return f"the protocol was broken: {name}"


_CODES: Final = frozenset(ErrorCode)


def join_last(events: list[Event], parts: list[bytes]) -> None:
    """Give the last event with data all of its parts."""
    for event in reversed(events):
        if type(event) is Data:
            event.data = b"".join(parts)
            parts.clear()
            return


_kept: dict[Fields, HeaderMap] = {}
"""Fields that programs answer with again and again, checked: those that come as tuples. Those of
requests are not among them: they may have somebody's credentials, and this outlives connections."""


def _mapped(fields: Fields) -> HeaderMap:
    return checked(fields) if type(fields) is tuple else HeaderMap(fields)


def checked(fields: Fields) -> HeaderMap:
    """The same for the package; those that come as tuples are looked at once. Raises: ValueError for
    fields that cannot be sent."""
    if type(fields) is tuple:
        headers = _kept.get(fields)
        if headers is None:
            headers = check_fields(fields)
            if len(_kept) >= _MOST_KEPT:
                _kept.clear()
            _kept[fields] = headers
        return headers
    return check_fields(fields)


def check_fields(fields: Fields) -> HeaderMap:
    """The same for the package. Raises: ValueError for fields that cannot be sent."""
    headers = HeaderMap(fields)
    try:
        H2Codec.check_send_headers(headers)
    except H2UserError as error:
        raise ValueError(_words(error)) from None
    return headers
