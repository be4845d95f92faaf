"""Streams that are slow, full, closed or gone."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

from mainstay.core.effects import Effects
from mainstay.observe.sink import BACKLOG, LogStatistics, Sink

CLOCK = Effects().clock


def sink_to(stream: TextIO | None, encoding: str = "utf-8") -> Sink:
    return Sink(stream, CLOCK, encoding, lambda count: f"{count} lost")


class Pipe:
    """A pipe whose reader reads when told."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.stream = os.fdopen(writer, "w", encoding="utf-8")
        self.read = b""

    def drain(self) -> None:
        with suppress(BlockingIOError):
            while data := os.read(self.reader, 1 << 20):
                self.read += data

    def lines(self) -> list[str]:
        self.drain()
        return self.read.decode().splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reader)
    with suppress(OSError):
        pipe.stream.close()


def fill(sink: Sink) -> int:
    """Write numbered lines until one waits; how many were written."""
    number = 0
    while not sink.statistics().waiting:
        sink.write(f"{number:06d} {'x' * 1000}")
        number += 1
    return number


def test_a_line_is_with_the_kernel_when_write_returns(pipe: Pipe) -> None:
    """Nothing is kept in the process, so a crash loses nothing."""
    sink_to(pipe.stream).write("Zoë")
    assert pipe.lines() == ["Zoë"]


def test_a_file_gets_whole_lines(tmp_path: Path) -> None:
    """Lines of any size reach a file, after what its owner wrote before."""
    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        stream.write("before\n")
        sink = sink_to(stream)
        sink.write("x" * 100_000)
        sink.write("last")
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == ["before", "x" * 100_000, "last"]


def test_a_stalled_reader_blocks_nobody_and_loses_nothing(pipe: Pipe) -> None:
    """While the pipe is full, lines wait; they come out whole and in order, before the next one."""
    sink = sink_to(pipe.stream)
    count = fill(sink)
    # Nobody reads meanwhile: a write that waited would wait for ever.
    for number in range(count, count + 100):
        sink.write(f"{number:06d} {'x' * 1000}")
    while sink.statistics().waiting:
        pipe.drain()
        sink.flush(0)
    lines = pipe.lines()
    assert [int(line[:6]) for line in lines] == list(range(count + 100))
    assert {len(line) for line in lines} == {1007}
    assert sink.statistics() == LogStatistics(written=count + 100, waiting=0, lost=0)


def test_a_long_line_does_not_block_either(pipe: Pipe) -> None:
    """A line larger than the pipe goes out in pieces, and is whole in the end."""
    sink = sink_to(pipe.stream)
    sink.write("y" * 300_000)
    sink.write("next")
    assert sink.statistics().waiting == 2
    while not sink.flush(0):
        pipe.drain()
    assert pipe.lines() == ["y" * 300_000, "next"]


