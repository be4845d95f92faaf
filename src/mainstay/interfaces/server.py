"""What the service needs from anything that accepts calls: an HTTP server, a framed TCP server, …

A server owns its listeners and connections. It does not own handlers: it turns what peers send into
`Call` objects and awaits the one `Handler` it was opened with.

Contract: `mainstay.testing.contracts.server`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mainstay.core.call import Handler
from mainstay.core.scope import Scope

__all__ = ["Server", "ServerStatistics"]


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """A moment's numbers of one server.

    Attributes:
        connections: open connections, idle ones included.
        in_flight: calls begun and not yet answered.
        requests: calls begun since the start; 0 where they are not counted.
    """

    connections: int
    in_flight: int
    requests: int = 0


class Server(Protocol):
    """Accepts connections and calls; the service drives it through its life, in this order:

    `open` → `accept` → `stop_accepting` → `drain` → `aclose`

    `aclose` may come after any of them, and twice.
    """

    async def open(self, handler: Handler, scope: Scope) -> list[str]:
        """Bind the listeners, accepting nothing yet; peers that connect wait in the queue.

        Every call gets a child of `scope`. Returns the addresses bound, a port 0 resolved, such as
        ``tcp://127.0.0.1:8000``. Cancelled or failed: nothing stays bound.

        Raises: ResourceError when an address cannot be bound; UsageError on a bad address.
        """

    def accept(self) -> None:
        """Begin to accept; the service is ready."""

    async def stop_accepting(self) -> None:
        """Take no new connection. One that was accepted is served, never dropped."""

    async def drain(self) -> None:
        """Tell peers to leave, close connections without work, and return when none has work.

        Bounded by the service, which cancels it. Calls under way go on and are answered.
        """

    async def aclose(self) -> None:
        """Close every listener and connection at once. Idempotent."""

    def statistics(self) -> ServerStatistics:
        """The numbers of this moment."""
