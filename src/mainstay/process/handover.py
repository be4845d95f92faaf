"""One hot restart of a process, as the generation that leaves sees it.

What follows from what is a table (`TABLE`), and `judge` decides in the probation; neither touches
anything. `Handover` carries out what they say. The rules that keep every connection:

* The successor accepts nothing before it is committed, so that a roll-back loses nothing.
* This generation accepts until the successor serves; then it is paused, and keeps its sockets.
* In the probation the successor can still fail: by its end, by its own word, or by its silence.
  This generation then accepts again before it does anything else. What waits in the queue, waits in
  the kernel meanwhile, and is answered here.
* At the end of the probation it fails as well if something in it fails that it tries again and again
  (`Heartbeat.trouble`): the last try would come when nobody is left to take over.
* A successor that was asked to stop has not failed: the service is to end, and ends here as well.
* Whatever fails, the successor is brought to its end and reaped before the restart is over, so that
  there are never three generations, nor a zombie.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from mainstay.process.messages import Stopping
from mainstay.process.offspring import ChildFailed, Offspring
from mainstay.process.settings import ProcessSettings

__all__ = [
    "SILENCE",
    "TABLE",
    "Act",
    "Event",
    "Handover",
    "HandoverState",
    "Verdict",
    "judge",
    "probation",
]

_log = logging.getLogger(__name__)
T = TypeVar("T")

SILENCE: Final = 5
"""Heartbeats in a row that a successor on probation may miss."""

_PAUSING: Final = 0.05
"""Seconds to wait for a pause before a failure is looked for; handshakes of TLS may take longer."""


class HandoverState(Enum):
    """How far a restart has come; the last three are its ends."""

    SPAWN = "spawn"
    STARTING = "starting"
    PREPARED = "prepared"
    COMMITTED = "committed"
    PROBATION = "probation"
    DONE = "done"
    ROLLED_BACK = "rolled back"
    STOPPED = "stopped"

    @property
    def over(self) -> bool:
        """Whether it is one of the ends."""
        return self in (HandoverState.DONE, HandoverState.ROLLED_BACK, HandoverState.STOPPED)


class Event(Enum):
    """What happens to a restart.

    SETTLED is the end of the probation; LEFT the successor's word that it was asked to stop; FAILED
    is everything that is wrong, the wish to abort included.
    """

    STARTED = "started"
    PREPARED = "prepared"
    AGREED = "agreed"
    SERVING = "serving"
    SETTLED = "settled"
    LEFT = "left"
    FAILED = "failed"


class Act(Enum):
    """What to do then: to the successor (COMMIT, END), or to oneself."""

    COMMIT = "commit"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


_S, _E = HandoverState, Event

TABLE: Final[Mapping[tuple[HandoverState, Event], tuple[HandoverState, tuple[Act, ...]]]] = {
    (_S.SPAWN, _E.STARTED): (_S.STARTING, ()),
    (_S.SPAWN, _E.FAILED): (_S.ROLLED_BACK, (Act.END,)),
    (_S.STARTING, _E.PREPARED): (_S.PREPARED, ()),
    (_S.STARTING, _E.FAILED): (_S.ROLLED_BACK, (Act.END,)),
    (_S.PREPARED, _E.AGREED): (_S.COMMITTED, (Act.COMMIT,)),
    (_S.PREPARED, _E.FAILED): (_S.ROLLED_BACK, (Act.END,)),
    (_S.COMMITTED, _E.SERVING): (_S.PROBATION, (Act.PAUSE,)),
    (_S.COMMITTED, _E.FAILED): (_S.ROLLED_BACK, (Act.END,)),
    (_S.PROBATION, _E.SETTLED): (_S.DONE, ()),
    (_S.PROBATION, _E.LEFT): (_S.STOPPED, ()),
    (_S.PROBATION, _E.FAILED): (_S.ROLLED_BACK, (Act.RESUME, Act.END)),
}
"""The state and what to do, by the state before and what happens. Anything else cannot happen."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a restart has ended.

    Attributes:
        state: one of the last three.
        reason: why it did not succeed; empty if it did.
        seconds: that it took.
        code: the exit code that the successor gave or had, if it did.
    """

    state: HandoverState
    reason: str
    seconds: float
    code: int | None = None


def judge(
    *,
    elapsed: float,
    silent: float,
    settings: ProcessSettings,
    leaving: Stopping | None,
    ended: bool,
    trouble: str = "",
) -> Event | None:
    """What has become of a successor on probation; None: nothing yet.

    Args:
        elapsed: seconds since it serves.
        silent: seconds since its last word.
        settings: of this process.
        leaving: what it said when it began to stop.
        ended: whether its process is gone.
        trouble: what fails in it, as it says.
    """
    if leaving is not None:
        return Event.FAILED if leaving.failed else Event.LEFT
    if ended or silent > SILENCE * settings.heartbeat:
        return Event.FAILED
    if elapsed < settings.probation:
        return None
    return Event.FAILED if trouble else Event.SETTLED


async def probation(child: Offspring, settings: ProcessSettings) -> tuple[Event, str]:
    """Watch a successor that has just begun to serve, until `judge` knows; the event, and why."""
    now = asyncio.get_running_loop().time
    began = now()
    while True:
        child.catch_up()
        silent = now() - child.heard
        event = judge(
            elapsed=now() - began,
            silent=silent,
            settings=settings,
            leaving=child.leaving,
            ended=child.status is not None,
            trouble=child.trouble,
        )
        if event is Event.SETTLED:
            return event, ""
        if event is not None:
            if child.leaving is None and child.status is None:
                if silent <= SILENCE * settings.heartbeat:
                    return event, child.trouble
                return event, f"nothing was heard of process {child.pid} for {silent:.1f} s"
            return event, str(child.failure())
        left = settings.probation - (now() - began)
        began += await child.wait_news(
            max(0.0, min(left, SILENCE * settings.heartbeat - silent)) + 0.01
        )


class _Aborted(Exception):
    """Somebody wants the restart to end."""


class Handover:
    """See the top of the file. Use it once, on one loop.

    Args:
        child: the successor, not started.
        settings: of this process.
        pause: accept nothing for now.
        resume: accept again.
        progress: told of each step, in a few words.

    Attributes:
        state: how far it has come.
    """

    def __init__(
        self,
        child: Offspring,
        settings: ProcessSettings,
        *,
        pause: Callable[[], Coroutine[object, object, None]],
        resume: Callable[[], None],
        progress: Callable[[str], None],
    ) -> None:
        self.state = HandoverState.SPAWN
        self.child = child
        self._settings = settings
        self._pause = pause
        self._resume = resume
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self._aborting: asyncio.Future[str] = self._loop.create_future()
        self._pausing: asyncio.Task[None] | None = None
        self._grace = settings.kill_grace

    def abort(self, reason: str, grace: float | None = None) -> None:
        """End it, as if the successor had failed. Idempotent, and nothing once it is over.

        Args:
            reason: for the outcome.
            grace: seconds for the successor to end, in the place of ``kill_grace``; it may serve.
        """
        if not self._aborting.done():
            self._grace = self._grace if grace is None else grace
            self._aborting.set_result(reason)

    async def run(self) -> Verdict:
        """Go through it. Cancelled: the successor is killed."""
        began = self._loop.time()
        reason = ""
        try:
            event, reason = await self._succeed(began)
        except ChildFailed as error:
            event, reason = Event.FAILED, str(error)
        except _Aborted as error:
            event, reason = Event.FAILED, str(error)
        except BaseException:
            self.child.kill()
            raise
        if self._aborting.done() and event is not Event.FAILED:
            event, reason = Event.FAILED, self._aborting.result()
        await self._enter(event, reason)
        if self._pausing is not None and not self._pausing.done():
            # It waits for handshakes that nobody has to wait for any more.
            self._pausing.cancel()
            await asyncio.wait([self._pausing])
        seconds = self._loop.time() - began
        if self.state is HandoverState.ROLLED_BACK:
            self._progress(f"rolled back: {reason}")
        elif self.state is HandoverState.STOPPED:
            self._progress(f"stopping as well: {reason}")
        else:
            self._progress(f"confirmed after {seconds:.1f} s")
        return Verdict(self.state, reason, seconds, self.child.exit_code)

    async def _succeed(self, began: float) -> tuple[Event, str]:
        """All of it, until the last event and its reason. Raises: ChildFailed, _Aborted."""
        child, settings = self.child, self._settings
        if self._aborting.done():
            raise _Aborted(self._aborting.result())
        child.start()
        await self._enter(Event.STARTED)
        self._progress(f"started process {child.pid}")
        await self._unless_aborted(
            child.wait_prepared(settings.child_timeout, settings.child_timeout_most)
        )
        await self._enter(Event.PREPARED)
        self._progress(f"prepared in {self._loop.time() - began:.1f} s")
        await self._enter(Event.AGREED)
        await self._unless_aborted(child.wait_serving(settings.commit_timeout))
        await self._enter(Event.SERVING)
        self._progress(f"serving on {', '.join(child.addresses) or 'no address'}")
        return await self._unless_aborted(probation(child, settings))

    async def _unless_aborted(self, waiting: Awaitable[T]) -> T:
        """The result of `waiting`. Raises: _Aborted."""
        task = asyncio.ensure_future(waiting)
        try:
            either: list[asyncio.Future[Any]] = [task, self._aborting]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._aborting.done():
                raise _Aborted(self._aborting.result())
            return task.result()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, ChildFailed):
                await task

    async def _enter(self, event: Event, reason: str = "") -> None:
        if self._aborting.done() and event is not Event.FAILED:
            raise _Aborted(self._aborting.result())
        state, acts = TABLE[self.state, event]
        _log.debug("restart: %s, %s → %s", event.value, self.state.value, state.value)
        self.state = state
        for act in acts:
            await self._do(act, reason)

    async def _do(self, act: Act, reason: str) -> None:
        if act is Act.COMMIT:
            self.child.commit()
        elif act is Act.PAUSE:
            # Not waited for to its end: a failure must be seen meanwhile. By the time that is
            # waited for, every listener has stopped, so that `resume` finds it so.
            self._pausing = self._loop.create_task(self._pause(), name="pause")
            await asyncio.wait([self._pausing], timeout=_PAUSING)
        elif act is Act.RESUME:
            self._resume()
        else:
            await self.child.end(reason, self._grace)
