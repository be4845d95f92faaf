"""Facts about `mainstay.service.garbage`, and about who uses it."""

import gc
from collections.abc import Iterator

import pytest

from mainstay import Effects, Running, Service, Settings
from mainstay.service.garbage import rarely_collected
from mainstay.service.hosting import host
from mainstay.testing import FakeProcess


@pytest.fixture(autouse=True)
def ordinary() -> Iterator[None]:
    """Whatever a test does, the next one finds the interpreter's settings."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def seen_in_a_process_of_its_own(*flags: str) -> tuple[int, int]:
    """The youngest generation's threshold and the objects left alone, while a service runs."""
    seen: list[tuple[int, int]] = []
    service = Service("s")

    @service.every(0.001)
    async def look(life: Running) -> None:
        seen.append((gc.get_threshold()[0], gc.get_freeze_count()))
        if len(seen) == 3:  # the first one may come while the start is not quite over
            life.stop("a test ends it")

    effects = Effects(process=FakeProcess(), environ={})
    assert host(service.declaration, files=[], flags=flags, effects=effects) == 0
    return seen[-1]


def test_a_process_of_its_own_collects_rarely() -> None:
    """And not at all what was there after the start; afterwards everything is as before."""
    before = gc.get_threshold()
    threshold, frozen = seen_in_a_process_of_its_own("mainstay.gc_threshold=12345")
    assert threshold == 12345
    assert frozen > 1000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_0_leaves_the_interpreters_settings() -> None:
    """For who knows better."""
    before = gc.get_threshold()
    assert seen_in_a_process_of_its_own("mainstay.gc_threshold=0") == (before[0], 0)


async def test_a_service_inside_somebodys_program_does_not_touch_them() -> None:
    """The process is not the service's."""
    before = gc.get_threshold()
    async with Service("s").running(settings=Settings(gc_threshold=12345)):
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() == 0


def test_it_ends_with_an_error_as_well() -> None:
    """A service that fails leaves nothing behind."""
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="it fails"), rarely_collected(9000):
        assert gc.get_threshold() == (9000, *before[1:])
        raise ValueError("it fails")
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
