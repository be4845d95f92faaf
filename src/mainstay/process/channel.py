"""Packets with descriptors between a parent and a child: a socket pair, on an event loop.

SOCK_SEQPACKET keeps the packets apart and in order, and its end of file comes after all of them. A
descriptor is received with MSG_CMSG_CLOEXEC by `recvmsg` itself: `socket.recv_fds` drops its flags
(python/cpython#107898), and descriptors would leak into whatever the child starts. Linux only.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from mainstay.errors import UsageError
from mainstay.process.forks import keep_from_forks

__all__ = ["MOST_DESCRIPTORS", "PACKET", "Channel", "channel_pair", "receive"]

PACKET: Final = 64 * 1024
"""Bytes of the longest packet."""

MOST_DESCRIPTORS: Final = 64
"""Of one packet; the kernel takes up to 253."""


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, closed on exec. Raises: UsageError where the system has none."""
    if not hasattr(socket, "SOCK_SEQPACKET") or os.name != "posix" or not _LINUX:
        raise UsageError("workers and hot restarts need Linux")
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


_LINUX: Final = hasattr(os, "pidfd_open") or hasattr(socket, "SO_PEERCRED")


class Channel:
    """One end, on the running loop.

    Args:
        end: a socket of `channel_pair`; the channel closes it.
        received: called with each packet and its descriptors, which are the callee's to close.
        ended: called once, when the other end is gone; not after `close`.
    """

    def __init__(
        self,
        end: socket.socket,
        received: Callable[[bytes, list[int]], None],
        ended: Callable[[], None],
    ) -> None:
        end.setblocking(False)
        self._end = end
        self._received = received
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._closed = False
        self._ties: list[int] = []
        keep_from_forks(self)
        self._loop.add_reader(end.fileno(), self._readable)

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closed

    def send(self, packet: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a packet, now or as soon as there is room; descriptors are duplicated at once.

        After the end it does nothing.

        Raises: UsageError for more than a packet takes.
        """
        if len(packet) > PACKET or len(descriptors) > MOST_DESCRIPTORS:
            raise UsageError("the packet is too long, or has too many descriptors")
        if self._closed:
            return
        if self._waiting or not self._sent(packet, descriptors):
            if not self._waiting:
                self._loop.add_writer(self._end.fileno(), self._writable)
            self._waiting.append((packet, [os.dup(each) for each in descriptors]))

    def _sent(self, packet: bytes, descriptors: Sequence[int]) -> bool:
        """Try to; False when there is no room."""
        ancillary = []
        if descriptors:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        try:
            self._end.sendmsg([packet], ancillary, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError:
            # The reader tells that the other end is gone; what was to be said is nobody's.
            return True
        return True

    def _writable(self) -> None:
        while self._waiting:
            packet, descriptors = self._waiting[0]
            if not self._sent(packet, descriptors):
                return
            self._waiting.popleft()
            _close_all(descriptors)
        self._loop.remove_writer(self._end.fileno())

    def _readable(self) -> None:
        while not self._closed:
            try:
                received = receive(self._end)
            except BlockingIOError:
                return
            except ConnectionResetError:
                # Told once of an end that has left something of ours unread, and before what it
                # said: that is still to come.
                continue
            except OSError:
                received = None
            if received is None:
                self.close()
                self._ended()
                return
            self._received(*received)

    def drain(self) -> None:
        """Take in what has arrived, now."""
        self._readable()

    def descriptors(self) -> list[int]:
        """See `mainstay.process.forks.Holder`."""
        waiting = [each for _, descriptors in self._waiting for each in descriptors]
        return [*waiting, *self._ties, *([] if self._closed else [self._end.fileno()])]

    def tie(self) -> None:
        """Keep this end open until the process ends, whatever happens to this object."""
        if not self._closed:
            self._ties.append(os.dup(self._end.fileno()))
            _tied.append(self)

    def close(self) -> None:
        """Let go of it. Idempotent; the other end sees the end of file after what was sent."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        for _, descriptors in self._waiting:
            _close_all(descriptors)
        self._waiting.clear()
        self._end.close()


_tied: Final[list[Channel]] = []
"""Those that are open to the end of the process, and so to be known for as long."""


def receive(end: socket.socket) -> tuple[bytes, list[int]] | None:
    """The next packet and its descriptors, closed on exec; None at the end of file.

    If descriptors were lost, because this process may have no more, there are none.

    Raises: BlockingIOError when there is no packet yet.
    """
    room = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
    flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    packet, ancillary, told, _ = end.recvmsg(PACKET, room, flags)
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    found = list(descriptors)
    if told & socket.MSG_CTRUNC:
        _close_all(found)
        found = []
    if not packet and not found:
        return None
    return packet, found


def _close_all(descriptors: Sequence[int]) -> None:
    for each in descriptors:
        os.close(each)
