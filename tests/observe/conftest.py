"""Logs on a stream in memory, and put back after each test."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest

from mainstay.core.effects import Effects
from mainstay.observe.log import Logs, LogSettings


class Written:
    """A stream, the `Logs` that write to it, and what they wrote."""

    def __init__(self, logs: Logs, stream: TextIO) -> None:
        self.logs = logs
        self.stream = stream

    def text(self) -> str:
        assert isinstance(self.stream, io.StringIO)
        return self.stream.getvalue()

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().split("\n") if line]

    def record(self) -> dict[str, Any]:
        (only,) = self.records()
        return only


Install = Callable[..., Written]


@pytest.fixture
def install() -> Iterator[Install]:
    """Installs logs on a stream; everything is as before when the test ends."""
    made: list[Logs] = []

    def make(
        settings: LogSettings | None = None,
        effects: Effects | None = None,
        stream: TextIO | None = None,
        **options: Any,
    ) -> Written:
        stream = stream or io.StringIO()
        made.append(Logs.install(settings, effects, stream, **options))
        return Written(made[-1], stream)

    yield make
    for logs in reversed(made):
        logs.uninstall()


@pytest.fixture
def logger() -> logging.Logger:
    """The logger of a program."""
    return logging.getLogger("shop.orders")
