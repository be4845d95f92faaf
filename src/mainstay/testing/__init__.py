"""What services, and mainstay itself, are tested with.

`run` runs a coroutine on a `VirtualLoop`, where time is virtual and a deadlock is an error, in a
root scope with `virtual_effects`. `mainstay.testing.contracts` holds the suites that adapters of
the plug points have to pass.
"""

from mainstay.testing.clock import VirtualClock, VirtualLoop
from mainstay.testing.effects import virtual_effects
from mainstay.testing.process import FakeProcess, ProcessExited
from mainstay.testing.running import run

__all__ = [
    "FakeProcess",
    "ProcessExited",
    "VirtualClock",
    "VirtualLoop",
    "run",
    "virtual_effects",
]
