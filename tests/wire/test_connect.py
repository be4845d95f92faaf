"""Values of Connect's fields, parameters and error bodies."""

import pytest

from mainstay.errors import Code
from mainstay.wire.connect import (
    CODES,
    STATUSES,
    decode_parameter,
    decode_timeout,
    end_of_stream,
    grouped,
    parameters,
)


def test_every_code_has_a_name_and_a_status() -> None:
    """Those of the protocol's table of codes."""
    assert CODES.keys() == STATUSES.keys() == {code.value for code in Code}
    assert (CODES[Code.CANCELLED.value], STATUSES[Code.CANCELLED.value]) == ("canceled", 499)
    assert STATUSES[Code.RESOURCE_EXHAUSTED.value] == 429
    assert all(name == name.lower() for name in CODES.values())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"0", 0.0), (b"1500", 1.5), (b"9999999999", 9999999.999)],
)
def test_a_timeout_is_milliseconds(value: bytes, seconds: float) -> None:
    """Up to ten digits."""
    assert decode_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"1s", b"12345678901", b" 1", b"1\n"])
def test_other_timeouts_mean_nothing(value: bytes) -> None:
    """They are refused, not guessed."""
    assert decode_timeout(value) is None


def test_parameters_are_bytes_and_the_first_of_a_name_counts() -> None:
    """A message need not be text, and a plus is a space in a query."""
    found = parameters(b"message=%00%ff+x&encoding=json&encoding=proto&empty=&bare")
    assert found == {
        "message": b"\x00\xff x",
        "encoding": b"json",
        "empty": b"",
        "bare": b"",
    }


def test_a_query_of_many_parts_is_refused() -> None:
    """There are five parameters, so nobody has a use for it."""
    with pytest.raises(ValueError, match="more than 20"):
        parameters(b"a&" * 50)


@pytest.mark.parametrize("value", [b"_-8", b"_-8=", b"/+8=", b"/+8"])
def test_a_message_in_base64_may_be_padded_and_of_either_alphabet(value: bytes) -> None:
    """Clients differ; the protocol asks for the URL-safe one."""
    assert decode_parameter(value) == b"\xff\xef"


@pytest.mark.parametrize("value", [b"a", b"!!!!", b"a=bc", b"abc===", b"ab\n="])
def test_what_is_no_base64_is_refused(value: bytes) -> None:
    """Also where Python's decoder would skip over it."""
    with pytest.raises(ValueError, match="base64"):
        decode_parameter(value)


def test_the_end_of_a_stream_has_what_there_is_to_say() -> None:
    """Success without trailers is an empty object."""
    assert end_of_stream(None, ()) == {}
    trailers = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]
    assert grouped(trailers) == {"a": ["1", "3"], "b": ["2"]}
    assert end_of_stream({"code": "aborted"}, trailers) == {
        "error": {"code": "aborted"},
        "metadata": {"a": ["1", "3"], "b": ["2"]},
    }
