"""Logs: the standard library's `logging` is the bus, processors in structlog's shape render.

Nothing to learn to use it: ``logging.getLogger(__name__).info("paid", extra={"order": 17})`` or
``structlog.get_logger().info("paid", order=17)``. A service installs `Logs` when it runs, and both
come out the same: text for people if the stream is a terminal, one JSON object a line otherwise.

What a record has: ``time`` (RFC 3339, UTC, milliseconds), ``level``, ``logger``, ``message``, the
ids and bound fields of the scope (see `fields`), the fields given with the record, and
``exception`` and ``stack`` where there are any. Secrets are masked by the rule in `redact`.

Rules this file keeps:

* **A logging call never breaks or stops its caller.** What a stream raises is counted, not raised
  (see `sink`); a record that cannot be rendered is written as far as it can be. This does not
  depend on ``logging.raiseExceptions``, which is left alone.
* **Nothing is taken from the program.** No ``dictConfig``, no logger disabled; of the handlers of
  the root logger only those that print to the terminal are set aside, because the line would come
  twice. `Logs.uninstall` puts everything back.
* **Installing is the service's deed**, when it owns the process. An embedded service and the tests
  of a service leave logging as they find it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, Literal, TextIO, TypeAlias

import structlog
from structlog.typing import EventDict, Processor

from mainstay.core.effects import Effects
from mainstay.errors import UsageError
from mainstay.observe.handler import FIELDS, Format, LineHandler
from mainstay.observe.sink import LogStatistics

__all__ = ["Format", "Level", "LogSettings", "Logs"]

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_ROOT: Final = "root"
_ARGUMENTS: Final = ("exc_info", "stack_info", "stacklevel")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What an operator decides about logs; part of every service's configuration.

    Attributes:
        level: records below it are dropped, unless `levels` says otherwise.
        format: ``text`` for people, ``json`` for machines; ``auto`` is text on a terminal.
        levels: the level of single loggers and all below them, such as ``{"shop.sql": "debug"}``.
    """

    level: Level = "info"
    format: Format = "auto"
    levels: dict[str, Level] = field(default_factory=dict)


