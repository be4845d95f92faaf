"""What the package has logged."""

from __future__ import annotations

import logging

import pytest


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The records of its loggers. asyncio's are left out: it tells of what earlier tests have left
    behind when that is collected, which may be now."""
    return [record for record in caplog.records if record.name.startswith("mainstay.")]
