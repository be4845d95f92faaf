"""Facts about `mainstay.process.pool_policy`: no process, no clock."""

from __future__ import annotations

import random

import pytest

from mainstay.process.pool_policy import GROWTH, PERMANENT, STEADY, Limits, Respawn, is_hanging
from mainstay.process.settings import ProcessSettings

SETTINGS = ProcessSettings(respawn_floor=1.0, respawn_most=3.0, give_up_after=5)


class TestRespawn:
    def test_a_start_that_fails_is_repeated_with_a_growing_delay(self) -> None:
        """From the floor to the most, and after so many in a row it is given up."""
        respawn = Respawn()
        delays = [respawn.failed(3, SETTINGS).delay for _ in range(5)]
        assert delays == [1.0, GROWTH, GROWTH**2, 3.0, None]
        assert respawn.gave_up

    def test_a_worker_that_is_ready_makes_failures_forgotten(self) -> None:
        """Only failures in a row count."""
        respawn = Respawn()
        for _ in range(4):
            respawn.failed(3, SETTINGS)
        respawn.ready()
        assert respawn.failed(3, SETTINGS).delay == 1.0
        assert not respawn.gave_up

    @pytest.mark.parametrize("code", sorted(PERMANENT))
    def test_what_no_repetition_mends_is_not_repeated(self, code: int) -> None:
        """Unless it has worked before: a deploy in progress looks like that."""
        respawn = Respawn()
        assert respawn.failed(code, SETTINGS).delay is None
        respawn = Respawn()
        respawn.ready()
        assert respawn.failed(code, SETTINGS).delay == 1.0

    def test_who_served_is_followed_at_once(self) -> None:
        """Its peers have its load meanwhile; if the next dies young as well, the delay grows."""
        respawn = Respawn()
        respawn.ready()
        delays = [respawn.died(0.1, float(now), SETTINGS).delay for now in range(5)]
        assert delays == [0.0, 1.0, GROWTH, GROWTH**2, 3.0]

    def test_what_every_other_one_would_find_too_is_tried_once(self) -> None:
        """Unless some have served: then they go on, and it may come back."""
        respawn = Respawn()
        assert respawn.failed(3, SETTINGS, hopeless=True).delay is None
        assert respawn.gave_up
        respawn.ready()
        assert respawn.failed(3, SETTINGS, hopeless=True).delay == 1.0

    def test_who_fails_after_it_was_given_up_has_no_successor(self) -> None:
        """Others were on their way at the same time; until somebody wants it to be tried again."""
        respawn = Respawn()
        assert respawn.failed(3, SETTINGS, hopeless=True).delay is None
        assert respawn.failed(3, SETTINGS).delay is None
        respawn.reset()
        assert respawn.failed(3, SETTINGS).delay == 1.0

    def test_who_die_together_count_once(self) -> None:
        """However many, and each is followed at once; a successor that dies young counts again."""
        respawn = Respawn()
        respawn.ready()
        assert {respawn.died(5.0, 10.0, SETTINGS).delay for _ in range(16)} == {0.0}
        # It began before the others died, and so did not begin in their place.
        assert respawn.died(7.0, 12.0, SETTINGS).delay == 0.0
        assert respawn.died(1.0, 12.0, SETTINGS).delay == 1.0
        assert respawn.died(1.0, 12.0, SETTINGS).delay == 1.0

    def test_the_last_one_does_not_wait_long_for_its_successor(self) -> None:
        """Nobody serves meanwhile: the delay stays at its floor."""
        respawn = Respawn()
        respawn.ready()
        delays = [respawn.died(0.1, float(now), SETTINGS, last=True).delay for now in range(5)]
        assert delays == [0.0, 1.0, 1.0, 1.0, 1.0]

    def test_who_lived_long_is_followed_at_once(self) -> None:
        """However many have died young before."""
        respawn = Respawn()
        respawn.ready()
        for now in range(100):
            assert respawn.died(0.1, float(now), SETTINGS).delay is not None
        assert respawn.died(STEADY, 200.0, SETTINGS).delay == 0.0
        assert respawn.died(0.1, 201.0, SETTINGS).delay == 0.0
        assert respawn.died(0.1, 202.0, SETTINGS).delay == 1.0

    def test_after_giving_up_the_dead_are_not_followed(self) -> None:
        """Until somebody wants it to be tried again."""
        respawn = Respawn()
        respawn.ready()
        for _ in range(5):
            respawn.failed(3, SETTINGS)
        assert respawn.died(1000.0, 1000.0, SETTINGS).delay is None
        respawn.reset()
        assert respawn.died(1000.0, 1000.0, SETTINGS).delay == 0.0

    def test_the_delay_is_bounded_for_ever(self) -> None:
        """A power without a bound would overflow."""
        settings = ProcessSettings(respawn_floor=1.0, respawn_most=3.0, give_up_after=10**6)
        respawn = Respawn()
        assert {respawn.failed(3, settings).delay for _ in range(5000)} <= {
            1.0,
            GROWTH,
            GROWTH**2,
            3.0,
        }


class TestLimits:
    def test_they_differ_from_worker_to_worker(self) -> None:
        """By at most the jitter, and never above the setting."""
        settings = ProcessSettings(requests=1000, memory=10_000_000, jitter=0.2)
        chance = random.Random(1)
        limits = [Limits.of(settings, chance) for _ in range(100)]
        requests = {each.requests for each in limits if each.requests is not None}
        assert len(requests) > 50
        assert min(requests) >= 800
        assert max(requests) <= 1000
        assert all(8_000_000 <= (each.memory or 0) <= 10_000_000 for each in limits)

    def test_without_jitter_they_are_the_setting(self) -> None:
        """And without a setting there are none."""
        settings = ProcessSettings(requests=7, jitter=0.0)
        assert Limits.of(settings, random.Random(1)) == Limits(7, None)

    @pytest.mark.parametrize(
        ("requests", "memory", "told"),
        [
            (9, 99, ""),
            (10, 0, "it has answered 10 calls"),
            (0, 100, "it takes 100 bytes of memory"),
        ],
    )
    def test_the_reason_is_told(self, requests: int, memory: int, told: str) -> None:
        """At the limit, not beyond it."""
        assert Limits(10, 100).exceeded(requests, memory) == told

    def test_no_limit_is_never_exceeded(self) -> None:
        """Whatever the numbers."""
        assert Limits().exceeded(10**12, 10**12) == ""


class TestHanging:
    def test_silence_for_so_long_is_hanging(self) -> None:
        """No sooner."""
        settings = ProcessSettings(hang_timeout=30.0)
        assert not is_hanging(29.9, 0.0, settings)
        assert is_hanging(30.0, 0.0, settings)

    def test_a_late_question_blames_nobody(self) -> None:
        """The supervisor itself was stopped for that long."""
        assert not is_hanging(120.0, 100.0, ProcessSettings(hang_timeout=30.0))

    def test_without_a_timeout_nobody_hangs(self) -> None:
        """As configured."""
        assert not is_hanging(10**6, 0.0, ProcessSettings(hang_timeout=None))
