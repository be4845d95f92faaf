"""Facts about `mainstay.http.websocket_codec`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest

from mainstay.core.signature import MISSING
from mainstay.errors import InvalidRequest, UsageError, WiringError
from mainstay.http.websocket_codec import UNSUPPORTED, decoder_of, encoder_of


class Struct(msgspec.Struct):
    n: int


@dataclass
class Data:
    n: int


class Dict(TypedDict):
    n: int


class Model(pydantic.BaseModel):
    n: int


def decode(annotation: Any, message: str | bytes) -> Any:
    return decoder_of(annotation, "here")(message)


def encode(annotation: Any, value: Any) -> str | bytes:
    return encoder_of(annotation, "here")(value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Struct, Struct(7)),
        (Data, Data(7)),
        (Dict, {"n": 7}),
        (Model, Model(n=7)),
        (dict[str, int], {"n": 7}),
        (Data | None, Data(7)),
    ],
)
def test_json_travels_as_text_and_is_taken_as_bytes_too(annotation: Any, value: Any) -> None:
    """Of whatever family the type is."""
    assert encode(annotation, value) == '{"n":7}'
    assert decode(annotation, '{"n":7}') == value
    assert decode(annotation, b'{"n":7}') == value


def test_models_may_stand_inside_of_other_types() -> None:
    """Of pydantic's in a list, both ways."""
    assert decode(list[Model], '[{"n":7}]') == [Model(n=7)]
    assert encode(list[Model], [Model(n=7)]) == '[{"n":7}]'


@pytest.mark.parametrize("annotation", [Struct, Data, Dict, Model, list[Model]])
@pytest.mark.parametrize("message", ['{"n":"seven"}', "{", b"\xff", '{"n":'])
def test_a_message_of_another_type_is_refused(annotation: Any, message: str | bytes) -> None:
    """And what the peer wrote is not repeated."""
    with pytest.raises(InvalidRequest, match="not as expected") as caught:
        decode(annotation, message)
    assert "seven" not in str(caught.value)


def test_the_place_of_a_fault_is_told() -> None:
    """By path, in either family."""
    with pytest.raises(InvalidRequest, match=r"\$\.n"):
        decode(Struct, '{"n":"seven"}')
    with pytest.raises(InvalidRequest, match=r"\$\.n"):
        decode(Model, '{"n":"seven"}')
    with pytest.raises(InvalidRequest, match="JSON"):
        decode(Model, "{")


def test_text_and_bytes_stay_what_they_are() -> None:
    """No JSON around them; the other kind is refused, unless both are asked for."""
    assert decode(str, "a") == "a"
    assert decode(bytes, b"a") == b"a"
    for kind, message in ((str, b"a"), (bytes, "a")):
        with pytest.raises(InvalidRequest) as caught:
            decode(kind, message)
        assert caught.value.reason == UNSUPPORTED
    for annotation in (str | bytes, Any, MISSING):
        assert decode(annotation, "a") == "a"
        assert decode(annotation, b"a") == b"a"


def test_what_is_sent_as_text_or_bytes_has_to_be_that() -> None:
    """A value by mistake is a mistake; buffers are bytes."""
    assert encode(str, "a") == "a"
    assert encode(str | bytes, b"a") == b"a"
    assert encode(bytes, bytearray(b"a")) == b"a"
    with pytest.raises(UsageError, match="here: a int cannot be sent"):
        encode(str, 7)


def test_without_a_type_values_are_json_and_text_is_text() -> None:
    """A bare socket sends anything."""
    assert encode(Any, "a") == "a"
    assert encode(MISSING, b"a") == b"a"
    assert encode(Any, [1]) == "[1]"


def test_a_type_that_json_does_not_know_is_refused_at_once() -> None:
    """A union of two classes that nothing tells apart."""
    with pytest.raises(WiringError, match="here: messages of the type"):
        decoder_of(Struct | Data, "here")
