"""Values of gRPC's fields."""

import pytest

from mainstay.wire.grpc import (
    decode_binary,
    decode_message,
    decode_timeout,
    encode_binary,
    encode_message,
    encode_timeout,
    is_over,
    of_http_status,
)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"1H", 3600.0),
        (b"2M", 120.0),
        (b"3S", 3.0),
        (b"250m", 0.25),
        (b"7u", 7e-6),
        (b"99999999n", 0.099999999),
        (b"0n", 0.0),
    ],
)
def test_a_timeout_is_up_to_eight_digits_and_a_unit(value: bytes, seconds: float) -> None:
    """Hours, minutes, seconds, and the thousandths of those."""
    assert decode_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", [b"", b"1", b"S", b"123456789S", b"-1S", b"1.5S", b"1s", b" 1S", b"1S\n", b"1SS"]
)
def test_what_is_no_timeout_is_told(value: bytes) -> None:
    """And not read in part."""
    assert decode_timeout(value) is None


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.05, 0.5, 1.0, 99.0, 3600.0, 1e6, 3e9])
def test_a_timeout_is_said_as_exactly_as_there_is_room(seconds: float) -> None:
    """Never longer than it is, and at most a millionth shorter, or a nanosecond."""
    value = encode_timeout(seconds)
    read = decode_timeout(value)
    assert read is not None
    assert read <= seconds
    assert seconds - read <= max(seconds * 1e-6, 1.1e-9)
    assert len(value) <= 9


def test_a_timeout_out_of_range_is_the_nearest_that_can_be_said() -> None:
    """What is over is zero; nobody waits eleven thousand years."""
    assert encode_timeout(-3.0) == b"0n"
    assert encode_timeout(1e15) == b"99999999H"


@pytest.mark.parametrize("raw", [b"", b"\0", b"\xff\xfe", b"abc", bytes(range(256))])
def test_binary_values_survive_with_and_without_padding(raw: bytes) -> None:
    """Ours have none, peers may send it."""
    value = encode_binary(raw)
    assert not value.endswith(b"=")
    assert decode_binary(value) == raw
    assert decode_binary(value + b"=" * (-len(value) % 4)) == raw
    assert decode_binary(value.decode()) == raw


@pytest.mark.parametrize("value", [b"a", b"====", b"ab c", b"ab\xff=", b"YQ=Y"])
def test_what_is_no_base64_is_told(value: bytes) -> None:
    """As the peer's fault, by a ValueError."""
    with pytest.raises(ValueError, match="base64"):
        decode_binary(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain, with blanks", b"plain, with blanks"),
        ("100%", b"100%25"),
        ("a\nb\tc", b"a%0Ab%09c"),
        ("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n", None),
        ("", b""),
    ],
)
def test_a_message_survives(text: str, value: bytes | None) -> None:
    """As printable ASCII, percent-encoded where it is none."""
    encoded = encode_message(text)
    assert all(0x20 <= byte < 0x7F for byte in encoded)
    if value is not None:
        assert encoded == value
    assert decode_message(encoded) == text


def test_a_message_that_is_encoded_wrongly_is_shown_nevertheless() -> None:
    """It is for people: half of it is better than nothing."""
    assert decode_message(b"50% of %zz and %ff") == "50% of %zz and �"


@pytest.mark.parametrize(
    ("status", "code"), [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (503, 14), (418, 2)]
)
def test_a_bare_http_status_has_a_code(status: int, code: int) -> None:
    """As the table of the specification says; what is not in it is UNKNOWN."""
    assert of_http_status(status) == code


@pytest.mark.parametrize(
    ("value", "over"),
    [
        (b"0n", True),
        (b"0H", True),
        (b"00000000m", True),
        (b"9999n", True),
        (b"10000n", False),
        (b"00000001m", False),
        (b"1u", False),
        (b"1S", False),
    ],
)
def test_a_timeout_of_nothing_is_over(value: bytes, over: bool) -> None:
    """So is one of less than ten microseconds, in which nothing can be done."""
    assert is_over(value) is over
