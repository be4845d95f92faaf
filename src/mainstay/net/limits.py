"""What one HTTP peer may take: every bound of the server's connections, named and defaulted.

Numbers are those of the servers that met the floods first: nginx (header sizes, keep-alive 75 s),
Go's net/http (streams, header bytes), hyper's h2 (resets). `None` means no bound, where allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one server. Sizes are bytes, times seconds.

    Attributes:
        connections: open at once; at the limit nothing is accepted, and peers wait in the queue.
        in_flight: calls at work at once; one more is answered 503 with ``retry-after``. Streams of
            RPC do not count, nor WebSockets, as they may last; and probes are always answered.
        long_calls: streams of RPC open at once; one more is answered 503.
        streams: of one HTTP/2 connection at once.
        requests: of one connection; the last reply closes it. None: no bound.
        head_size: request line and fields of one request (HTTP/2: the decoded field list).
        header_count: fields of one request.
        target_size: the request target.
        body_size: of one request; a route may set its own. None: no bound.
        header_timeout: from the first byte of a request (or the accept) to the end of its head.
        body_timeout: without a byte of a body that is waited for.
        write_timeout: without the peer taking a byte of what is written.
        keep_alive: idle between two requests.
        connection_age: after which a connection is told to leave, so that its peer connects anew and
            may reach another instance; a tenth more or less, so that not all leave at once
            (gRFC A9). None: never.
        age_grace: after which the calls of a connection that was told so for its age are cut off.
            None: never.
        lame_duck: for which idle connections stay open once the server drains, so that a request
            that is on its way is still answered.
        ping_interval: of silence on an HTTP/2 connection or WebSocket, before it is pinged. None:
            never.
        ping_timeout: to the answer of a ping.
        resets: streams of one HTTP/2 connection that the peer resets within `flood_window`.
        control_frames: SETTINGS, PING, empty and other frames that cost us and bring nothing, of
            one HTTP/2 connection or WebSocket within `flood_window`.
        flood_window: over which the two above are counted.
        write_buffer: bytes waiting to be sent on a connection before who sends has to wait.
        read_buffer: bytes of a body received and not yet read before the peer has to wait.
    """

    connections: int | None = 100_000
    in_flight: int | None = 10_000
    long_calls: int | None = 50_000
    streams: int = 250
    requests: int | None = None
    head_size: int = 32 * 1024
    header_count: int = 100
    target_size: int = 8 * 1024
    body_size: int | None = 16 * 1024 * 1024
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    write_timeout: float = 30.0
    keep_alive: float = 75.0
    connection_age: float | None = None
    age_grace: float | None = None
    lame_duck: float = 0.5
    ping_interval: float | None = 30.0
    ping_timeout: float = 20.0
    resets: int = 200
    control_frames: int = 500
    flood_window: float = 10.0
    write_buffer: int = 64 * 1024
    read_buffer: int = 64 * 1024

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and not value > 0:
                raise ValueError(f"{each.name} must be greater than 0, not {value}")
