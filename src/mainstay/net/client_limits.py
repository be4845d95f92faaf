"""What one HTTP client may use, and what its servers may send: every bound, named and defaulted."""

from __future__ import annotations

from dataclasses import dataclass

from mainstay.errors import UsageError

__all__ = ["ClientLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Bounds of one client. Sizes are bytes, times seconds.

    Attributes:
        connections: open at once, to all servers together.
        connections_per_host: open at once to one origin (scheme, host and port, by one proxy).
        keep_alive: idle before a connection is closed; below the 60 to 75 s after which most
            servers close theirs, so that a request rarely meets a connection that is closing.
        streams: of one HTTP/2 connection at once, if the server allows as many.
        connect_timeout: to resolve, connect, pass the proxy and shake hands.
        read_timeout: without a byte of a body that is waited for.
        write_timeout: without the server taking a byte of a body that is sent.
        head_size: status line and fields of one reply (HTTP/2: the decoded field list).
        header_count: fields of one reply.
        body_size: of a body that is read whole, decompressed; `Reply.chunks` has no such bound.
        read_buffer: of a body received and not yet read, before the server has to wait.
        write_buffer: waiting to be sent on a connection, before who sends has to wait.
    """

    connections: int = 200
    connections_per_host: int = 50
    keep_alive: float = 45.0
    streams: int = 100
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    write_timeout: float = 30.0
    head_size: int = 64 * 1024
    header_count: int = 200
    body_size: int = 64 * 1024 * 1024
    read_buffer: int = 64 * 1024
    write_buffer: int = 64 * 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not value > 0:
                raise UsageError(f"ClientLimits.{name} is {value!r}; it has to be above 0")