def test_the_backlog_is_bounded_and_the_loss_is_told(pipe: Pipe) -> None:
    """Beyond the backlog lines are lost and counted, and the log says so when it flows again."""
    sink = sink_to(pipe.stream)
    fill(sink)
    big = "z" * 100_000
    for _ in range(2 * BACKLOG // len(big)):
        sink.write(big)
    lost = sink.statistics().lost
    assert 5 < lost < 2 * BACKLOG // len(big)
    while not sink.flush(0):
        pipe.drain()
    assert f"{lost} lost" in pipe.lines()
    assert pipe.lines().count(f"{lost} lost") == 1
    assert sink.statistics().waiting == 0


def test_flush_waits_no_longer_than_told(pipe: Pipe) -> None:
    """A reader that never reads costs a flush its timeout, and it says that lines are left."""
    sink = sink_to(pipe.stream)
    fill(sink)
    begun = time.monotonic()
    assert sink.flush(0.05) is False
    assert time.monotonic() - begun > 0.04


def test_flush_waits_for_a_reader_that_comes_back(pipe: Pipe) -> None:
    """What waits goes out as soon as there is room."""
    sink = sink_to(pipe.stream)
    count = fill(sink)
    reader = threading.Timer(0.05, pipe.drain)
    reader.start()
    assert sink.flush(60) is True
    reader.join()
    assert len(pipe.lines()) == count


def test_a_closed_pipe_raises_nothing(pipe: Pipe) -> None:
    """A reader that is gone costs the lines, not the service."""
    sink = sink_to(pipe.stream)
    os.close(pipe.reader)
    pipe.reader = os.open(os.devnull, os.O_RDONLY)
    sink.write("one")
    sink.write("two")
    assert sink.statistics() == LogStatistics(written=0, waiting=0, lost=2)
    pipe.stream.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_raises_nothing() -> None:
    """A device without space costs the lines, not the service."""
    with Path("/dev/full").open("w") as stream:
        sink = sink_to(stream)
        sink.write("one")
        assert sink.statistics().lost == 1


def test_a_closed_stream_is_not_written_to_by_its_number(tmp_path: Path) -> None:
    """The descriptor of a closed stream may belong to another file by now: nothing goes there."""
    stream = (tmp_path / "log").open("w")
    number = stream.fileno()
    sink = sink_to(stream)
    with (tmp_path / "other").open("w") as other:
        stream.close()
        os.dup2(other.fileno(), number)
        try:
            sink.write("secret")
            assert os.fstat(number).st_size == 0
        finally:
            os.close(number)
    assert sink.statistics().lost == 1


def test_no_stream_at_all() -> None:
    """A process without stderr logs into nothing."""
    sink = sink_to(None)
    sink.write("one")
    assert sink.statistics().lost == 1


class Moody(io.StringIO):
    """A stream in memory that fails when told to."""

    failing = False

    def write(self, text: str) -> int:
        if self.failing:
            raise OSError(28, "no space left on device")
        return super().write(text)


def test_the_loss_is_told_when_the_stream_recovers() -> None:
    """The first line that gets through is preceded by how many did not; each loss is told once."""
    stream = Moody()
    sink = sink_to(stream)
    stream.failing = True
    for _ in range(3):
        sink.write("gone")
    stream.failing = False
    sink.write("back")
    sink.write("more")
    assert stream.getvalue() == "3 lost\nback\nmore\n"


def test_a_stream_that_wraps_another_is_written_through() -> None:
    """A tee or a capture sees what is logged, even if it has the descriptor of a file."""

    class Tee(io.TextIOWrapper):
        seen = ""

        def write(self, text: str) -> int:
            self.seen += text
            return super().write(text)

    with Path(os.devnull).open("wb") as raw:
        tee = Tee(raw)
        sink_to(tee).write("one")
        assert tee.seen == "one\n"
        tee.detach()


def test_a_character_that_the_encoding_lacks_is_escaped() -> None:
    """A terminal of another age gets an escape, not an error."""
    stream = io.StringIO()
    sink_to(stream, "ascii").write("Zoë")
    assert stream.getvalue() == "Zo\\xeb\n"


def test_a_descriptor_that_somebody_made_non_blocking(pipe: Pipe) -> None:
    """EAGAIN means wait, as a full pipe does: nothing is lost."""
    flags = fcntl.fcntl(pipe.stream.fileno(), fcntl.F_GETFL)
    fcntl.fcntl(pipe.stream.fileno(), fcntl.F_SETFL, flags | os.O_NONBLOCK)
    sink = sink_to(pipe.stream)
    count = fill(sink)
    while not sink.flush(0):
        pipe.drain()
    assert len(pipe.lines()) == count


def test_a_signal_handler_may_write_in_the_middle_of_a_write() -> None:
    """The inner line waits for the outer one to be whole, and is not forgotten."""

    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            if text == "outer\n":
                signal.raise_signal(signal.SIGUSR1)
            return super().write(text)

    stream = Interrupted()
    sink = sink_to(stream)

    def handler(number: int, frame: Any) -> None:
        sink.write("inner")

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        sink.write("outer")
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert stream.getvalue() == "outer\ninner\n"
