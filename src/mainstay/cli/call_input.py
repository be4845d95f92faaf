"""What ``mainstay call`` sends: JSON from the command line, a file, or standard input.

Requests of a stream are JSON values one after another, with any space in between; from standard
input, one a line, and each is sent as its line comes, so that a person or a program can talk.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import click

from mainstay.cli.exits import Exit, Failure

__all__ = ["one_value", "stream_of_values"]

_CHUNK: Final = 64 * 1024
_STDIN: Final = 0


def one_value(data: str | None) -> Any:
    """The one request of a call whose requests are no stream; an empty one without `data`.

    Args:
        data: JSON, ``@file``, or ``-`` for all of standard input.

    Raises: click.UsageError, Failure.
    """
    if data is None:
        return {}
    values = list(_values(_text(data), _name(data)))
    if not values:
        return {}
    if len(values) > 1:
        message = f"the method takes one request, and {_name(data)} has {len(values)}"
        raise click.UsageError(message)
    return values[0]


async def stream_of_values(data: str | None) -> AsyncIterator[Any]:
    """The requests of a stream: those in `data`, or, without it and for ``-``, a line of standard
    input each, as they come.

    Raises: click.UsageError, Failure.
    """
    if data is not None and data != "-":
        for value in _values(_text(data), _name(data)):
            yield value
        return
    number = 0
    async for line in _lines():
        number += 1
        for value in _values(line, f"line {number} of standard input"):
            yield value


def _name(data: str) -> str:
    if data == "-":
        return "standard input"
    return data[1:] if data.startswith("@") else "DATA"


def _text(data: str) -> str:
    try:
        if data == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        if data.startswith("@"):
            return Path(data[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{_name(data)} cannot be read: {error.strerror}", Exit.USAGE) from None
    except UnicodeDecodeError:
        raise Failure(f"{_name(data)} is no text in UTF-8", Exit.USAGE) from None
    return data


def _values(text: str, name: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError as error:
            message = f"{name} is no JSON: {error}"
            raise click.UsageError(message) from None
        yield value


async def _lines() -> AsyncIterator[str]:
    """The lines of standard input as they come, read in a thread that nobody waits for.

    By the descriptor: an interpreter that ends while a thread reads ``sys.stdin`` cannot get the
    lock of its buffer, and aborts.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()

    def read() -> None:
        while True:
            found: bytes | OSError
            try:
                found = os.read(_STDIN, _CHUNK)
            except OSError as error:
                found = error
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, found)
            except RuntimeError:  # the call has ended, and the loop with it
                return
            if not found or isinstance(found, OSError):
                return

    threading.Thread(target=read, name="standard input", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        if isinstance(chunk, OSError):
            raise Failure(f"standard input cannot be read: {chunk.strerror}", Exit.USAGE)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _decoded(line)
    if rest:
        yield _decoded(rest)


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise Failure("standard input is no text in UTF-8", Exit.USAGE) from None
