"""Bounds of a channel."""

import pytest

from mainstay.errors import UsageError
from mainstay.rpc.client.limits import ChannelLimits


def test_a_bound_is_above_zero() -> None:
    """Or it is named; None is for keepalive only."""
    with pytest.raises(UsageError, match=r"ChannelLimits\.window is 0"):
        ChannelLimits(window=0)
    assert ChannelLimits().keepalive_time is None


def test_connections_get_the_same() -> None:
    """Under their own names."""
    made = ChannelLimits(streams=7, window=99_999, connect_timeout=3).for_connections()
    assert (made.streams, made.read_buffer, made.connect_timeout) == (7, 99_999, 3)
