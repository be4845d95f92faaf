"""Facts about the time that others leave a service to end."""

from __future__ import annotations

import pytest

from mainstay.process.grace import grace_needed, grace_problem


@pytest.mark.parametrize(("timeout", "grace"), [(25.0, None), (25.0, 27.0), (25.0, 90.0)])
def test_enough_is_enough(timeout: float, grace: float | None) -> None:
    """Also when nobody knows how much there is."""
    assert grace_problem(timeout, grace) == ""


def test_too_little_is_said_with_both_ways_out() -> None:
    """More of it, or a shorter shutdown."""
    said = grace_problem(25.0, 20.0)
    assert said.startswith("a grace period of 20 s cannot hold a shutdown of 25 s and 2 s more")
    assert said.endswith("give it 27 s, or set mainstay.shutdown.timeout to 18 at most")
    assert grace_problem(25.0, 1.5).endswith("; give it 27 s")
    assert grace_needed(24.5) == 27
