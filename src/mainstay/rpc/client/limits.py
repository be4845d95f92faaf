"""What one channel may use, and what its server may send: every bound, named and defaulted."""

from __future__ import annotations

from dataclasses import dataclass

from mainstay.errors import UsageError
from mainstay.net.client_limits import ClientLimits

__all__ = ["ChannelLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLimits:
    """Bounds of one channel. Sizes are bytes, times seconds.

    Attributes:
        streams: open on one connection at once, if the server allows as many.
        waiting: calls that wait for a connection or a stream; more are RESOURCE_EXHAUSTED.
        connect_timeout: to resolve, connect, shake hands, and hear the server's settings; gRPC's
            number (grpc/grpc, doc/connection-backoff.md).
        idle: without a call before a connection is closed.
        keepalive_time: without a byte from the server, while calls are under way, before it is
            asked for a sign of life; None never asks. Servers of gRPC take more than one such
            question in five minutes for abuse unless they are told otherwise (doc/keepalive.md).
        keepalive_timeout: for that sign to come, before the connection is given up.
        receive_size: of one message, after decompression.
        receive_elements: submessages and entries of maps of one message that is longer than 64 KiB,
            where each becomes an object of a class of ours; generated messages are not counted.
        send_size: of one message.
        compress_from: smaller messages are sent as they are.
        head_size: of the fields of a reply, and of its trailers, decoded.
        header_count: fields of a reply, and of its trailers.
        window: of a stream's messages that are received and not yet read.
        write_buffer: waiting to be sent on a connection, before who sends has to wait.
        replay: of messages sent that are kept until the server answers, so that a stream which it
            refused can be sent again.
    """

    streams: int = 1000
    waiting: int = 10_000
    connect_timeout: float = 20.0
    idle: float = 1800.0
    keepalive_time: float | None = None
    keepalive_timeout: float = 20.0
    receive_size: int = 4 * 1024 * 1024
    receive_elements: int = 100_000
    send_size: int = 2**31 - 1
    compress_from: int = 1024
    head_size: int = 64 * 1024
    header_count: int = 200
    window: int = 256 * 1024
    write_buffer: int = 64 * 1024
    replay: int = 64 * 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"ChannelLimits.{name} is {value!r}; it has to be above 0")

    def for_connections(self) -> ClientLimits:
        """The same for what dials and keeps connections."""
        return ClientLimits(
            streams=self.streams,
            connect_timeout=self.connect_timeout,
            head_size=self.head_size,
            header_count=self.header_count,
            read_buffer=self.window,
            write_buffer=self.write_buffer,
        )
