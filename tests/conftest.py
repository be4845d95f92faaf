"""Coroutine tests run in virtual time; see `mainstay.testing.plugin`."""

from __future__ import annotations

import gc

import pytest

pytest_plugins = ["mainstay.testing.plugin"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Hide thousands of collected tests from the collector: benches and tests for leaks ask it for
    full runs, again and again, which took half of the suite's time."""
    gc.collect()
    gc.freeze()
