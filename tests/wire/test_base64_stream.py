"""Base64 that is padded in the middle, cut anywhere, with envelopes in it."""

from base64 import b64encode

import pytest

from mainstay.wire.base64_stream import TextEnvelopeReader, decode_padded
from mainstay.wire.envelopes import EnvelopeError, seal

MESSAGES = [b"a", b"", b"bc" * 40, b"def"]
TEXT = b"".join(b64encode(seal(each)) for each in MESSAGES)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 64, 1000])
def test_messages_come_out_however_the_text_is_cut(size: int) -> None:
    """Each message was padded for itself, and pieces end within groups of four."""
    reader = TextEnvelopeReader(100)
    found = []
    for start in range(0, len(TEXT), size):
        reader.feed(TEXT[start : start + size])
        while (each := reader.next()) is not None:
            found.append(each[1])
    assert found == MESSAGES
    assert reader.pending == 0


def test_padding_may_stand_anywhere_between_groups() -> None:
    """A writer pads whenever it flushes, also in the middle of a message."""
    assert decode_padded(b"YQ==YmM=ZGVm") == b"abcdef"
    assert decode_padded(b"") == b""


@pytest.mark.parametrize("text", [b"Y=Q=", b"====", b"!!!!", b"YQ= ", b"Y\nQ=", b"=YQ="])
def test_what_is_no_base64_is_refused(text: bytes) -> None:
    """Without skipping over what does not belong there."""
    with pytest.raises(ValueError, match="no base64"):
        decode_padded(text)
    with pytest.raises(EnvelopeError, match="no base64"):
        TextEnvelopeReader(100).feed(text)


def test_a_cut_group_is_pending() -> None:
    """So a stream that ends there ends in the middle of a message."""
    reader = TextEnvelopeReader(100)
    reader.feed(b64encode(seal(b"a")) + b"AA")
    assert reader.next() == (0, b"a")
    assert reader.pending == 2


def test_a_long_message_is_refused_by_its_size_in_bytes() -> None:
    """The limit is that of the message, not of its text."""
    reader = TextEnvelopeReader(8)
    reader.feed(b64encode(seal(b"x" * 8)))
    assert reader.next() == (0, b"x" * 8)
    reader.feed(b64encode(seal(b"x" * 9)))
    with pytest.raises(EnvelopeError) as failure:
        reader.next()
    assert failure.value.oversize
