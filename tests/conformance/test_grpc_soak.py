"""A short soak; ``scripts/soak-grpc`` runs the long one."""

import pytest

from tests.conformance.grpc_soak import LOAD, soak


@pytest.mark.skipif(not LOAD.exists(), reason="scripts/conformance-grpc builds the load, with Go")
def test_nothing_stays_behind_of_calls_that_end_early() -> None:
    """No task, no descriptor, no object and no memory, of some hundred calls, or thousands where nobody else works; and all ended as
    their caller wanted."""
    found = soak(8.0)
    assert list(found.faults()) == []
    assert sum(sum(codes.values()) for codes in found.ended.values()) > 100
