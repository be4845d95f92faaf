"""Frames that are written by hand, read by a library."""

import pytest
from hpack import Decoder
from hyperframe.frame import Frame, HeadersFrame, PingFrame, SettingsFrame

from mainstay.wire.http2 import Http2Settings
from mainstay.wire.http2_frames import frame, interim_head, opening, ping_frame


def parse(raw: bytes) -> Frame:
    """The frame, which is all there is."""
    made, size = Frame.parse_frame_header(memoryview(raw)[:9])
    assert len(raw) == 9 + size
    made.parse_body(memoryview(raw)[9:])
    return made


def test_a_frame_has_its_parts() -> None:
    """Length, kind, flags, stream, payload."""
    assert frame(0xAB, 0x05, 7, b"xyz") == b"\x00\x00\x03\xab\x05\x00\x00\x00\x07xyz"


def test_each_role_opens_with_its_settings() -> None:
    """A client refuses pushes; a server bounds streams and may offer extended CONNECT."""
    settings = Http2Settings(streams=9, extended_connect=False)
    client, server = parse(opening(True, settings)), parse(opening(False, settings))
    assert isinstance(client, SettingsFrame)
    assert isinstance(server, SettingsFrame)
    assert client.settings == {2: 0, 4: 65_536, 5: 16_384, 6: 32_768}
    assert server.settings == {3: 9, 4: 65_536, 5: 16_384, 6: 32_768}


def test_a_ping_has_eight_bytes() -> None:
    """And no flags."""
    made = parse(ping_frame(b"12345678"))
    assert isinstance(made, PingFrame)
    assert made.opaque_data == b"12345678"
    assert not made.flags


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 256, 5000])
def test_an_interim_head_has_values_of_any_length(size: int) -> None:
    """At the edges of the encoding of lengths, and without a change of tables."""
    made = parse(interim_head(5, 103, [(b"link", b"x" * size)]))
    assert isinstance(made, HeadersFrame)
    decoder = Decoder()
    assert decoder.decode(made.data, raw=True) == [(b":status", b"103"), (b"link", b"x" * size)]
    assert len(decoder.header_table.dynamic_entries) == 0


def test_an_interim_head_fits_a_frame() -> None:
    """Or is refused."""
    with pytest.raises(ValueError, match="does not fit"):
        interim_head(1, 103, [(b"link", bytes(16_384))])
