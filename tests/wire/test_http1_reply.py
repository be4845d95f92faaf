"""Facts about replies as bytes."""

from __future__ import annotations

import pytest

from mainstay.wire.errors import WireError
from mainstay.wire.http1_reply import chunk, fields_block, head_of


def test_a_head_has_status_phrase_and_type() -> None:
    """Made once, and the same from then on."""
    assert head_of(404) == b"HTTP/1.1 404 Not Found\r\n"
    assert head_of(299) == b"HTTP/1.1 299 \r\n"
    assert head_of(200, b"text/plain") == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
    assert head_of(200, b"text/plain") is head_of(200, b"text/plain")


@pytest.mark.parametrize(
    "field",
    [
        (b"a", b"b\r\nset-cookie: c"),
        (b"a", b"b\nc"),
        (b"a", b"\0"),
        (b"a\r\nb", b"c"),
        (b"a", b"\r"),
    ],
)
def test_no_value_ends_its_line(field: tuple[bytes, bytes]) -> None:
    """Header injection is refused, wherever the value came from."""
    with pytest.raises(WireError):
        fields_block([(b"x", b"y"), field])


def test_fields_and_chunks() -> None:
    """A line a field; a size in hexadecimal before a chunk."""
    assert fields_block([(b"a", b"1"), (b"b", b"2")]) == b"a: 1\r\nb: 2\r\n"
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
