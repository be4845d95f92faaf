"""How a service ends: the phases, and how much of the time each may take.

One deadline holds for all of it. Each phase has an end, counted from the beginning of the shutdown,
that leaves room for the phases after it: a drain that never finishes cannot starve the resources of
their closing, nor those the logs of their flush. A phase that is done early gives its time to the
next.

==============  ======================  ===========================================================
phase           ends at the latest      what happens
==============  ======================  ===========================================================
unready         at once                 the ready probe fails; work goes on as before
deregister      +20 %, at most 5 s      jobs stop being started; discovery forgets this instance
propagate       + pre_stop_delay        work goes on while the fleet learns
stop accepting  + 0.1 s                 no new connection; handlers and workers are told to finish
drain           64 %, or all but 9 s    calls end, then background work, then workers
cancel          +8 %, at most 2 s       what is left is cancelled, again and again
close           +20 %, at most 5 s      stop hooks, then resources in reverse, each with its share
flush           +8 %, at most 2 s       logs; always last
==============  ======================  ===========================================================

With the default of 25 s that is 16 s of drain, 2 of cancelling, 5 of closing, 2 of flushing. The
order follows what was learned from pods that lose requests during rollouts and from frameworks that
skip hooks once time is up; see docs/decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Phase", "PhaseReport", "Plan", "StopReport"]


class Phase(Enum):
    """One step of the shutdown; the value is its name in logs."""

    UNREADY = "unready"
    DEREGISTER = "deregister"
    PROPAGATE = "propagate"
    STOP_ACCEPTING = "stop accepting"
    DRAIN = "drain"
    CANCEL = "cancel"
    CLOSE = "close"
    FLUSH = "flush"


@dataclass(frozen=True, slots=True)
class Plan:
    """When each phase ends at the latest, in seconds since the shutdown began.

    Attributes:
        timeout: seconds for everything.
        ends: the latest end of each phase; never decreasing in the order of `Phase`.
    """

    timeout: float
    ends: dict[Phase, float]

    @classmethod
    def graceful(cls, timeout: float, pre_stop_delay: float) -> Plan:
        """The plan of an ordinary stop.

        Args:
            timeout: seconds for everything.
            pre_stop_delay: seconds to go on serving; cut to what the drain would have had.
        """
        flush = timeout - min(2.0, 0.08 * timeout)
        close = flush - min(5.0, 0.2 * timeout)
        drain = close - min(2.0, 0.08 * timeout)
        deregister = min(5.0, 0.2 * timeout, drain)
        propagate = min(deregister + pre_stop_delay, drain)
        return cls(
            timeout,
            {
                Phase.UNREADY: 0.0,
                Phase.DEREGISTER: deregister,
                Phase.PROPAGATE: propagate,
                Phase.STOP_ACCEPTING: min(propagate + 0.1, drain),
                Phase.DRAIN: drain,
                Phase.CANCEL: close,
                Phase.CLOSE: flush,
                Phase.FLUSH: timeout,
            },
        )

    def forced(self, elapsed: float) -> Plan:
        """The rest of this plan when somebody asks a second time, `elapsed` seconds into it.

        No drain; what runs is cancelled at once; closing and flushing get 2 s together.
        """
        cancel = elapsed + min(2.0, 0.08 * self.timeout)
        close = cancel + min(1.5, 0.06 * self.timeout)
        flush = close + min(0.5, 0.02 * self.timeout)
        ends = {phase: min(end, elapsed) for phase, end in self.ends.items()}
        ends[Phase.CANCEL] = min(cancel, self.ends[Phase.CANCEL])
        ends[Phase.CLOSE] = min(close, self.ends[Phase.CLOSE])
        ends[Phase.FLUSH] = min(flush, self.ends[Phase.FLUSH])
        return Plan(self.timeout, ends)


@dataclass(frozen=True, slots=True)
class PhaseReport:
    """How one phase went.

    Attributes:
        phase: which.
        seconds: how long it took.
        in_time: whether everything in it was done by its end.
        notes: what was left, or failed, a line each.
    """

    phase: Phase
    seconds: float
    in_time: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StopReport:
    """How the shutdown went.

    Attributes:
        reason: why the service stopped.
        phases: each phase that was entered, in order.
        cut: whether work had to be cancelled or left behind.
        failure: the error of the component whose end ended the service, if that is the reason.
    """

    reason: str
    phases: tuple[PhaseReport, ...]
    cut: bool
    failure: BaseException | None = None

    @property
    def exit_code(self) -> int:
        """0 clean; 1 a component failed; 124 work was cut (as `timeout(1)` reports it)."""
        if self.failure is not None:
            return 1
        return 124 if self.cut else 0
