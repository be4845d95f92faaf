"""Whether a process may open enough files, told before anything fails for it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from mainstay.errors import ResourceError
from mainstay.process.descriptors import FEWEST, check_descriptors


def test_what_is_open_counts() -> None:
    """It is the descriptors that are free which a service needs."""
    with Path(os.devnull).open("rb"):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        used = len(list(Path("/proc/self/fd").iterdir())) - 1
        check_descriptors(limit - used)
        with pytest.raises(ResourceError, match=f"may have {limit} open files, and has {used}; a"):
            check_descriptors(limit - used + 1)
    check_descriptors(limit - used + 1)


def test_a_service_needs_few() -> None:
    """What is asked for unless said otherwise is less than any usual limit leaves."""
    assert FEWEST < 64
    check_descriptors()
