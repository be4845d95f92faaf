import pytest

from mainstay.errors import UsageError
from mainstay.net.client_limits import ClientLimits


def test_defaults_are_bounds() -> None:
    """Everything is bounded unless told otherwise."""
    assert ClientLimits().connections_per_host <= ClientLimits().connections


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_above_zero(value: float) -> None:
    """The field is named."""
    with pytest.raises(UsageError, match=r"ClientLimits\.keep_alive is"):
        ClientLimits(keep_alive=value)
