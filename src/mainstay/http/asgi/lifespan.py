"""The life of an ASGI application: told that it starts, and that it stops.

The application runs in one task from its start to its end, as its own context managers want it. It
may not speak this protocol at all: it then raises or returns before it answers, which is fine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from mainstay.core.scope import Scope
from mainstay.core.seen import failure_of
from mainstay.errors import BrokenError, UsageError
from mainstay.http.asgi.types import AsgiApp, Message

__all__ = ["lifespan"]

_log = logging.getLogger("mainstay.http")


@asynccontextmanager
async def lifespan(app: AsgiApp) -> AsyncIterator[dict[str, Any]]:
    """Start `app`, and stop it at the end of the block.

    Yields: its state, of which each request gets a copy; empty for most.

    Raises: BrokenError with the application's own message when it cannot start or stop.
    """
    life = _Life(app)
    await life.start()
    try:
        yield life.state
    finally:
        await life.stop()


class _Life:
    """One lifespan.

    Attributes:
        state: what the application keeps for its requests.
    """

    def __init__(self, app: AsgiApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._answer: asyncio.Future[Message] | None = None
        self._task: asyncio.Task[None] | None = None
        self._heard = False

    async def start(self) -> None:
        """Let it start."""
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        self._task = _task(self._run(scope))
        answer = await self._ask("lifespan.startup")
        if answer is None:
            self._without()
        elif answer["type"] == "lifespan.startup.failed":
            await self._fail("start", answer)

    async def stop(self) -> None:
        """Let it stop; what it does not speak, it is not told."""
        if self._task is None:
            return
        if not self._task.done():
            answer = await self._ask("lifespan.shutdown")
            if answer is not None and answer["type"] == "lifespan.shutdown.failed":
                await self._fail("stop", answer)
            await self._end()
        error = failure_of(self._task)
        if error is not None:
            raise BrokenError(f"the ASGI application failed as it stopped: {error!r}") from error

    async def _ask(self, question: str) -> Message | None:
        """Its answer; None when it ended without one."""
        assert self._task is not None
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": question})
        try:
            await asyncio.wait([self._task, answer], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.add_done_callback(_tell_failure)
            await self._end(cancel=True)
            raise
        return answer.result() if answer.done() else None

    def _without(self) -> None:
        """It ended before it answered."""
        assert self._task is not None
        error = failure_of(self._task)
        self._task = None
        if error is None:
            return
        # The specification has the server go on, whatever it raised. If it took the message, it may
        # well have meant to start, so somebody should read this.
        level = logging.WARNING if self._heard else logging.INFO
        _log.log(level, "the ASGI application has no lifespan: %r", error)

    async def _fail(self, verb: str, answer: Message) -> None:
        assert self._task is not None
        await self._end()
        error = failure_of(self._task)
        # Starlette sends a whole traceback; its last line says it, and the cause has the rest.
        lines = str(answer.get("message") or "it did not say why").strip().splitlines()
        message = f"the ASGI application could not {verb}: {lines[-1].strip()}"
        raise BrokenError(message) from error

    async def _end(self, *, cancel: bool = False) -> None:
        assert self._task is not None
        if cancel:
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, scope: dict[str, Any]) -> None:
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        self._heard = True
        return await self._inbox.get()

    async def _send(self, message: Message) -> None:
        kind = message.get("type")
        if kind not in _ANSWERS:
            raise UsageError(f"an ASGI application may not send {kind!r} in its lifespan")
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)


_ANSWERS = frozenset(
    f"lifespan.{moment}.{outcome}"
    for moment in ("startup", "shutdown")
    for outcome in ("complete", "failed")
)


def _tell_failure(task: asyncio.Task[None]) -> None:
    error = failure_of(task)
    if error is not None:
        _log.warning("the ASGI application failed as it was given up", exc_info=error)


def _task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    scope = Scope.current_or_none()
    name = "ASGI lifespan"
    return asyncio.create_task(work, name=name) if scope is None else scope.start(work, name)
