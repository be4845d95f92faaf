"""A call of a method, whatever protocol it came by."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mainstay.core.call import Stream
from mainstay.core.metadata import Metadata
from mainstay.core.scope import Scope
from mainstay.net.calls import ExchangeCall
from mainstay.net.exchange import Exchange
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.status import RpcStatus, status_of

__all__ = ["Pairs", "RpcCall"]

_log = logging.getLogger("mainstay.rpc")

Pairs = list[tuple[str, str | bytes]]
"""Metadata that we send: names in lower case; those that end with ``-bin`` have bytes."""


class RpcCall(ExchangeCall):
    """One call; each protocol has a subclass.

    A unary call has its message in `request`, and its handler returns the reply. Any other has a
    `stream` in both directions, whatever its kind: the one request of a server-streaming call is
    received from it, and the one reply of a client-streaming call is sent on it, so that a
    middleware sees all messages in one place.

    Args:
        exchange: see the attribute.
        endpoint: see the attribute.
        head: see the attribute.
        settings: of the server.
        scope_maker: makes its scope; or a scope that somebody else opens and closes.
        timeout: seconds for a call whose caller does not say; None for no bound.

    Attributes:
        transport: ``grpc``, ``grpc-web``, ``connect``, or ``http`` for JSON by its own paths.
        endpoint: what is called.
        head: the fields of the request by name, the last of each; `Call.scope` has all of them as
            metadata.
        settings: as given.
        initial_metadata: pairs to be sent before the first message; what is added later is lost.
        trailing_metadata: pairs to be sent with the status.
        answered: whether the status was sent.
    """

    __slots__ = ("_initial", "_trailing", "answered", "endpoint", "head", "settings")

    spoken = "grpc"
    """The transport of the class."""

    unary: ClassVar[bool | None] = None
    """Whether the class is for unary methods only, or for the others; None for all."""

    def __init__(
        self,
        exchange: Exchange,
        endpoint: RpcEndpoint,
        head: Mapping[bytes, bytes],
        settings: RpcSettings,
        scope_maker: Callable[[Any], Scope] | Scope,
        timeout: float | None = None,
    ) -> None:
        self.transport = self.spoken
        self.method = endpoint.name
        self.request = None
        self.stream: Stream | None = None
        self.exchange = exchange
        self.timeout = timeout
        self.endpoint = endpoint
        self.head = head
        self.settings = settings
        self.begun = False
        self.answered = False
        self._made: Scope | None = None
        self._maker = scope_maker
        self._ended = False
        self._initial: Pairs | None = None
        self._trailing: Pairs | None = None

    @property
    def initial_metadata(self) -> Pairs:
        """See the class."""
        if self._initial is None:
            self._initial = []
        return self._initial

    @property
    def trailing_metadata(self) -> Pairs:
        """See the class."""
        if self._trailing is None:
            self._trailing = []
        return self._trailing

    # --- what a protocol does -------------------------------------------------------------------

    def limit(self) -> float | None:
        """Seconds that the caller gives; None when it does not say."""
        return None

    def accept(self) -> None:
        """Look at the head, before anything is done. Raises: Error for what cannot be answered."""

    def whole(self) -> Any:
        """The one request of a unary call, if it can be had without waiting; else None."""
        return None

    async def read(self) -> Any:
        """The one request of a unary call, decoded.

        Raises: Error for none, for more than one, and for what is no such message.
        """
        raise NotImplementedError

    def respond(self, message: Any) -> None:
        """Answer a unary call that succeeded. Raises: TypeError, ValueError for a wrong message."""
        raise NotImplementedError

    def open_stream(self) -> Stream:
        """The messages of a call that is not unary."""
        raise NotImplementedError

    async def finish(self) -> None:
        """End a stream that succeeded. Raises: PeerGone."""
        raise NotImplementedError

    def fail(self, status: RpcStatus) -> None:
        """Tell the peer that the call failed, whatever was sent before; must not raise for that."""
        raise NotImplementedError

    # --- for the runner -------------------------------------------------------------------------

    def budget(self, metadata: Metadata) -> float | None:
        """See `ExchangeCall`. A caller's own limit takes the place of the service's default."""
        limit = self.limit()
        if limit is not None:
            self.timeout = self.endpoint.method.timeout
        return limit

    def answer_late(self, cause: Exception) -> None:
        """Answer in the place of a handler that does not end."""
        self.fail_surely(status_of(cause))

    def fail_surely(self, status: RpcStatus) -> None:
        """As `fail`, and never without an answer: what of it cannot be sent is left out."""
        self.answered = True
        status.service = self.endpoint.method.service
        try:
            self.fail(status)
        except Exception:  # details that are no messages, metadata that cannot be sent
            _log.exception(
                "%s could not be answered as it should be; its metadata and details are left out",
                self.method,
            )
            self._fail_barely(status)

    def _fail_barely(self, status: RpcStatus) -> None:
        self._initial = self._trailing = None
        try:
            self.fail(RpcStatus(status.code, status.message))
        except Exception:
            _log.exception("%s could not be answered", self.method)
            self.exchange.reset()
