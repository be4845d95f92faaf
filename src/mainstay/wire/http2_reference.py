"""The HTTP/2 engine in Python, on the package h2: where httpunk has no wheel, and as its oracle.

It is some fifteen times slower (decision 021). What the package does otherwise is evened out here:

* It refuses every frame once it has sent or received GOAWAY (python-hyper/h2#1181), and a drain
  goes on after that. So it never hears of GOAWAY: those frames are read and written here.
* It loses what came before a violation in the same bytes, so it is fed frame by frame.
* It ends the connection for a malformed request, so requests are checked here.

One difference stays: a stream above the number that is allowed ends the connection, where the other
engine refuses the stream.
"""

from __future__ import annotations

from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.events import Event as CoreEvent
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from mainstay.wire.http2 import (
    PREFACE,
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
from mainstay.wire.http2_frames import MAX_FRAME, frame, ping_frame
from mainstay.wire.http2_heads import (
    check_fields,
    decoded_size,
    join_cookies,
    request_head,
    split_pseudo,
)
from mainstay.wire.http2_known import Found, KnownHeads
from mainstay.wire.http2_replies import KnownReplies

__all__ = ["ReferenceEngine"]

_HEADER: Final = 9
_RST_STREAM: Final = 3
_GOAWAY: Final = 7
_DEFAULT_WINDOW: Final = 65_535
_LAST: Final = 2**31 - 1
_SHUTDOWN: Final = b"SHUTDOWN"
_ABUSE: Final = 16
"""Times the size allowed from which a list of fields ends the connection."""


class ReferenceEngine:
    """See `Http2Engine`.

    Args:
        client: whether this end is the client.
        settings: what the peer is allowed.
    """

    __slots__ = (
        "_awaits_preface",
        "_carry",
        "_core",
        "_draining",
        "_half_closed",
        "_highest",
        "_last",
        "_live",
        "_out",
        "_settings",
        "_unread",
        "client",
        "drained",
    )

    drained: bool
    known: KnownHeads | None = None
    replies: KnownReplies | None = None
    """See `Http2Engine`."""

    def __init__(self, *, client: bool, settings: Http2Settings) -> None:
        self.client = client
        self._settings = settings
        core = H2Connection(
            H2Configuration(
                client_side=client,
                header_encoding=None,
                validate_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_inbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        core.local_settings = Settings(client=client, initial_values=_initial(client, settings))
        core.max_inbound_frame_size = MAX_FRAME
        core.decoder.max_header_list_size = settings.head_size * _ABUSE
        self._core = core
        self._awaits_preface = not client
        self._carry = b""
        self._out = b""
        self._live: set[int] = set()
        self._half_closed: set[int] = set()
        self._unread: dict[int, int] = {}
        self._highest = 0
        self._last = _LAST
        self._draining = False
        self.drained = False

    def begin(self) -> None:
        """See `Http2Engine`."""
        self._core.initiate_connection()
        more = self._settings.connection_window - _DEFAULT_WINDOW
        if more > 0:
            self._core.increment_flow_control_window(more)

    # --- receiving ------------------------------------------------------------------------------

    def receive_known(self, data: bytes, found: dict[int, Found]) -> list[Event]:
        """See `Http2Engine`; here they are requests as any other."""
        return self.receive(data)

    def receive(self, data: bytes) -> list[Event]:
        """See `Http2Engine`."""
        events: list[Event] = []
        data = self._carry + data
        at = 0
        try:
            if self._awaits_preface:
                at = self._preface(data)
            while not self._awaits_preface and at + _HEADER <= len(data):
                end = at + _HEADER + int.from_bytes(data[at : at + 3], "big")
                if end - at > _HEADER + MAX_FRAME:
                    raise _Oversize("a frame is too long")
                if end > len(data):
                    break
                self._frame(data[at:end], events)
                at = end
        except ProtocolError as error:
            code = int(error.error_code)
            self._core.clear_outbound_data_buffer()
            self.fail(code)
            self._live.clear()  # what is sent to them from now on is dropped
            events.append(Broken(code, str(error)))
        self._carry = data[at:]
        return events

    def _preface(self, data: bytes) -> int:
        if data[: len(PREFACE)] != PREFACE[: len(data)]:
            raise ProtocolError("bad preface")
        if len(data) < len(PREFACE):
            return 0
        self._core.receive_data(PREFACE)
        self._awaits_preface = False
        return len(PREFACE)

    def _frame(self, raw: bytes, events: list[Event]) -> None:
        if raw[3] == _GOAWAY:
            self._goaway(raw, events)
            return
        if raw[3] == _RST_STREAM and self._is_idle(int.from_bytes(raw[5:9], "big")):
            raise ProtocolError("a stream was reset that was never open")
        for event in self._core.receive_data(raw):
            self._told(event, events)

    def _is_idle(self, stream: int) -> bool:
        core = self._core
        ours = bool(stream % 2) == self.client
        return stream > (
            core.highest_outbound_stream_id if ours else core.highest_inbound_stream_id
        )

    def _told(self, event: CoreEvent, events: list[Event]) -> None:
        if isinstance(event, RequestReceived):
            self._request(event, events)
        elif isinstance(event, ResponseReceived):
            self._response(event, events)
        elif isinstance(event, DataReceived):
            self._data(event, events)
        elif isinstance(event, TrailersReceived):
            self._trailers(event, events)
        elif isinstance(event, StreamEnded):
            self._half_close(event.stream_id)
        elif isinstance(event, StreamReset):
            stream = event.stream_id
            if stream in self._live:
                self._release(stream)
                events.append(Reset(stream, int(event.error_code), not event.remote_reset))
        elif isinstance(event, WindowUpdated):
            events.append(Writable(event.stream_id or 0))
        elif isinstance(event, RemoteSettingsChanged):
            events.append(Writable(0))
        elif isinstance(event, PingAckReceived):
            self._pong(event.ping_data, events)
        else:
            # Acknowledgements, priorities, what is unknown: of no consequence.
            assert not isinstance(event, InformationalResponseReceived) or self.client

    def _request(self, event: RequestReceived, events: list[Event]) -> None:
        stream = event.stream_id
        if stream > self._last:
            return
        self._highest = stream
        self._live.add(stream)
        ended = event.stream_ended is not None
        parted = split_pseudo(event.headers)
        if parted is None:
            self._malformed(stream, events)
            return
        pseudo, fields = parted
        if self._oversize(event.headers):
            events.append(RequestHead(stream, "", b"", "", "", "", [], None, ended, True))
            return
        hosts = [value for name, value in fields if name == b"host"]
        lengths = [value for name, value in fields if name == b"content-length"]
        if sum(name == b"cookie" for name, _ in fields) > 1:
            fields = join_cookies(fields)
        protocol = pseudo.get(b":protocol", "")
        if protocol and protocol != "websocket":
            protocol = "unknown"
        head = request_head(
            stream,
            pseudo.get(b":method"),
            pseudo.get(b":scheme"),
            pseudo.get(b":authority"),
            pseudo.get(b":path"),
            protocol,
            hosts,
            fields,
            int(lengths[0]) if lengths else None,
            ended,
        )
        if head is None or b":status" in pseudo or (ended and head.length):
            self._malformed(stream, events)
        else:
            events.append(head)

    def _response(self, event: ResponseReceived, events: list[Event]) -> None:
        stream = event.stream_id
        parted = split_pseudo(event.headers)
        if parted is None or list(parted[0]) != [b":status"]:
            self._malformed(stream, events)
            return
        oversize = self._oversize(event.headers)
        fields = [] if oversize else parted[1]
        ended = event.stream_ended is not None
        status = int(parted[0][b":status"])
        events.append(ResponseHead(stream, status, fields, ended, oversize))

    def _data(self, event: DataReceived, events: list[Event]) -> None:
        stream = event.stream_id
        size = len(event.data)
        padding = event.flow_controlled_length - size
        if stream not in self._live:
            padding += size
        else:
            self._unread[stream] = self._unread.get(stream, 0) + size
            ended = event.stream_ended is not None
            if size or ended:
                events.append(Data(stream, event.data, ended))
        if padding:
            self._core.acknowledge_received_data(padding, stream)

    def _trailers(self, event: TrailersReceived, events: list[Event]) -> None:
        stream = event.stream_id
        if stream not in self._live:
            return
        parted = split_pseudo(event.headers)
        if parted is None or parted[0] or self._oversize(event.headers):
            self._malformed(stream, events)
        else:
            events.append(Trailers(stream, parted[1]))

    def _oversize(self, fields: Fields) -> bool:
        settings = self._settings
        plain = [(name, value) for name, value in fields if name[:1] != b":"]
        return len(plain) > settings.header_count or decoded_size(plain) > settings.head_size

    def _malformed(self, stream: int, events: list[Event]) -> None:
        self.reset(stream, ErrorCode.PROTOCOL_ERROR)
        events.append(Reset(stream, ErrorCode.PROTOCOL_ERROR, ours=True))

    def _pong(self, payload: bytes, events: list[Event]) -> None:
        if payload != _SHUTDOWN:
            events.append(Pong(payload))
        elif self._draining:
            self.drain_now()

    def _goaway(self, raw: bytes, events: list[Event]) -> None:
        if len(raw) < _HEADER + 8:
            raise _Oversize("GOAWAY is too short")
        if int.from_bytes(raw[5:9], "big"):
            raise ProtocolError("GOAWAY on a stream")
        last = int.from_bytes(raw[9:13], "big") & _LAST
        events.append(Goaway(last, int.from_bytes(raw[13:17], "big")))
        if self.client:
            for stream in sorted(each for each in self._live if each > last):
                self._release(stream)
                events.append(Reset(stream, ErrorCode.REFUSED_STREAM))

    # --- the life of streams --------------------------------------------------------------------

    def _half_close(self, stream: int) -> None:
        """One side has ended; when both have, the stream is over."""
        if stream in self._half_closed:
            self._release(stream)
        elif stream in self._live:
            self._half_closed.add(stream)

    def _close_ours(self, stream: int) -> None:
        """Our side has ended. A server does not want the rest of the request then."""
        if not self.client and stream not in self._half_closed:
            self.reset(stream, ErrorCode.NO_ERROR)
        else:
            self._half_close(stream)

    def _release(self, stream: int) -> None:
        """It is over: what nobody will read makes room for other streams."""
        self._live.discard(stream)
        self._half_closed.discard(stream)
        unread = self._unread.pop(stream, 0)
        if unread:
            self._core.acknowledge_received_data(unread, stream)

    # --- sending --------------------------------------------------------------------------------

    def request(
        self, method: str, scheme: str, authority: str, target: str, fields: Fields, ended: bool
    ) -> int | None:
        """See `Http2Engine`."""
        check_fields(fields)
        core = self._core
        if core.open_outbound_streams >= core.remote_settings.max_concurrent_streams:
            return None
        stream = core.get_next_available_stream_id()
        head = [
            (b":method", method.encode("ascii")),
            (b":scheme", scheme.encode("ascii")),
            (b":authority", authority.encode("ascii")),
            (b":path", target.encode("ascii")),
        ]
        core.send_headers(stream, [*head, *fields], end_stream=ended)
        self._live.add(stream)
        if ended:
            self._half_close(stream)
        return stream

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

    def respond(self, stream: int, status: int, fields: Fields, ended: bool) -> None:
        """See `Http2Engine`."""
        check_fields(fields)
        if stream in self._live:
            self._core.send_headers(
                stream, [(b":status", b"%d" % status), *fields], end_stream=ended
            )
            if ended:
                self._close_ours(stream)

    def respond_whole(
        self, stream: int, status: int, fields: Fields, body: bytes, trailers: Fields
    ) -> int:
        """See `Http2Engine`."""
        self.respond(stream, status, fields, False)
        sent = self.send(stream, body, 0, False) if body else 0
        if sent == len(body):
            self.send_trailers(stream, trailers)
        return sent

    def inform(self, stream: int, status: int, fields: Fields) -> None:
        """See `Http2Engine`."""
        self.respond(stream, status, fields, False)

    def send(self, stream: int, data: bytes, start: int, ended: bool) -> int:
        """See `Http2Engine`."""
        core = self._core
        size = len(data)
        at = start
        while stream in self._live:
            room = 0
            if at < size:
                room = min(core.local_flow_control_window(stream), core.max_outbound_frame_size)
                if room <= 0:
                    break
            last = at + room >= size
            core.send_data(stream, data[at : at + room], end_stream=ended and last)
            at = min(at + room, size)
            if last:
                if ended:
                    self._close_ours(stream)
                return size - start
        return at - start if stream in self._live else size - start

    def window(self, stream: int) -> int:
        """See `Http2Engine`."""
        if not stream:
            return max(0, self._core.outbound_flow_control_window)
        if stream not in self._live:
            return 0
        return max(0, self._core.local_flow_control_window(stream))

    def send_trailers(self, stream: int, fields: Fields) -> None:
        """See `Http2Engine`."""
        check_fields(fields)
        if stream in self._live:
            self._core.send_headers(stream, fields, end_stream=True)
            self._close_ours(stream)

    def reset(self, stream: int, code: int) -> None:
        """See `Http2Engine`."""
        if stream in self._live:
            self._release(stream)
            self._core.reset_stream(stream, code)

    def credit(self, stream: int, size: int) -> None:
        """See `Http2Engine`."""
        unread = self._unread.get(stream, 0)
        if stream in self._live and unread:
            self._unread[stream] = unread - size
            self._core.acknowledge_received_data(size, stream)

    def ping(self, payload: bytes) -> None:
        """See `Http2Engine`."""
        self._core.ping(payload)

    def drain(self) -> None:
        """See `Http2Engine`."""
        if not self._draining:
            self._draining = True
            self._append(_goaway_frame(_LAST, ErrorCode.NO_ERROR) + ping_frame(_SHUTDOWN))

    def drain_now(self) -> None:
        """See `Http2Engine`."""
        self._draining = True
        if not self.drained:
            self.drained = True
            self._last = self._highest
            self._append(_goaway_frame(self._last, ErrorCode.NO_ERROR))

    def fail(self, code: int) -> None:
        """See `Http2Engine`."""
        self._append(_goaway_frame(0 if self.client else self._highest, code))

    def take(self) -> bytes:
        """See `Http2Engine`."""
        out = self._out + self._core.data_to_send()
        self._out = b""
        return out

    def _append(self, raw: bytes) -> None:
        self._out += self._core.data_to_send() + raw


class _Oversize(ProtocolError):
    """A frame has a size that it cannot have."""

    error_code = ErrorCode.FRAME_SIZE_ERROR  # type: ignore[assignment]


def _goaway_frame(last: int, code: int) -> bytes:
    return frame(_GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big"))


def _initial(client: bool, settings: Http2Settings) -> dict[SettingCodes, int]:
    values = {
        SettingCodes.INITIAL_WINDOW_SIZE: settings.stream_window,
        SettingCodes.MAX_FRAME_SIZE: MAX_FRAME,
        SettingCodes.MAX_HEADER_LIST_SIZE: settings.head_size,
    }
    if client:
        values[SettingCodes.ENABLE_PUSH] = 0
    else:
        values[SettingCodes.MAX_CONCURRENT_STREAMS] = settings.streams
        if settings.extended_connect:
            values[SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
    return values
