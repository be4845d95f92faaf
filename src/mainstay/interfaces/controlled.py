"""What an operator may ask of a service that runs, be it one process or a supervisor with workers.

The control socket (`mainstay.process.control`) and the signals drive the same object, so that both
ways to say a thing do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

__all__ = ["Controlled", "Outcome", "Progress", "RestartKind", "Snapshot", "WorkerSnapshot"]

Progress: TypeAlias = Callable[[str], None]
"""Is told, in a few words, each step that is done: ``started 4711``, ``prepared in 0.4 s``."""

RestartKind: TypeAlias = Literal["restart", "reload", "replace"]
"""What is replaced, and how: ``restart`` the service, a whole new generation at once; ``reload``
the same, one worker after the other; ``replace`` the supervisor as well. Without workers there is
one process, and all three are the same."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a restart has ended.

    Attributes:
        time: seconds since the epoch at which it ended.
        kind: what it was.
        ok: whether the new generation serves; if not, the old one does.
        seconds: that it took.
        reason: why it was refused or rolled back; empty if it was not.
        generation: the number of the generation that serves now.
        pid: of the process that is in charge now.
    """

    time: float
    kind: RestartKind
    ok: bool
    seconds: float
    reason: str = ""
    generation: int = 0
    pid: int = 0


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """A moment of one process that serves.

    Attributes:
        pid: of it.
        index: among its generation, from 0.
        generation: the number of restarts before it.
        state: ``starting``, ``prepared``, ``serving``, ``paused``, ``stopping`` or ``ended``.
        uptime: seconds since it was started.
        in_flight: calls begun and not ended.
        connections: open.
        requests: calls begun since its start.
        memory: bytes resident; 0 where that is not known.
    """

    pid: int
    index: int
    generation: int
    state: str
    uptime: float
    in_flight: int = 0
    connections: int = 0
    requests: int = 0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment of a service that runs.

    Attributes:
        role: a process that serves by itself, or one that has workers do it.
        name: of the service; empty while a supervisor has not heard it yet.
        version: of mainstay in the process that answers.
        target: as it was named on the command line; empty for a program that runs it by itself.
        pid: of the process that answers.
        generation: the number of restarts before.
        started: seconds since the epoch when the first generation started.
        state: ``starting``, ``running``, ``restarting``, ``draining`` (it accepts nothing for now)
            or ``stopping``.
        listeners: addresses, such as ``tcp://127.0.0.1:8000``.
        workers: every process that serves, the one that answers included if it does.
        restarts: the last ones, the newest last; of those that began, since a refused one has
            changed nothing, and only who asked for it need know.
        wanted: workers that there are to be; 0 for a process that serves by itself.
        serving: workers of those that serve.
        trouble: what an operator has to mend, such as a worker that does not start; or empty.
    """

    role: Literal["single", "supervisor"]
    name: str
    version: str
    target: str
    pid: int
    generation: int
    started: float
    state: str
    listeners: list[str] = field(default_factory=list)
    workers: list[WorkerSnapshot] = field(default_factory=list)
    restarts: list[Outcome] = field(default_factory=list)
    trouble: str = ""
    wanted: int = 0
    serving: int = 0


class Controlled(Protocol):
    """A service that runs, from its start on. Called on its event loop."""

    def status(self) -> Snapshot:
        """How it is. It answers in every state, and at once."""

    def stop(self, reason: str, force: bool) -> None:
        """Begin to drain and end; with `force`, cancel what is under way. Repeated: only harder."""

    async def restart(self, kind: RestartKind, progress: Progress) -> Outcome:
        """Replace what runs, and wait until that is confirmed, refused, or rolled back.

        Cancelling the wait does not end the restart. While another one is under way, it is refused,
        and is not among the `Snapshot.restarts`.

        Raises: nothing that an operator can bring about; the outcome says it.
        """

    async def scale(self, workers: int) -> int:
        """Have so many workers, once they serve; how many there were.

        Raises: UsageError where there are no workers, or when it is more than may be; ResourceError
            when they do not start. The number stays then.
        """

    def drain(self, draining: bool) -> None:
        """Accept no connections for now, or again; those there are go on. Idempotent."""

    def reopen_logs(self) -> None:
        """Open log files anew, in every process of it."""
