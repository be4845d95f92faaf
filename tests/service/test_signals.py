"""Facts about `mainstay.service.signals`."""

from signal import SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH

import pytest

from mainstay.service.signals import TOGETHER, Action, SignalPolicy

NOTHING, REPORT, REOPEN, RESTART, STOP, FORCE, KILL = Action


def actions(*signals: tuple[float, int], terminal: bool = False) -> list[Action]:
    """What a fresh policy does about each signal at its time."""
    policy = SignalPolicy(has_terminal=terminal)
    return [policy.receive(number, at) for at, number in signals]


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_stop_then_force_then_kill(number: int) -> None:
    """One, two, three, and every one after it kills as well."""
    assert actions((0, number), (1, number), (2, number), (3, number)) == [STOP, FORCE, KILL, KILL]


def test_a_hang_up_with_a_terminal_means_that_the_user_left() -> None:
    """As TERM does."""
    signals = [(0, SIGHUP), (1, SIGHUP), (2, SIGHUP)]
    assert actions(*signals, terminal=True) == [STOP, FORCE, KILL]


@pytest.mark.parametrize("number", [SIGHUP, SIGUSR2])
def test_a_hang_up_without_a_terminal_restarts(number: int) -> None:
    """However often, until the service stops; it does not count as a wish to stop."""
    signals = [(0, number), (0.1, number), (2, SIGTERM), (3, number), (4, SIGTERM), (5, number)]
    assert actions(*signals) == [RESTART, RESTART, STOP, REPORT, FORCE, REPORT]


def test_usr2_restarts_with_a_terminal_too() -> None:
    """Where a hang-up means that the user left."""
    assert actions((0, SIGUSR2), (1, SIGHUP), terminal=True) == [RESTART, STOP]


def test_usr1_reopens_logs_in_every_state() -> None:
    """A log rotator does not ask how the service is."""
    assert actions((0, SIGUSR1), (1, SIGTERM), (2, SIGUSR1)) == [REOPEN, STOP, REOPEN]


def test_which_signals_are_wishes_to_end() -> None:
    """The others arm no guard."""
    numbers = (SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH)
    for terminal, most in ((False, 3), (True, 4)):
        policy = SignalPolicy(has_terminal=terminal)
        assert [policy.stops(number) for number in numbers] == [True] * most + [False] * (7 - most)


def test_quit_forces_at_once() -> None:
    """While running and while stopping; after it, anything kills."""
    assert actions((0, SIGQUIT), (1, SIGQUIT)) == [FORCE, KILL]
    assert actions((0, SIGTERM), (1, SIGQUIT), (2, SIGTERM)) == [STOP, FORCE, KILL]


def test_signals_together_are_one_wish() -> None:
    """Ctrl-C reaches the whole group, and a parent often forwards a TERM as well."""
    assert actions((0, SIGINT), (0.05, SIGTERM), (TOGETHER - 0.01, SIGINT)) == [
        STOP,
        NOTHING,
        NOTHING,
    ]
    assert actions((0, SIGINT), (TOGETHER, SIGINT)) == [STOP, FORCE]


def test_swallowed_signals_do_not_prolong_the_time() -> None:
    """What counts is the distance to the last signal that was obeyed."""
    assert actions((0, SIGINT), (0.4, SIGINT), (0.6, SIGINT)) == [STOP, NOTHING, FORCE]


def test_quit_is_never_together_with_a_gentler_signal() -> None:
    """Who sends it means it; two of them together are one."""
    assert actions((0, SIGTERM), (0.05, SIGQUIT), (0.1, SIGQUIT), (0.2, SIGTERM)) == [
        STOP,
        FORCE,
        NOTHING,
        NOTHING,
    ]
