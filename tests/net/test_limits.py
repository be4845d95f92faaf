"""The bounds of one server."""

from dataclasses import fields, replace

import pytest

from mainstay.net.limits import Limits


@pytest.mark.parametrize("name", [each.name for each in fields(Limits)])
def test_every_bound_is_above_zero(name: str) -> None:
    """A bound of zero would refuse everybody, and a negative one means nothing."""
    for value in (0, -1):
        with pytest.raises(ValueError, match=f"{name} must be greater than 0"):
            replace(Limits(), **{name: value})
    assert getattr(replace(Limits(), **{name: 1}), name) == 1


def test_the_defaults_bound_what_a_peer_can_take() -> None:
    """Nothing but how many requests a connection has, and how old it grows, is without a bound."""
    unbounded = [each.name for each in fields(Limits) if getattr(Limits(), each.name) is None]
    assert unbounded == ["requests", "connection_age", "age_grace"]
