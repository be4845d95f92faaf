"""Messages in a stream of bytes."""

import random

import pytest

from mainstay.wire.envelopes import (
    COMPRESSED,
    END_STREAM,
    PREFIX,
    TRAILERS,
    EnvelopeError,
    EnvelopeReader,
    seal,
)


def test_a_message_has_its_flags_and_length_before_it() -> None:
    """One byte and four, the highest first."""
    assert seal(b"abc") == b"\x00\x00\x00\x00\x03abc"
    assert seal(b"", COMPRESSED) == b"\x01\x00\x00\x00\x00"
    assert len(seal(bytes(70_000))) == 70_000 + PREFIX


def test_messages_come_out_as_they_went_in_however_they_are_cut() -> None:
    """Byte by byte, all at once, and at random."""
    made = random.Random(5)
    messages = [made.randbytes(made.choice((0, 1, 5, 100, 5000))) for _ in range(60)]
    data = b"".join(seal(each, made.randrange(2)) for each in messages)
    for longest in (1, 7, 300, len(data)):
        reader = EnvelopeReader(5000)
        got = []
        at = 0
        while at < len(data):
            size = made.randint(1, longest)
            reader.feed(data[at : at + size])
            at += size
            while (found := reader.next()) is not None:
                got.append(found[1])
        assert got == messages
        assert reader.pending == 0


def test_a_message_is_bytes_whatever_it_was_gathered_in() -> None:
    """Decoders take nothing else."""
    reader = EnvelopeReader(100)
    for part in (b"\0\0\0", b"\0\5ab", b"cde"):
        reader.feed(part)
    found = reader.next()
    assert found == (0, b"abcde")
    assert type(found[1]) is bytes


def test_a_message_that_is_too_long_is_refused_by_its_length() -> None:
    """Before a byte of it has arrived."""
    reader = EnvelopeReader(10)
    reader.feed(seal(bytes(10)) + b"\0\0\0\0\x0b")
    assert reader.next() == (0, bytes(10))
    with pytest.raises(EnvelopeError, match="11 bytes is longer than the 10") as caught:
        reader.next()
    assert caught.value.oversize


@pytest.mark.parametrize("flags", [0x02, 0x80, 0xFF])
def test_flags_that_mean_nothing_are_refused(flags: int) -> None:
    """They are those of another protocol, or no envelope at all."""
    reader = EnvelopeReader(10)
    reader.feed(seal(b"", flags))
    with pytest.raises(EnvelopeError, match="mean nothing here") as caught:
        reader.next()
    assert not caught.value.oversize


def test_a_protocol_may_have_flags_of_its_own() -> None:
    """Connect's end of stream, gRPC-Web's trailers."""
    reader = EnvelopeReader(10, COMPRESSED | END_STREAM | TRAILERS)
    reader.feed(seal(b"a", END_STREAM) + seal(b"b", TRAILERS | COMPRESSED))
    assert [reader.next(), reader.next()] == [(2, b"a"), (0x81, b"b")]


def test_what_is_cut_is_pending() -> None:
    """At the end of the stream, that is how a cut message shows."""
    reader = EnvelopeReader(10)
    reader.feed(b"\0\0")
    assert (reader.next(), reader.pending) == (None, 2)
    reader.feed(b"\0\0\2a")
    assert (reader.next(), reader.pending) == (None, 6)
    reader.feed(b"b")
    assert (reader.next(), reader.pending) == ((0, b"ab"), 0)
