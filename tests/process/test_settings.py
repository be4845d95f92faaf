"""The settings of a service as processes: what follows from them."""

from __future__ import annotations

import pytest

from mainstay.process.settings import ProcessSettings
from mainstay.service.phases import Phase, Plan


@pytest.mark.parametrize("drain", [0.01, 1.0, 4.0, 16.0, 17.0, 60.0, 3600.0])
def test_a_generation_that_is_succeeded_drains_as_long_as_its_setting_says(drain: float) -> None:
    """Cancelling, closing and flushing come on top of `drain_timeout`."""
    whole = ProcessSettings(drain_timeout=drain).handover_timeout
    assert Plan.graceful(whole, 0).ends[Phase.DRAIN] == pytest.approx(drain)
