"""The choice of an engine."""

import sys

import pytest

from mainstay.wire.http2 import Http2Settings
from mainstay.wire.http2_engines import http2_engine
from mainstay.wire.http2_httpunk import HttpunkEngine
from mainstay.wire.http2_httpunk_client import HttpunkClient
from mainstay.wire.http2_reference import ReferenceEngine


def test_the_fast_engine_is_chosen() -> None:
    """Where it is installed, for either end."""
    serving = http2_engine(client=False, settings=Http2Settings())
    assert type(serving) is HttpunkEngine
    assert type(http2_engine(client=True, settings=Http2Settings())) is HttpunkClient


@pytest.mark.parametrize("client", [False, True])
def test_the_reference_stands_in(monkeypatch: pytest.MonkeyPatch, client: bool) -> None:
    """Where httpunk has no wheel."""
    monkeypatch.setitem(sys.modules, "mainstay.wire.http2_httpunk", None)
    monkeypatch.setitem(sys.modules, "mainstay.wire.http2_httpunk_client", None)
    assert isinstance(http2_engine(client=client, settings=Http2Settings()), ReferenceEngine)
