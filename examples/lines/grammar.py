"""What the lines mean: text in, values out, and back. No I/O, so every case is a one-line test.

A request is a line: ``[@seconds] METHOD [text]``. The answer is one line or more, and the first
character tells them apart:

====================  ==========================================
``= text``            the reply, and the end of the answer
``! REASON message``  the call failed, and the end of the answer
``+ text``            one message of a stream; more lines follow
``# text``            no answer: something about the connection
====================  ==========================================
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from mainstay.errors import Error, InvalidRequest

__all__ = ["INTERNAL", "LINE_LIMIT", "Request", "encode", "failure", "request_of", "take_line"]

LINE_LIMIT: Final = 8192
"""Bytes of a request, its line end not counted. Longer ones are refused, not buffered."""

INTERNAL: Final = "! INTERNAL something went wrong here, and our log knows what"
"""The answer when the fault is ours: no word of the error itself, which may tell secrets."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: what is called.
        text: the rest of the line.
        timeout: seconds that the client is going to wait; None if it does not say.
    """

    method: str
    text: str = ""
    timeout: float | None = None


def take_line(buffer: bytearray) -> bytes | None:
    """Remove the first line from `buffer` and return it without its end; None if none is whole.

    Raises: InvalidRequest when the line is too long, whole or not; the buffer is useless then,
    since there is no telling where the next request begins.
    """
    end = buffer.find(b"\n")
    if (len(buffer) if end < 0 else end) > LINE_LIMIT:
        raise InvalidRequest(f"a line has at most {LINE_LIMIT} bytes")
    if end < 0:
        return None
    line = bytes(buffer[:end])
    del buffer[: end + 1]
    return line


def request_of(line: bytes) -> Request | None:
    """What a line asks for; None if it is blank.

    Raises: InvalidRequest.
    """
    try:
        words = line.decode().strip()
    except UnicodeDecodeError:
        raise InvalidRequest("a line is text in UTF-8, and this one is not") from None
    timeout = None
    if words.startswith("@"):
        seconds, _, words = words[1:].partition(" ")
        timeout = _seconds(seconds)
    method, _, text = words.strip().partition(" ")
    if not method and timeout is not None:
        raise InvalidRequest("a method stands after the seconds, as in `@0.5 work`")
    return Request(method, text.strip(), timeout) if method else None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < inf:  # false for "nan", too
        raise InvalidRequest(f"{text!r} is no number of seconds, as in `@0.5 work`")
    return seconds


def encode(line: str) -> bytes:
    """A line as it travels; a line break inside becomes a space."""
    return " ".join(line.splitlines()).encode() + b"\n"


def failure(error: Error) -> str:
    """The last line of a call that failed."""
    return f"! {error.reason} {error.message}"
