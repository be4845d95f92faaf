"""Facts about `mainstay.testing.effects`."""

from __future__ import annotations

from mainstay.testing import FakeProcess, VirtualLoop, virtual_effects


def test_nothing_of_the_machine_shows() -> None:
    """Time starts at 0, the environment is empty, the process is fake, randomness repeats."""
    loop = VirtualLoop()
    try:
        effects, again = virtual_effects(loop), virtual_effects(loop)
        assert effects.clock.monotonic() == 0
        assert not effects.environ
        assert isinstance(effects.process, FakeProcess)
        assert effects.random.random() == again.random.random()
    finally:
        loop.close()
