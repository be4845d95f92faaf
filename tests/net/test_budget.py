"""How much time a caller gives, as a field."""

import pytest

from mainstay.core.metadata import Metadata
from mainstay.net.budget import REQUEST_TIMEOUT, budget_of, say_budget


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("x-request-timeout", "2.5", 2.5),
        ("x-request-timeout", "0", 0.0),
        ("x-request-timeout", "1e3", None),
        ("x-request-timeout", "-1", None),
        ("x-request-timeout", "nan", None),
        ("x-request-timeout", "1" * 10, None),
        ("x-request-timeout", "", None),
        ("x-envoy-expected-rq-timeout-ms", "1500", 1.5),
        ("x-envoy-expected-rq-timeout-ms", "1.5", None),
        ("x-other", "3", None),
    ],
)
def test_seconds_are_read(name: str, value: str, seconds: float | None) -> None:
    """Plain decimals only; what cannot be understood is no limit, and no error either."""
    assert budget_of(Metadata([(name, value)])) == seconds


def test_ours_wins_over_envoys() -> None:
    """A proxy may add its own behind our back."""
    both = [("x-envoy-expected-rq-timeout-ms", "9000"), (REQUEST_TIMEOUT, "1")]
    assert budget_of(Metadata(both)) == 1.0


def test_what_is_said_is_understood() -> None:
    """To the millisecond, and never below zero."""
    assert budget_of(Metadata([(REQUEST_TIMEOUT, say_budget(1.23456))])) == 1.235
    assert say_budget(-4.0) == "0.000"
