"""Another supervisor in the place of this one.

It is started as a child of this one, asks it for the sockets, and brings its own workers. It serves
once all of those are prepared; then the workers here stand by, and for ``probation`` seconds they
take over again should it fail.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mainstay.interfaces.controlled import Progress, RestartKind
from mainstay.process.generations import Generations
from mainstay.process.handover import Event, probation
from mainstay.process.launch import SIZE, Launch
from mainstay.process.messages import Listen, Listener, Welcome
from mainstay.process.offspring import ChildFailed, Offspring
from mainstay.process.sockets import Sockets

__all__ = ["Replacement"]

_WISHES: Final[Mapping[RestartKind, signal.Signals]] = {
    "restart": signal.SIGHUP,
    "reload": signal.SIGHUP,
    "replace": signal.SIGUSR2,
}
"""How a wish is passed on to the supervisor that follows, which hears a hang-up as this one does:
with a terminal there is no wish to restart, but one to stop."""


class Replacement:
    """See the top of the file. Use it on one loop; what is said to it reaches the other supervisor,
    once that has been started.

    Args:
        own: how this process was started.
        generations: the workers here.
        sockets: that the other one gets.

    Attributes:
        asked: the addresses that the other one has asked for.
        successor: the other one, once it has taken over for good.
    """

    def __init__(self, own: Launch, generations: Generations, sockets: Sockets) -> None:
        self.asked: set[str] = set()
        self.successor: Offspring | None = None
        self._own = own
        self._generations = generations
        self._sockets = sockets
        self._child: Offspring | None = None

    async def run(self, progress: Progress) -> Offspring:
        """Start the other one, and see it through its probation; hold the turn of `generations`.

        It may have been asked to stop meanwhile (`Offspring.leaving`), which is meant for the
        service.

        Returns it when it has taken over for good.

        Raises: ChildFailed, when this one goes on.
        """
        generations = self._generations
        pool = generations.current
        assert pool is not None
        settings = pool.settings
        self.asked.clear()
        beat, started = settings.heartbeat, generations.started
        welcome = Welcome(0, "successor", generations.number + 1, 0, beat, started)
        own = replace(self._own, environ={**self._own.environ, SIZE: str(pool.size)})
        child = self._child = Offspring(own, welcome, self._answer)
        progress("starting another supervisor")
        try:
            child.start()
            await child.wait_prepared(settings.child_timeout, settings.child_timeout_most)
            progress(f"process {child.pid} is prepared; committing")
            child.commit()
            if generations.draining:
                child.pause()
            await child.wait_serving(settings.commit_timeout + 1.0)
            generations.stand_by()
            progress(f"process {child.pid} serves; standing by for {settings.probation:g} s")
            event, reason = await probation(child, settings)
            if event is Event.FAILED:
                raise ChildFailed(f"rolled back: {reason}")
        except BaseException as error:
            generations.resume()
            await child.end(str(error) or "given up", settings.kill_grace + pool.shutdown_timeout)
            self._child = None
            raise
        generations.number += 1
        self.successor = child
        return child

    async def _answer(self, question: Listen) -> tuple[Listener, list[int]]:
        self.asked.add(question.address)
        return await self._sockets.answer(question)

    def drain(self, draining: bool) -> None:
        """Let its workers accept nothing for now, or accept again."""
        if self._child is not None:
            (self._child.pause if draining else self._child.resume)()

    def reopen(self) -> None:
        """Let it open its logs anew."""
        if self._child is not None:
            self._child.reopen()

    def signal(self, number: int) -> None:
        """Send it a signal, as long as it has not taken over for good."""
        if self._child is not None and self.successor is None:
            self._child.kill(number)

    def wish(self, kind: RestartKind) -> None:
        """Have it replace something, when it can."""
        if self.successor is not None:
            self.successor.kill(_WISHES[kind])

    def leave(self) -> None:
        """Let go of it, if it has taken over for good: it goes on by itself."""
        if self.successor is not None:
            self.successor.leave()
