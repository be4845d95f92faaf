"""Facts about `examples.im.gateway.rate`."""

from __future__ import annotations

import pytest

from examples.im.gateway.rate import Rate


def test_a_burst_passes_and_then_one_at_a_time() -> None:
    """Three at once, then one each half second; who waits as told is let through."""
    rate = Rate(per_second=2, burst=3)
    assert [rate.take(100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    assert rate.take(100.4) == pytest.approx(0.1)
    assert rate.take(100.5) == 0
    assert rate.take(100.5) == pytest.approx(0.5)


def test_a_rest_fills_the_bucket_and_no_more() -> None:
    """After an hour it is a burst again, not an hour's worth."""
    rate = Rate(per_second=2, burst=3)
    for _ in range(3):
        rate.take(0.0)
    assert [rate.take(3600.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_who_reserves_waits_for_a_token_of_their_own() -> None:
    """Tokens that are not there yet are given out in turn, each at its time."""
    rate = Rate(2.0, 3)
    assert [rate.reserve(10.0) for _ in range(5)] == pytest.approx([0.0, 0.0, 0.0, 0.5, 1.0])
    assert rate.take(10.0) > 1.0
