"""The world of a test as one record."""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType

from mainstay.core.effects import Effects, Process
from mainstay.testing.clock import VirtualClock, VirtualLoop
from mainstay.testing.process import FakeProcess

__all__ = ["virtual_effects"]

_EMPTY: Mapping[str, str] = MappingProxyType({})


def virtual_effects(
    loop: VirtualLoop,
    *,
    seed: int = 0,
    environ: Mapping[str, str] = _EMPTY,
    process: Process | None = None,
) -> Effects:
    """Effects without surprises: virtual time, seeded randomness, no environment, no signals.

    Args:
        loop: the loop that the code under test runs on.
        seed: of `Effects.random`, so that a run repeats.
        environ: the environment variables.
        process: replaces the `FakeProcess`, to be kept and signalled by the test.
    """
    return Effects(
        clock=VirtualClock(loop),
        random=random.Random(seed),  # noqa: S311 - jitter, not secrets
        process=FakeProcess() if process is None else process,
        environ=environ,
    )
