"""What is said over the control socket: a line of JSON each, so that ``nc -U`` will do in need.

::

    {"version": 1, "id": 1, "command": "restart", "arguments": {}}      the operator
    {"id": 1, "progress": "started 4711"}                               the service, any number
    {"id": 1, "result": {"ok": true, …}}                                the service, once
    {"id": 1, "exit_code": 0}                                           after a stop, as it ends

In the place of a result there may be ``{"id": 1, "error": {"reason": …, "message": …}}``. Unknown
members of a request are ignored and unknown arguments are not, since somebody meant something.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from mainstay.errors import InvalidRequest

__all__ = [
    "COMMANDS",
    "LINE",
    "VERSION",
    "NoArguments",
    "Refusal",
    "Reply",
    "Request",
    "ScaleArguments",
    "StopArguments",
    "arguments_of",
    "decode_reply",
    "decode_request",
    "encode_line",
]

VERSION: Final = 1
"""Of these lines."""

LINE: Final = 64 * 1024
"""Bytes of the longest request."""

T = TypeVar("T", bound=Struct)


class Request(Struct, omit_defaults=True):
    """What an operator wants.

    Attributes:
        version: of the lines that it understands.
        id: that the replies carry.
        command: one of `COMMANDS`.
        arguments: of the command.
    """

    command: str
    version: int = 1
    id: int = 0
    arguments: dict[str, Any] = {}


class NoArguments(Struct, forbid_unknown_fields=True):
    """There are none."""


class StopArguments(Struct, forbid_unknown_fields=True):
    """How to stop: see `mainstay.interfaces.controlled.Controlled.stop`."""

    force: bool = False


class ScaleArguments(Struct, forbid_unknown_fields=True):
    """How many workers there shall be."""

    workers: int


COMMANDS: Final[dict[str, type[Struct]]] = {
    "status": NoArguments,
    "stop": StopArguments,
    "restart": NoArguments,
    "reload": NoArguments,
    "replace": NoArguments,
    "scale": ScaleArguments,
    "drain": NoArguments,
    "resume": NoArguments,
    "reopen_logs": NoArguments,
}
"""What can be asked for, and with which arguments."""


class Refusal(Struct):
    """Why there is no result.

    Attributes:
        reason: a stable word; see ``docs/errors.md``.
        message: for the operator.
    """

    reason: str
    message: str


class Reply(Struct, omit_defaults=True):
    """One line of the service; exactly one of the last four is given.

    Attributes:
        id: of the request; None if it could not be read.
        progress: a step that is done, in a few words; more lines follow.
        result: the end, and all went as it should have or as `result` says.
        error: the end, and nothing was done.
        exit_code: of the process, which ends now; to who has asked it to stop, after the result.
    """

    id: int | None = None
    progress: str | None = None
    result: dict[str, Any] | None = None
    error: Refusal | None = None
    exit_code: int | None = None


_encoder: Final = msgspec.json.Encoder()
_request: Final = msgspec.json.Decoder(Request)
_reply: Final = msgspec.json.Decoder(Reply)


def encode_line(message: Request | Reply) -> bytes:
    """A message with its end of line."""
    return _encoder.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """What an operator wants. Raises: InvalidRequest for what is no request of this version."""
    try:
        request = _request.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the line is no request: {error}") from None
    if request.version != VERSION:
        raise InvalidRequest(
            f"the request is of version {request.version}, and this service speaks {VERSION}"
        )
    if request.command not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise InvalidRequest(f"there is no command {request.command!r}; there are {known}")
    return request


def arguments_of(request: Request, kind: type[T]) -> T:
    """The arguments of a request. Raises: InvalidRequest for wrong ones."""
    try:
        return msgspec.convert(request.arguments, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"arguments of {request.command}: {error}") from None


def decode_reply(line: bytes) -> Reply:
    """What the service says. Raises: InvalidRequest for what is no reply."""
    try:
        return _reply.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the answer cannot be understood: {error}") from None
