"""Messages of a WebSocket as values, and the reverse.

Text and bytes stay what they are; every other type travels as JSON in a text frame. JSON in a binary
frame is taken, too, because some clients send nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any, Final, TypeAlias, Union, get_args, get_origin

import msgspec

from mainstay.core.signature import MISSING, say_type
from mainstay.errors import InvalidRequest, UsageError, WiringError
from mainstay.http.encode import is_model, json_encoder

__all__ = ["UNSUPPORTED", "Decode", "Encode", "decoder_of", "encoder_of"]

Decode: TypeAlias = Callable[["str | bytes"], Any]
Encode: TypeAlias = Callable[[Any], "str | bytes"]

UNSUPPORTED: Final = "UNSUPPORTED_DATA"
"""The reason of an error about a message of the wrong kind: text for bytes, or the reverse."""


def decoder_of(annotation: Any, where: str) -> Decode:
    """A function from a message to a value of the type `annotation`.

    The function raises: InvalidRequest.

    Raises: WiringError for a type of which no value can be made from JSON; `where` names it.
    """
    if annotation is MISSING or annotation is Any or _is_raw(annotation):
        return _same
    if annotation is str:
        return _text
    if annotation is bytes:
        return _binary
    if is_model(annotation):
        return _model_decoder(annotation)
    try:
        decode = msgspec.json.Decoder(annotation, dec_hook=_convert).decode
    except TypeError as error:
        message = f"{where}: messages of the type {say_type(annotation)} cannot be read: {error}"
        raise WiringError(message) from None

    def decoded(message: str | bytes) -> Any:
        try:
            return decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"the message is not as expected: {error}") from None

    return decoded


def encoder_of(annotation: Any, where: str) -> Encode:
    """A function from a value of the type `annotation` to a message; `where` names it in errors.

    The function raises: UsageError for a value that cannot be said.
    """
    if annotation is str or annotation is bytes or _is_raw(annotation):
        return _checked(where)
    encode = json_encoder(where)
    if annotation is MISSING or annotation is Any:
        return lambda value: value if isinstance(value, (str, bytes)) else encode(value).decode()
    return lambda value: encode(value).decode()


def _is_raw(annotation: Any) -> bool:
    union = get_origin(annotation) in (Union, UnionType)
    return union and set(get_args(annotation)) == {str, bytes}


def _same(message: str | bytes) -> str | bytes:
    return message


def _text(message: str | bytes) -> str:
    if isinstance(message, str):
        return message
    raise InvalidRequest("this endpoint takes text, not binary messages", reason=UNSUPPORTED)


def _binary(message: str | bytes) -> bytes:
    if isinstance(message, bytes):
        return message
    raise InvalidRequest("this endpoint takes binary messages, not text", reason=UNSUPPORTED)


def _checked(where: str) -> Encode:
    def checked(value: Any) -> str | bytes:
        if isinstance(value, (str, bytes)):
            return value
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)
        kind = say_type(type(value))
        raise UsageError(f"{where}: a {kind} cannot be sent on a WebSocket for text or bytes")

    return checked


def _model_decoder(model: Any) -> Decode:
    def decoded(message: str | bytes) -> Any:
        try:
            return model.model_validate_json(message)
        except ValueError as error:  # pydantic's ValidationError
            raise InvalidRequest(f"the message is not as expected: {_said(error)}") from None

    return decoded


def _said(error: Any) -> str:
    """The first fault, without the input, which may be long or secret."""
    if not hasattr(error, "errors"):
        return "it cannot be read"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{first['msg']} - at `$.{place}`" if place else str(first["msg"])


def _convert(kind: Any, value: Any) -> Any:
    """The hook of msgspec for types that it does not know: pydantic models inside of others."""
    if not is_model(kind):
        raise NotImplementedError(f"no value of {say_type(kind)} can be made from JSON")
    try:
        return kind.model_validate(value)
    except ValueError as error:
        raise ValueError(_said(error)) from None
