"""One request of ours and its reply: the seam between the client's connections and its pool.

Rules that every `ClientConnection` keeps:

* `reserve` takes a place before `exchange` uses it, so that the pool can hand a connection over to
  somebody who will run later. Every place ends in `exchange`, or in `release`.
* A place is free again as soon as the reply has arrived, not when it has been read: what is left
  to read is in memory, and bounded.
* `exchange` that fails before the reply says in `Lost` what the server can have seen.
* Who leaves early (`Incoming.close`, or a cancelled `exchange`) ends that exchange only: the
  connection on HTTP/1.1, the stream on HTTP/2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from mainstay.core.wheel import Wheel
from mainstay.errors import BrokenError
from mainstay.net.client_limits import ClientLimits
from mainstay.net.inbox import Inbox
from mainstay.net.origin import Origin

__all__ = [
    "ClientConnection",
    "ClientDialer",
    "ConnectionOwner",
    "Incoming",
    "Lost",
    "Outgoing",
    "Shared",
]


@dataclass(slots=True, eq=False)
class Shared:
    """What the connections of one client share; made on its running loop."""

    limits: ClientLimits
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    wheel: Wheel = field(init=False)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """Uploads and connections that close; the client waits for them at its end."""

    def __post_init__(self) -> None:
        self.wheel = Wheel(self.loop, self.loop.time)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Do `work` in a task that the client waits for."""
        task = self.loop.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


class Lost(BrokenError):
    """The connection was lost, or the stream refused, before a byte of the reply.

    Attributes:
        untouched: whether the server certainly did nothing with the request.
        stale: whether the connection had served before, and the server may have closed it before
            the request arrived.
    """

    def __init__(self, message: str, *, untouched: bool = False, stale: bool = False) -> None:
        super().__init__(message)
        self.untouched = untouched
        self.stale = stale


class Outgoing:
    """One request, ready to be sent.

    Args:
        method: ``GET``, …
        scheme, authority: of the target's origin, for HTTP/2.
        target: path and query; an absolute URL for a forward proxy.
        fields: for the wire, ``host`` first; without those of framing.
        body: None for none.
        length: bytes of an iterated body, if known; it is held to it.

    Attributes:
        begun: whether an iterated body was begun, so that it cannot be sent again.
    """

    __slots__ = ("authority", "begun", "body", "fields", "length", "method", "scheme", "target")

    def __init__(
        self,
        method: str,
        scheme: str,
        authority: str,
        target: str,
        fields: Sequence[tuple[bytes, bytes]],
        body: bytes | AsyncIterable[bytes] | None = None,
        length: int | None = None,
    ) -> None:
        self.method = method
        self.scheme = scheme
        self.authority = authority
        self.target = target
        self.fields = fields
        self.body = body
        self.length = len(body) if isinstance(body, bytes) else length
        self.begun = False

    def __repr__(self) -> str:
        return f"<Outgoing {self.method} {self.authority}>"


class Incoming:
    """A reply that arrives; connections make it, and fill it.

    Args:
        shared: of the client.
        where: whose reply it is, for messages.
        taken: called with the number of bytes read, to make room.
        abandoned: called when the reader leaves, or gives up, before the end.

    Attributes:
        status, fields, version: of the head; set before anybody sees the object.
        trailers: trailer fields, once the body has ended.
        inbox: what has arrived.
    """

    __slots__ = (
        "_abandoned",
        "_shared",
        "_taken",
        "_where",
        "fields",
        "inbox",
        "status",
        "trailers",
        "version",
    )

    def __init__(
        self,
        shared: Shared,
        where: str,
        taken: Callable[[int], None],
        abandoned: Callable[[], None],
    ) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.version = ""
        self.trailers: list[tuple[bytes, bytes]] = []
        self.inbox = Inbox(shared.loop)
        self._shared = shared
        self._where = where
        self._taken = taken
        self._abandoned = abandoned

    async def receive(self) -> bytes:
        """The next bytes of the body, at least one; ``b""`` at its end, and from then on.

        Raises: BrokenError when the rest cannot come, or did not for `ClientLimits.read_timeout`.
        """
        part = self.inbox.take()
        if part is None:
            part = await self._wait()
        if part:
            self._taken(len(part))
        return part

    async def _wait(self) -> bytes:
        limit = self._shared.limits.read_timeout
        error = BrokenError(f"{self._where} sent nothing of its reply for {limit:g} s")
        while True:
            end = self._shared.loop.time() + limit
            timer = self._shared.wheel.at(end, partial(self.inbox.fail, error))
            try:
                await self.inbox.wait()
            finally:
                timer.cancel()
            try:
                part = self.inbox.take()
            except BrokenError:
                self.close()
                raise
            if part is not None:
                return part

    def close(self) -> None:
        """Want no more of it. Idempotent, and nothing after the end."""
        if not self.inbox.ended:
            self._abandoned()

    def __repr__(self) -> str:
        return f"<Incoming {self.status} of {self._where}>"


class ClientConnection(Protocol):
    """One open connection to a server."""

    shares: bool
    """Whether it has more than one place."""
    idle_since: float
    """Loop time when its last exchange ended."""

    def reserve(self) -> bool:
        """Take a place for one exchange; False when there is none, or it is known to be dead."""

    def release(self) -> None:
        """Give a place back that was not used."""

    async def exchange(self, outgoing: Outgoing) -> Incoming:
        """Send a request, in a place reserved, and wait for the head of its reply.

        Raises: Lost; BrokenError for a reply that is none; UsageError for what cannot be sent.
        """

    @property
    def busy(self) -> bool:
        """Whether a place is taken."""

    async def aclose(self) -> None:
        """Close it, end what goes on on it, and wait until it is closed."""


class ConnectionOwner(Protocol):
    """Who keeps a connection; the pool."""

    def freed(self, connection: ClientConnection) -> None:
        """It has a place, or one more."""

    def gone(self, connection: ClientConnection) -> None:
        """It is closed."""


class ClientDialer(Protocol):
    """Who opens the connections of one client."""

    async def dial(self, origin: Origin, owner: ConnectionOwner) -> ClientConnection:
        """Open a connection to `origin`. Raises: BrokenError when it cannot be had, in time."""

    def may_share(self, origin: Origin) -> bool:
        """Whether a connection to `origin` may turn out to have more than one place."""
