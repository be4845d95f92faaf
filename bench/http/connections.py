"""What connections cost: memory of idle ones, and throughput when there are many."""

from __future__ import annotations

import http.client
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench.harness import seconds
from bench.http.load import load
from bench.http.server import Server
from bench.http.workloads import JSON

__all__ = ["MANY", "allow_many", "idle_memory", "last_frame_ends", "rate_with"]

MANY: Final = 10_000
FEW: Final = 64
HTTP1: Final = f"GET {JSON.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()

END_STREAM: Final = 0x1
DATA, HEADERS = 0x0, 0x1


def allow_many() -> int:
    """Raise the number of files a process may open as far as it goes; servers inherit it.

    Returns how many connections that allows, at most `MANY`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(MANY, hard - 200)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2 (RFC 9113 §4.1)."""
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


def http2_request() -> bytes:
    """The preface, our settings, the acknowledgement of theirs, and the request as stream 1.

    The fields are literals without indexing, or of the static table (RFC 7541 §6.2.2, A).
    """
    path = JSON.path.encode()
    host = b"127.0.0.1"
    fields = b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x01" + bytes([len(host)]) + host
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(0x4, 0, 0, b"")
        + frame(0x4, 0x1, 0, b"")
        + frame(HEADERS, 0x4 | END_STREAM, 1, fields)
    )


def last_frame_ends(data: bytes) -> bool:
    """Whether the reply on stream 1 is whole."""
    at = 0
    while at + 9 <= len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        kind, flags = data[at + 3], data[at + 4]
        at += 9 + size
        if at <= len(data) and kind in (DATA, HEADERS) and flags & END_STREAM:
            return True
    return False


def reply_ends(data: bytes) -> bool:
    """Whether a reply of HTTP/1.1 in JSON is whole; ours all end with the object."""
    head, _, body = data.partition(b"\r\n\r\n")
    return bool(head) and body.rstrip().endswith((b"}", b"}\r\n0"))


def idle_memory(server: Server, connections: int, *, http2: bool) -> float:
    """Bytes of memory for each connection that is open and idle after one request."""
    request = http2_request() if http2 else HTTP1
    complete = last_frame_ends if http2 else reply_ends
    with ExitStack() as stack:

        def opened() -> None:
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            one.sendall(request)
            received = b""
            while not complete(received):
                part = one.recv(65536)
                if not part:
                    raise ConnectionError(f"{server.peer.key} closed a connection: {received!r}")
                received += part

        # What the first requests make is not for each connection.
        for _ in range(200):
            opened()
        time.sleep(0.5)
        before = server.resident()
        for _ in range(connections):
            opened()
        time.sleep(1.0)
        return (server.resident() - before) / connections


def counted(connection: http.client.HTTPConnection, server: Server) -> tuple[float, float, int]:
    """When, after how much CPU time, and how many requests the server has answered by now."""
    connection.request("GET", "/count")
    requests = int(connection.getresponse().read())
    return time.monotonic(), server.cpu(), requests


@dataclass(frozen=True)
class Rate:
    """With so many connections.

    Attributes:
        rate: requests answered in a second.
        cost: CPU seconds of the server for one.
    """

    rate: float
    cost: float


def rate_with(server: Server, connections: int, core: int | None, duration: int = 8) -> Rate:
    """What requests cost, once all connections are open."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            load(JSON, server.port, core, duration, connections)
        except BaseException as error:
            failed.append(error)

    # Opened before the others: a server may take long to accept one more behind thousands.
    asking = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    counted(asking, server)
    thread = threading.Thread(target=work)
    thread.start()
    # Opening them all takes a while, and is another matter.
    time.sleep(duration * 0.4)
    began, used_before, before = counted(asking, server)
    time.sleep(duration * 0.4)
    ended, used, after = counted(asking, server)
    thread.join()
    asking.close()
    if failed:
        raise failed[0]
    return Rate((after - before) / (ended - began), (used - used_before) / (after - before))


def loss(few: float, many: float) -> float:
    """The share of the rate that is lost."""
    return 1 - many / few


def memory_lines(found: dict[str, tuple[float, float | None]]) -> Iterator[str]:
    """The table of `idle_memory`."""
    width = max(map(len, found))
    yield f"  {'':{width}}  {'HTTP/1.1':>9}  {'HTTP/2':>9}"
    for key, (first, second) in found.items():
        shown = "" if second is None else f"{second / 1024:5.1f} KiB"
        yield f"  {key:{width}}  {first / 1024:5.1f} KiB  {shown}".rstrip()


def rate_lines(found: dict[str, tuple[Rate, Rate]], many: int) -> Iterator[str]:
    """The table of `rate_with`."""
    width = max(map(len, found))
    yield f"  {'':{width}}  {FEW:>8,}  {many:>8,}  loss  {'CPU each':>9}  {'CPU each':>9}  loss"
    for key, (few, crowd) in found.items():
        yield (
            f"  {key:{width}}  {few.rate:8,.0f}  {crowd.rate:8,.0f}  {loss(few.rate, crowd.rate):4.0%}"
            f"  {seconds(few.cost):>9}  {seconds(crowd.cost):>9}"
            # As if the server's core were all that limits it.
            f"  {loss(1 / few.cost, 1 / crowd.cost):4.0%}"
        )
