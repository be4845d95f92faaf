"""Facts about hosts of requests."""

from __future__ import annotations

import pytest

from mainstay.wire.authority import HOST


@pytest.mark.parametrize("value", [b"", b"a", b"a.b:80", b"[::1]", b"[::1]:8000", b"a:", b"x_y"])
def test_a_host_and_perhaps_a_port(value: bytes) -> None:
    """Names, addresses, brackets for IPv6; empty where there is none."""
    assert HOST.fullmatch(value)


@pytest.mark.parametrize("value", [b"u@a", b"a b", b"a/b", b"a:b", b"::1", b"a\n", b"[x]", b"\xff"])
def test_anything_else_is_no_host(value: bytes) -> None:
    """No user, no path, no space, nothing that another reader could take for something else."""
    assert not HOST.fullmatch(value)
