"""A call of a channel as its middleware see it, and its scope, which few of them ask for.

A scope costs as much as half of what else a call does. So the one of a unary call is made when
somebody asks: for `Call.scope`, for the current scope, or by opening one inside. Until then the
scope around the call does all that its own would do: it has no limit and no value of its own.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from mainstay.core.call import Call, Stream
from mainstay.core.scope import LateScope, Scope, stand_in
from mainstay.rpc.client.pairs import MetadataSource

__all__ = ["OutgoingCall"]


class OutgoingCall(Call, LateScope):
    """A call as the middleware of a channel sees it.

    Args:
        transport, method, request, stream: see `Call`.
        scope: of the call; None for one that is made late, see `stand_in`.

    Attributes:
        metadata: pairs that are sent with it; add yours before ``await next(call)``.
    """

    __slots__ = ("_above", "_baseline", "_made", "_task", "metadata")

    def __init__(
        self,
        transport: str,
        method: str,
        scope: Scope | None,
        request: Any = None,
        stream: Stream | None = None,
    ) -> None:
        self.transport = transport
        self.method = method
        self.request = request
        self.stream = stream
        self.metadata: list[tuple[str, str | bytes]] = []
        self._made = scope
        self._above: Any = None  # Scope | LateScope | None
        self._task: asyncio.Task[Any] | None = None
        self._baseline = 0

    @property
    def scope(self) -> Scope:
        """See `Call`."""
        return self._made or self.made()

    @scope.setter
    def scope(self, scope: Scope) -> None:
        self._made = scope

    def add(self, metadata: MetadataSource | None) -> None:
        """Send these with it as well."""
        if metadata:
            pairs = metadata.items() if isinstance(metadata, dict) else metadata
            self.metadata += pairs  # type: ignore[arg-type]

    # --- a scope that is made late --------------------------------------------------------------

    def stand_in(self, task: asyncio.Task[Any] | None) -> bool:
        """From now on, stand for the scope of this call, in `task`; False, and nothing is done,
        where no scope around it can do its work until then, by cancelling this very task."""
        around = Scope.nearest()
        if task is None or around is None or not around.holds(task):
            return False
        self._above = stand_in(self).old_value
        self._task = task
        self._baseline = task.cancelling()
        return True

    def leave(self, error: BaseException | None) -> None:
        """The call is over, with this error. Raises: the cause, if its scope was cancelled."""
        self._task = None
        # As a scope does: a generator may be closed in another context, where others are current.
        left = stand_in(self._above)
        if left.old_value is not self:
            left.var.reset(left)
        made = self._made
        if made is not None:
            made.__exit__(None if error is None else type(error), error, None)

    def made(self) -> Scope:
        """See `LateScope`. On another thread, as long as nobody has asked on that of the call, the
        scope around the call, which has the same limits; after the end, one that is over."""
        made = self._made
        if made is None:
            above, task = self._above, self._task
            outer = above.made() if isinstance(above, LateScope) else above
            assert outer is not None
            if task is not None and not _is_here(task):
                return outer
            self._made = made = Scope(self.method, parent=outer)
            if task is not None:
                made.adopt(task, outer=outer, baseline=self._baseline)
        return made

    def nearest(self) -> Scope | None:
        """See `Scope.nearest`."""
        if self._made is not None:
            return self._made
        above: Scope | LateScope | None = self._above
        return above.nearest() if isinstance(above, LateScope) else above


def _is_here(task: asyncio.Task[Any]) -> bool:
    """Whether we are on the loop of `task`."""
    try:
        return asyncio.get_running_loop() is task.get_loop()
    except RuntimeError:
        return False
