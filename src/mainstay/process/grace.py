"""Whether whoever ends the service waits long enough for it to end by itself."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["MARGIN", "grace_problem", "grace_needed"]

MARGIN: Final = 2.0
"""Seconds after the shutdown's own budget at which the process ends whatever happens."""


def grace_needed(timeout: float) -> int:
    """Seconds between SIGTERM and SIGKILL that a service needs.

    Args:
        timeout: its ``shutdown.timeout``, which its pre-stop delay is a part of.
    """
    return math.ceil(timeout + MARGIN)


def grace_problem(timeout: float, grace: float | None) -> str:
    """What is wrong with a grace period, for the operator; empty if nothing is, or it is unknown.

    Args:
        timeout: see `grace_needed`.
        grace: seconds between SIGTERM and SIGKILL; None if nobody says.
    """
    if grace is None or grace >= timeout + MARGIN:
        return ""
    most = grace - MARGIN
    advice = f"give it {grace_needed(timeout)} s"
    if most > 0:
        advice += f", or set mainstay.shutdown.timeout to {most:g} at most"
    return (
        f"a grace period of {grace:g} s cannot hold a shutdown of {timeout:g} s and {MARGIN:g} s "
        f"more: calls under way would be killed; {advice}"
    )
