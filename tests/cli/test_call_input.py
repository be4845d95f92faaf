"""Facts about what ``mainstay call`` reads."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import click
import pytest

from mainstay.cli.call_input import one_value, stream_of_values
from mainstay.cli.exits import Failure


async def read(data: str | None) -> list[Any]:
    return [each async for each in stream_of_values(data)]


def test_one_value_is_read_from_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text itself, a file, or standard input; nothing at all is an empty request."""
    file = tmp_path / "a.json"
    file.write_text('{"a": 1}')
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a":\n 2}')))
    assert one_value('{"a": 0}') == {"a": 0}
    assert one_value(f"@{file}") == {"a": 1}
    assert one_value("-") == {"a": 2}
    assert one_value(None) == {}
    assert one_value("  ") == {}


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """By the name of the file."""
    file = tmp_path / "a.json"
    file.write_bytes(b"\xff")
    with pytest.raises(Failure, match=r"a\.json is no text in UTF-8"):
        one_value(f"@{file}")
    with pytest.raises(Failure, match=r"nope\.json cannot be read"):
        one_value(f"@{tmp_path}/nope.json")


async def test_values_of_a_stream_stand_one_after_another() -> None:
    """With spaces, line ends, or nothing in between."""
    assert await read('{"a": 1}{"a": 2}\n\n {"a": 3} ') == [{"a": 1}, {"a": 2}, {"a": 3}]
    with pytest.raises(click.UsageError, match="DATA is no JSON"):
        await read('{"a": 1} x')


@pytest.mark.real_loop
async def test_lines_are_read_by_the_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever they are cut, the last one with or without an end; a fault names its line."""
    assert await from_pipe(monkeypatch, b'{"a": 1}\n{"a"', b': 2}\n\n{"a": 3}') == [
        {"a": 1},
        {"a": 2},
        {"a": 3},
    ]
    with pytest.raises(click.UsageError, match="line 2 of standard input is no JSON"):
        await from_pipe(monkeypatch, b"{}\n{\n")
    with pytest.raises(Failure, match="no text in UTF-8"):
        await from_pipe(monkeypatch, b"\xff\n")


async def from_pipe(monkeypatch: pytest.MonkeyPatch, *parts: bytes) -> list[Any]:
    receiver, sender = os.pipe()
    monkeypatch.setattr("mainstay.cli.call_input._STDIN", receiver)
    try:
        found = []
        waiting = list(parts)
        os.write(sender, waiting.pop(0))
        if not waiting:
            os.close(sender)
        async for value in stream_of_values("-"):
            found.append(value)
            if waiting:
                os.write(sender, waiting.pop(0))
                os.close(sender)
        return found
    finally:
        # Its number must not be another pipe's while somebody still reads it.
        for thread in threading.enumerate():
            if thread.name == "standard input":
                thread.join()
        os.close(receiver)
