"""Whether a service takes calls, as load balancers and orchestrators ask by gRPC.

The answer is that of the ready probe: what `/readyz` says by HTTP, ``grpc.health.v1`` says here, for
the whole server (``""``) and for each service on it. The rules:

1. From the first moment of a shutdown everything is NOT_SERVING, before any port is closed, and
   whatever was set by hand.
2. A status that was set by hand stands until it is cleared; but not above a server that is not
   ready: calls of it would fail all the same.
3. Watchers learn of a shutdown and of what is set at once, and of the probe within `interval`,
   which is asked once for all of them.

The protocol is in `health_service`; this file needs no protobuf (grpc/grpc,
doc/health-checking.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from enum import Enum
from typing import Final

from mainstay.core.scope import Scope

__all__ = ["Health", "ServingStatus"]

INTERVAL: Final = 5.0
"""Seconds between two looks at the ready probe while somebody watches."""


class ServingStatus(Enum):
    """What a service says of itself; the value is its number on the wire."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class Health:
    """The state of the services of one server. Handlers and workers ask for it by type.

    Args:
        ready: asks the ready probe.
        names: of the services; ``""``, the whole server, is always known.
        interval: seconds between two looks at the probe while somebody watches.
    """

    def __init__(
        self,
        ready: Callable[[], Awaitable[bool]],
        names: Iterable[str] = (),
        *,
        interval: float = INTERVAL,
    ) -> None:
        self._ready = ready
        self._known = {"", *names}
        self._interval = interval
        self._set: dict[str, ServingStatus] = {}
        self._stopping = False
        self._changed: asyncio.Future[None] | None = None
        self._look: asyncio.Lock | None = None
        self._seen = True
        self._seen_at = float("-inf")

    @property
    def names(self) -> list[str]:
        """What can be asked for, in order; ``""`` is the whole server."""
        return sorted({*self._known, *self._set})

    def set(self, service: str, status: ServingStatus) -> None:
        """Say what `service` is, whatever the probe says; any name may be set, ``""`` too."""
        self._set[service] = status
        self._wake()

    def clear(self, service: str) -> None:
        """Let the probe speak for `service` again; a name that is not a service's is forgotten."""
        self._set.pop(service, None)
        self._wake()

    def stop(self) -> None:
        """The service stops: everything is NOT_SERVING from now on. Idempotent."""
        if not self._stopping:
            self._stopping = True
            self._wake()

    async def check(self, service: str = "") -> ServingStatus:
        """What `service` is now; SERVICE_UNKNOWN for one that nobody knows."""
        given = self._given(service)
        return given or _of_probe(await self._ready() and not self._stopping)

    async def check_all(self) -> dict[str, ServingStatus]:
        """What each of `names` is now; the probe is asked once."""
        ready = _of_probe(await self._ready() and not self._stopping)
        return {each: self._given(each) or ready for each in self.names}

    async def watch(self, service: str = "") -> AsyncGenerator[ServingStatus, None]:
        """Yield what `service` is, then every change; end when the scope around is to drain.

        Close it (`contextlib.aclosing`) when leaving before its end.
        """
        scope = Scope.current()
        drained = asyncio.ensure_future(scope.wait_draining())
        said: ServingStatus | None = None
        try:
            while True:
                # Made before the look, so that no change after it is lost.
                change = self._change()
                status = self._given(service) or _of_probe(await self._seen_lately())
                if status is not said:
                    said = status
                    yield status
                if scope.draining:
                    return
                if not change.done():
                    await asyncio.wait(
                        [change, drained],
                        timeout=self._interval,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
        finally:
            drained.cancel()

    def _given(self, service: str) -> ServingStatus | None:
        """What is known without the probe; None where it decides."""
        own = self._set.get(service)
        if own is None and service not in self._known:
            return ServingStatus.SERVICE_UNKNOWN
        if self._stopping:
            return ServingStatus.NOT_SERVING
        return None if own is ServingStatus.SERVING else own

    async def _seen_lately(self) -> bool:
        """What the probe said, asked once an interval for all who watch."""
        clock = Scope.current().effects.clock
        if self._look is None:
            self._look = asyncio.Lock()
        async with self._look:
            # Half of it: those who began later must not find every look too young.
            if clock.monotonic() - self._seen_at >= self._interval / 2:
                self._seen = await self._ready()
                self._seen_at = clock.monotonic()
            return self._seen and not self._stopping

    def _change(self) -> asyncio.Future[None]:
        if self._changed is None or self._changed.done():
            self._changed = asyncio.get_running_loop().create_future()
        return self._changed

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def __repr__(self) -> str:
        state = "stopping" if self._stopping else "up"
        return f"<Health {state} services={len(self.names)} set={len(self._set)}>"


def _of_probe(ready: bool) -> ServingStatus:
    return ServingStatus.SERVING if ready else ServingStatus.NOT_SERVING
