"""What tests with real threads need on a machine that is busy with something else."""

from __future__ import annotations

import pytest

from mainstay.core import threads

PATIENCE = 40.0
"""Seconds that a thread may take to do what it is about to do."""


@pytest.fixture
def patient_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is cancelled waits for its thread for as long as that takes: on a busy machine a thread
    may need longer than `threads.GRACE` to notice."""
    monkeypatch.setattr(threads, "GRACE", PATIENCE)
