"""Facts about `mainstay.service.phases`."""

import itertools

import pytest

from mainstay.service.phases import Phase, PhaseReport, Plan, StopReport

TIMEOUTS = (0.01, 0.5, 1.0, 5.0, 10.0, 25.0, 30.0, 300.0, 86_400.0)


def test_the_default_of_25_seconds() -> None:
    """16 s of drain, 2 of cancelling, 5 of closing, 2 of flushing."""
    assert Plan.graceful(25, 0).ends == {
        Phase.UNREADY: 0,
        Phase.DEREGISTER: 5,
        Phase.PROPAGATE: 5,
        Phase.STOP_ACCEPTING: 5.1,
        Phase.DRAIN: 16,
        Phase.CANCEL: 18,
        Phase.CLOSE: 23,
        Phase.FLUSH: 25,
    }


def test_in_kubernetes_the_delay_is_part_of_the_budget() -> None:
    """5 s to deregister, 5 s to let the fleet learn."""
    ends = Plan.graceful(25, 5).ends
    assert (ends[Phase.PROPAGATE], ends[Phase.DRAIN], ends[Phase.FLUSH]) == (10, 16, 25)


@pytest.mark.parametrize("timeout", TIMEOUTS)
@pytest.mark.parametrize("delay", [0.0, 5.0, 1_000.0])
def test_ends_never_decrease_and_the_last_is_the_timeout(timeout: float, delay: float) -> None:
    """Whatever is asked for, closing and flushing keep their time."""
    ends = Plan.graceful(timeout, delay).ends
    assert list(ends) == list(Phase)
    assert all(a <= b for a, b in itertools.pairwise(ends.values()))
    assert ends[Phase.FLUSH] == timeout
    assert ends[Phase.CLOSE] - ends[Phase.CANCEL] == pytest.approx(min(5, 0.2 * timeout))
    assert ends[Phase.FLUSH] - ends[Phase.CLOSE] == pytest.approx(min(2, 0.08 * timeout))
    assert ends[Phase.CANCEL] - ends[Phase.DRAIN] == pytest.approx(min(2, 0.08 * timeout))


@pytest.mark.parametrize("timeout", TIMEOUTS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.7, 0.9, 0.99, 1.0, 1.1])
def test_a_forced_plan_skips_the_drain_and_keeps_the_rest(timeout: float, share: float) -> None:
    """At whatever moment: not later than the plan it replaces, at most 4 s from now, and with
    something for closing and for flushing unless their time is over anyway."""
    elapsed = share * timeout
    plan = Plan.graceful(timeout, 0)
    ends = plan.forced(elapsed).ends
    assert all(a <= b for a, b in itertools.pairwise(ends.values()))
    assert all(ends[phase] <= plan.ends[phase] for phase in Phase)
    assert ends[Phase.DRAIN] <= elapsed
    assert ends[Phase.FLUSH] <= elapsed + 4.001
    if elapsed < plan.ends[Phase.CANCEL]:
        assert (
            ends[Phase.CLOSE] - max(elapsed, ends[Phase.CANCEL]) >= min(1.5, 0.06 * timeout) - 1e-9
        )
    if elapsed < plan.ends[Phase.CLOSE]:
        assert (
            ends[Phase.FLUSH] - max(elapsed, ends[Phase.CLOSE]) >= min(0.5, 0.02 * timeout) - 1e-9
        )


@pytest.mark.parametrize(
    ("cut", "failure", "code"),
    [(False, None, 0), (True, None, 124), (False, ValueError(), 1), (True, ValueError(), 1)],
)
def test_exit_codes(cut: bool, failure: Exception | None, code: int) -> None:
    """0 clean, 124 cut, 1 a component failed, which weighs more."""
    phases = (PhaseReport(Phase.DRAIN, 1.0, in_time=True),)
    assert StopReport("asked to", phases, cut, failure).exit_code == code
