"""When a supervisor replaces something, and what has become of it.

One thing at a time, and never three generations: while something is replaced, or the supervisor
before has not left, a restart is refused. Signals have nobody to tell that to, so what they want is
remembered, and done when it can be, here or by the supervisor that follows.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from mainstay.errors import ResourceError
from mainstay.interfaces.controlled import Outcome, Progress, RestartKind
from mainstay.process.generations import Generations
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.offspring import ChildFailed
from mainstay.process.replacement import Replacement

__all__ = ["Restarts"]

_log = logging.getLogger("mainstay.process.supervisor")

_HISTORY: Final = 20


class Restarts:
    """See the top of the file. Use it on one loop.

    Args:
        generations: the workers, which it replaces.
        replacement: the supervisor that follows, if there is one.
        replace: has another supervisor take over. Raises: ChildFailed, when this one goes on.
        notifier: tells whoever hosts this process of a restart.
        obstacle: why none can begin, whether or not one is under way; empty if one can.
        text: how things are, for people.

    Attributes:
        outcomes: of the last ones, the newest last.
        wished: what is to follow the one that is under way, if anything.
    """

    def __init__(
        self,
        generations: Generations,
        replacement: Replacement,
        replace: Callable[[Progress], Awaitable[None]],
        notifier: HostNotifier,
        *,
        obstacle: Callable[[], str],
        text: Callable[[], str],
    ) -> None:
        self.outcomes: deque[Outcome] = deque(maxlen=_HISTORY)
        self.wished: RestartKind | None = None
        self._generations = generations
        self._replacement = replacement
        self._steps: Mapping[RestartKind, Callable[[Progress], Awaitable[None]]] = {
            "restart": generations.restart,
            "reload": generations.reload,
            "replace": replace,
        }
        self._notifier = notifier
        self._obstacle = obstacle
        self._text = text
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Outcome] | None = None
        self._given_up = ""

    @property
    def under_way(self) -> bool:
        """Whether something is being replaced."""
        return self._task is not None

    async def run(self, kind: RestartKind, progress: Progress) -> Outcome:
        """See `Controlled.restart`."""
        refusal = self._refusal()
        if refusal:
            return self._outcome(kind, 0.0, f"refused: {refusal}")
        return await asyncio.shield(self._begin(kind, progress))

    def wish(self, kind: RestartKind, why: str) -> None:
        """Replace something, as soon as nothing is in the way of it; nobody waits for it."""
        if self._replacement.successor is not None:
            self._replacement.wish(kind)
            return
        refusal = self._refusal()
        if self._generations.ending:
            _log.warning("%s: no %s, because %s", why, kind, refusal)
            return
        if refusal:
            _log.info("%s: %s; a %s follows", why, refusal, kind)
            if self.wished is None or kind == "replace":
                self.wished = kind  # it renews the workers as well
            return
        _log.info("%s: %s", why, kind)
        self._begin(kind, _log.info)

    def try_again(self) -> None:
        """Do what was wished for, if nothing is in the way of it any more."""
        if self.wished is not None and not self._refusal():
            kind, self.wished = self.wished, None
            self.wish(kind, "as asked for meanwhile")

    async def give_up(self, reason: str) -> None:
        """Take back what is under way, as the supervisor ends."""
        self._given_up = reason
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _refusal(self) -> str:
        """Why nothing can be replaced now; empty if it can."""
        return self._obstacle() or ("a restart is under way" if self.under_way else "")

    def _begin(self, kind: RestartKind, progress: Progress) -> asyncio.Task[Outcome]:
        # Under way at once: what is wished in the same moment has to see it.
        task = self._task = self._loop.create_task(self._run(kind, progress), name=kind)
        task.add_done_callback(self._ended)
        return task

    async def _run(self, kind: RestartKind, progress: Progress) -> Outcome:
        began = self._loop.time()
        number = self._generations.number
        reason = ""
        self._notifier.reloading(f"{kind}, generation {number} serves meanwhile")
        try:
            async with self._generations.turn:
                await self._steps[kind](progress)
        except (ChildFailed, ResourceError) as error:
            reason = str(error)
            _log.error("the %s failed, and generation %d goes on: %s", kind, number, error)
        except asyncio.CancelledError:
            reason = f"given up: {self._given_up or 'the supervisor stops'}"
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            _log.critical("the %s failed", kind, exc_info=error)
        outcome = self._outcome(kind, self._loop.time() - began, reason)
        self.outcomes.append(outcome)
        if self._replacement.successor is not None:
            self._replacement.successor.confirm(self.outcomes)
        elif not self._generations.ending:
            failed = f"the {kind} failed, and generation {number} goes on: {reason}"
            self._notifier.reloaded(failed if reason else self._text())
        return outcome

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        self._task = None
        self.try_again()

    def _outcome(self, kind: RestartKind, seconds: float, reason: str) -> Outcome:
        successor = self._replacement.successor
        pid = os.getpid() if successor is None else successor.pid
        number = self._generations.number
        return Outcome(time.time(), kind, not reason, seconds, reason, number, pid)

    def __repr__(self) -> str:
        return f"<Restarts outcomes={len(self.outcomes)} under_way={self.under_way}>"