class Logs:
    """Logging as `install` set it up. Every method may be called from any thread."""

    def __init__(self, settings: LogSettings, handler: LineHandler) -> None:
        self._settings = settings
        self._handler = handler
        self._previous_levels: dict[str, int] = {}
        self._set_aside: list[tuple[int, logging.Handler]] = []
        self._processors: list[Processor] | None = None

    @classmethod
    def install(
        cls,
        settings: LogSettings | None = None,
        effects: Effects | None = None,
        stream: TextIO | None = None,
        *,
        processors: Sequence[Processor] = (),
    ) -> Logs:
        """Send every record that reaches the root logger to `stream`, rendered.

        Args:
            settings: levels and format.
            effects: the clock of the records, and the environment with ``NO_COLOR`` and ``TERM``.
            stream: ``sys.stderr`` unless given. It is not closed.
            processors: see and change the fields of each record, after the scope's fields were
                added and before secrets are masked; structlog's shape. One that raises DropEvent
                drops the record.

        Raises: UsageError for a level or a format that does not exist.
        """
        settings = settings or LogSettings()
        effects = effects or Effects()
        stream = stream or sys.stderr
        wanted = {_ROOT: settings.level, **settings.levels}
        for name, level in wanted.items():
            _number(name, level)
        logs = cls(settings, LineHandler(stream, settings.format, effects, processors))
        for name, level in wanted.items():
            logs.set_level(name, level)
        logs._take_over(stream)
        return logs

    def set_level(self, logger: str, level: str) -> None:
        """From now on, drop the records of `logger` and those below it that are below `level`.

        Args:
            logger: a dotted name; ``root`` or empty for all that have no level of their own.
            level: ``debug``, ``info``, ``warning``, ``error`` or ``critical``.

        Raises: UsageError for another level.
        """
        number = _number(logger, level)
        target = _logger(logger)
        self._previous_levels.setdefault(target.name, target.level)
        target.setLevel(number)

    def reset_level(self, logger: str) -> None:
        """Give `logger` the level of the settings again, or the one it had before `install`."""
        target = _logger(logger)
        settings = {_ROOT: self._settings.level, **self._settings.levels}
        if target.name in settings:
            target.setLevel(_LEVELS[settings[target.name]])
        elif target.name in self._previous_levels:
            target.setLevel(self._previous_levels[target.name])

    def apply(self, settings: LogSettings) -> None:
        """Take over the levels of `settings`, and let go of those it does not have any more.

        The format stays: a reader of the log should not have to follow a change in the middle.

        Raises: UsageError for a level that does not exist; nothing has changed then.
        """
        wanted = {_ROOT: settings.level, **settings.levels}
        for name, level in wanted.items():
            _number(name, level)
        gone = set(self._settings.levels) - set(settings.levels)
        self._settings = settings
        for name in gone:
            self.reset_level(name)
        for name, level in wanted.items():
            self.set_level(name, level)

    def levels(self) -> dict[str, str]:
        """The level of every logger that has one of its own, ``root`` first."""
        levels = {_ROOT: _level_name(logging.getLogger().level)}
        # A copy: other threads may make loggers meanwhile.
        for name, logger in sorted(logging.root.manager.loggerDict.copy().items()):
            if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET:
                levels[name] = _level_name(logger.level)
        return levels

    def statistics(self) -> LogStatistics:
        """How many lines were written, wait for the stream, and were lost."""
        return self._handler.statistics()

    def flush(self, timeout: float = 1.0) -> bool:
        """Write what waits for a slow stream, for up to `timeout` seconds; whether all is out."""
        return self._handler.flush_within(timeout)

    def uninstall(self) -> None:
        """Flush, and put handlers and levels back as they were. Idempotent."""
        self.flush()
        root = logging.getLogger()
        root.removeHandler(self._handler)
        self._handler.close()
        for index, handler in self._set_aside:
            root.handlers.insert(min(index, len(root.handlers)), handler)
        self._set_aside.clear()
        for name, level in self._previous_levels.items():
            _logger(name).setLevel(level)
        self._previous_levels.clear()
        if self._processors is not None:
            if structlog.get_config()["processors"] is self._processors:
                structlog.reset_defaults()
            self._processors = None

    def _take_over(self, stream: TextIO | None) -> None:
        root = logging.getLogger()
        terminal = (sys.stdout, sys.stderr, stream)
        for index, handler in enumerate(root.handlers):
            prints = type(handler) is logging.StreamHandler and handler.stream in terminal
            if prints or isinstance(handler, LineHandler):
                self._set_aside.append((index, handler))
        for _, handler in self._set_aside:
            root.removeHandler(handler)
        root.addHandler(self._handler)
        # A program that configured structlog has decided where its records go.
        if not structlog.is_configured():
            self._processors = [
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.PositionalArgumentsFormatter(),
                _to_logging,
            ]
            structlog.configure(
                processors=self._processors,
                wrapper_class=structlog.stdlib.BoundLogger,
                logger_factory=_bus_logger,
                # A cached logger would go on using these processors after `uninstall`.
                cache_logger_on_first_use=False,
            )


def _logger(name: str) -> logging.Logger:
    return logging.getLogger(None if name in ("", _ROOT) else name)


def _number(logger: str, level: str) -> int:
    number = _LEVELS.get(level)
    if number is None:
        known = ", ".join(_LEVELS)
        message = f"the level {level!r} for logger {logger or _ROOT!r} is none of {known}"
        raise UsageError(message)
    return number


def _level_name(number: int) -> str:
    return logging.getLevelName(number).lower()


def _to_logging(logger: Any, name: str, fields: EventDict) -> tuple[tuple[Any], dict[str, Any]]:
    """The last processor of structlog: the arguments for the method of the `logging.Logger`.

    The fields travel under one name, where they cannot collide with what a LogRecord has.
    """
    message = fields.pop("event", "")
    arguments = {key: fields.pop(key) for key in _ARGUMENTS if key in fields}
    return (message,), {**arguments, "extra": {FIELDS: fields}}


def _bus_logger(*names: str) -> logging.Logger:
    """The `logging.Logger` of ``structlog.get_logger()``: named, or called like its module.

    Not structlog's own LoggerFactory, which changes `logging.setLoggerClass` for good.
    """
    if names:
        return logging.getLogger(names[0])
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] != "structlog":
            return logging.getLogger(module)
        frame = frame.f_back
    return logging.getLogger()
