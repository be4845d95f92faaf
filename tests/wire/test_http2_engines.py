"""The choice of an engine."""

import sys

import pytest

from mainstay.wire.http2 import Http2Settings
from mainstay.wire.http2_engines import http2_engine
from mainstay.wire.http2_httpunk import HttpunkEngine
from mainstay.wire.http2_reference import ReferenceEngine


def test_the_fast_engine_is_chosen() -> None:
    """Where it is installed."""
    assert isinstance(http2_engine(client=False, settings=Http2Settings()), HttpunkEngine)


def test_the_reference_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where httpunk has no wheel."""
    monkeypatch.setitem(sys.modules, "mainstay.wire.http2_httpunk", None)
    assert isinstance(http2_engine(client=True, settings=Http2Settings()), ReferenceEngine)
