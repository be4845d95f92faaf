"""Metadata of clients."""

import pytest

from mainstay.errors import UsageError
from mainstay.rpc.client.pairs import pairs_of, to_fields


def test_what_came() -> None:
    """Text is text, ``-bin`` is bytes, joined values are several, the protocol's own are left
    out, and so is what is no base64."""
    fields = [
        (b"content-type", b"application/grpc"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"y-bin", b"AAE=,Ag"),
        (b"z-bin", b"?"),
        (b"grpc-status", b"0"),
    ]
    assert pairs_of(fields) == (("x-a", "1"), ("x-a", "2"), ("y-bin", b"\0\1"), ("y-bin", b"\2"))


def test_what_goes() -> None:
    """From a mapping or from pairs."""
    expected = [(b"x-a", b"1"), (b"y-bin", b"AAE")]
    mapping: dict[str, str | bytes] = {"X-A": "1", "y-bin": b"\0\1"}
    assert to_fields(mapping) == expected
    assert to_fields([("x-a", "1"), ("y-bin", b"\0\1")]) == expected


def test_what_cannot_go() -> None:
    """Text that is not ASCII, and names of the protocol."""
    for pairs in ({"a": "é"}, {"grpc-status": "0"}, {"te": "x"}):
        with pytest.raises(UsageError):
            to_fields(pairs)
