"""How a service lives as processes: the ``[mainstay.process]`` table of its configuration."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

__all__ = ["ProcessSettings"]

Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
Delay: TypeAlias = Annotated[float, Meta(ge=0)]


class ProcessSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Restarts, workers, and what they may take. All of it can be changed by a restart.

    Attributes:
        control: path of the control socket, relative to the folder of the start. None: one that
            ``mainstay run`` derives from the target; empty: none.
        child_timeout: seconds without a word of a new process before its start is given up.
        child_timeout_most: seconds for its whole start, whatever it says.
        commit_timeout: seconds between the word to serve and its answer.
        probation: seconds for which the old generation could still take over again, should the new
            one fail after it has begun to serve.
        drain_timeout: seconds that the old generation has to finish its calls and streams.
        kill_grace: seconds between SIGTERM and SIGKILL for a process that has to go.
        heartbeat: seconds between two signs of life of a worker.
        hang_timeout: seconds without one, after which a worker is killed and replaced. None: never.
        respawn_floor, respawn_most: seconds before a worker that died is started again, growing from
            the first to the second while it goes on dying.
        give_up_after: starts in a row that fail, after which the supervisor gives up.
        workers_most: workers that a running service can be scaled to.
        requests: calls after which a worker is replaced. None: never.
        memory: bytes resident at which a worker is replaced. None: never.
        jitter: by how much of it each worker's `requests` and `memory` differ, so that they are not
            replaced at once.
    """

    control: str | None = None
    child_timeout: Seconds = 60.0
    child_timeout_most: Seconds = 600.0
    commit_timeout: Seconds = 5.0
    probation: Delay = 10.0
    drain_timeout: Seconds = 60.0
    kill_grace: Seconds = 5.0
    heartbeat: Seconds = 1.0
    hang_timeout: Seconds | None = 30.0
    respawn_floor: Seconds = 1.0
    respawn_most: Seconds = 30.0
    give_up_after: Annotated[int, Meta(ge=1)] = 5
    workers_most: Annotated[int, Meta(ge=1)] = 256
    requests: Annotated[int, Meta(ge=1)] | None = None
    memory: Annotated[int, Meta(ge=1)] | None = None
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.1

    @property
    def handover_timeout(self) -> float:
        """Seconds for the whole end of the old generation: `drain_timeout`, and what the other
        phases of a shutdown take on top of such a drain (``mainstay.service.phases``)."""
        return self.drain_timeout + min(9.0, self.drain_timeout * 36 / 64)
