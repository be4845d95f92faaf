"""The lines of the control socket, both ways. What a server does with bad ones: test_control."""

from __future__ import annotations

import pytest

from mainstay.errors import InvalidRequest
from mainstay.process.control_messages import (
    COMMANDS,
    Refusal,
    Reply,
    Request,
    ScaleArguments,
    arguments_of,
    decode_reply,
    decode_request,
    encode_line,
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_request_comes_back_as_it_was(command: str) -> None:
    """A line has one end, which is its last byte."""
    request = Request(command, id=3, arguments={"text": "a\nb"})
    line = encode_line(request)
    assert line.count(b"\n") == 1
    assert decode_request(line) == request


def test_a_request_by_hand_needs_a_command_only() -> None:
    """The version is the first one, the number 0, and there are no arguments."""
    assert decode_request(b'{"command": "status", "later": 1}') == Request("status", 1, 0, {})


@pytest.mark.parametrize(
    "reply",
    [
        Reply(1, progress="serving"),
        Reply(1, result={}),
        Reply(error=Refusal("BUSY", "not now")),
    ],
)
def test_a_reply_comes_back_as_it_was(reply: Reply) -> None:
    """A result without anything in it is one."""
    assert decode_reply(encode_line(reply)) == reply


def test_a_reply_that_is_none_is_refused() -> None:
    """The fault is the peer's."""
    with pytest.raises(InvalidRequest, match="cannot be understood"):
        decode_reply(b'{"result": 3}')


def test_arguments_are_taken_by_their_types() -> None:
    """A number is a number, and a wrong one is named with the command."""
    assert arguments_of(Request("scale", arguments={"workers": 3}), ScaleArguments).workers == 3
    with pytest.raises(InvalidRequest, match="arguments of scale: Expected `int`"):
        arguments_of(Request("scale", arguments={"workers": "3"}), ScaleArguments)
