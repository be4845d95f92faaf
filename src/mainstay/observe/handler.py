"""From a `logging.LogRecord` to a line: the chain of processors behind `log.Logs`.

The order is: time, level, logger and message; the fields of the scope; the fields of the record,
which win; exception and stack; the program's own processors; the mask; the renderer. A field that
is called like one of ours (``time``, ``level``, ``logger``, ``message``, ``exception``) gets an
underscore behind its name.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, TextIO, TypeAlias, cast

from structlog import DropEvent
from structlog.typing import EventDict, Processor

from mainstay.core.effects import Effects
from mainstay.core.redact import hide_in_urls
from mainstay.core.scope import Scope
from mainstay.errors import Error, UsageError
from mainstay.observe.fields import scope_fields
from mainstay.observe.redact import plain, plain_field
from mainstay.observe.render import JsonRenderer, TextRenderer
from mainstay.observe.sink import LogStatistics, Sink

__all__ = ["FIELDS", "Format", "LineHandler"]

Format: TypeAlias = Literal["auto", "text", "json"]

FIELDS: Final = "_mainstay_fields"
"""The attribute of a LogRecord with the fields that came from structlog."""

_RESERVED: Final = frozenset(("time", "level", "logger", "message", "exception"))
_BLANK: Final = logging.LogRecord("", 0, "", 0, "", (), None)
_STANDARD: Final = frozenset((*_BLANK.__dict__, "message", "asctime"))
# A record has this many attributes when nobody added any: the usual case, found by one comparison.
_BARE: Final = len(_BLANK.__dict__)
_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class LineHandler(logging.Handler):
    """Renders records and writes them to a `Sink`.

    Args:
        stream: where lines go; None loses them.
        format: see `mainstay.observe.log.LogSettings`.
        effects: the clock of the records, and the environment with ``NO_COLOR`` and ``TERM``.
        processors: the program's own.

    Raises: UsageError for a format that does not exist.
    """

    def __init__(
        self,
        stream: TextIO | None,
        format: Format,
        effects: Effects,
        processors: Sequence[Processor] = (),
    ) -> None:
        as_text, colour = _presentation(stream, format, effects.environ)
        super().__init__()
        self._stamp = _Stamp(effects.clock.time)
        self._processors = tuple(processors)
        self._render: Callable[[Any, str, EventDict], str]
        self._render = TextRenderer(colour=colour) if as_text else JsonRenderer()
        encoding = (getattr(stream, "encoding", None) or "utf-8") if as_text else "utf-8"
        self._sink = Sink(stream, effects.clock, encoding, self._lost_notice)

    def emit(self, record: logging.LogRecord) -> None:
        """Render and write `record`. Never raises, whatever the record holds or the stream does."""
        try:
            line = self._line(record)
        except DropEvent:
            return
        except Exception as error:  # a log call must not break its caller
            line = self._last_resort(record, error)
        self._sink.write(line)

    def flush(self) -> None:
        """Write what waits for a slow stream, for up to a second; called when Python exits."""
        self.flush_within(1.0)

    def flush_within(self, timeout: float) -> bool:
        """Write what waits for a slow stream, for up to `timeout` seconds; whether all is out."""
        self.acquire()
        try:
            return self._sink.flush(timeout)
        finally:
            self.release()

    def statistics(self) -> LogStatistics:
        """What became of the lines."""
        return self._sink.statistics()

    def _line(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        event = self._head(level, record.name, _message(record))
        scope = Scope.current_or_none()
        if scope is not None:
            _add(event, scope_fields(scope))
        if len(record.__dict__) != _BARE:
            _add(event, _own_fields(record))
        if record.stack_info:
            event["stack"] = record.stack_info
        if record.exc_info:
            event["exception"] = _exception(record.exc_info)
        for processor in self._processors:
            event = cast("EventDict", processor(None, level, event))
        shown = {key: plain_field(key, value) for key, value in event.items()}
        return self._render(None, level, shown)

    def _last_resort(self, record: logging.LogRecord, error: Exception) -> str:
        """The line of a record that a processor or a strange value could not get through."""
        head = self._head(record.levelname.lower(), record.name, _message(record))
        head["log_error"] = f"{type(error).__name__} in {_where(error)}"
        shown = {key: plain(value) for key, value in head.items()}
        return self._render(None, "", shown)

    def _lost_notice(self, count: int) -> str:
        text = "log records were lost: the stream failed, or was stalled for too long"
        return self._render(None, "", {**self._head("warning", __name__, text), "lost": count})

    def _head(self, level: str, logger: str, message: str) -> EventDict:
        return {"time": self._stamp(), "level": level, "logger": logger, "message": message}


class _Stamp:
    """RFC 3339 in UTC with milliseconds, such as ``2026-11-21T03:58:27.123Z``.

    The part to the second is kept, because most records share it with the one before.
    """

    __slots__ = ("_kept", "_time")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._time = clock
        # One tuple, replaced whole: a signal handler may log in the middle of a record.
        self._kept = (-1, "")

    def __call__(self) -> str:
        now, milliseconds = divmod(int(self._time() * 1000), 1000)
        second, text = self._kept
        if now != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._kept = (now, text)
        return f"{text}.{milliseconds:03d}Z"


def _presentation(
    stream: TextIO | None, format: str, environ: Mapping[str, str]
) -> tuple[bool, bool]:
    """Whether to write text, and whether in colour (https://no-color.org)."""
    if format not in ("auto", "text", "json"):
        raise UsageError(f"the log format {format!r} is none of auto, text, json")
    try:
        terminal = stream is not None and stream.isatty()
    except ValueError:  # closed
        terminal = False
    plain_wanted = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    return format == "text" or (format == "auto" and terminal), terminal and not plain_wanted


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # wrong arguments for the format, or a failing __str__
        return f"{plain(record.msg)} {plain(record.args)}"


def _own_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the program added to the record: by `extra`, or by structlog."""
    given = record.__dict__
    own = {key: value for key, value in given.items() if key not in _STANDARD}
    own.update(own.pop(FIELDS, ()))
    return own


def _add(event: EventDict, fields: Mapping[Any, Any]) -> None:
    for key, value in fields.items():
        event[f"{key}_" if key in _RESERVED else str(key)] = value


def _exception(info: _ExcInfo) -> dict[str, Any] | None:
    """Type, message and traceback; for our own errors the stable reason too."""
    kind, error, trace = info
    if kind is None:
        return None
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    shown: dict[str, Any] = {"type": f"{module}{kind.__qualname__}", "message": _text(error)}
    if isinstance(error, Error):
        shown["reason"] = error.reason
    lines = traceback.format_exception(kind, error, trace)
    shown["traceback"] = hide_in_urls("".join(lines))
    return shown


def _text(thing: object) -> str:
    """`str(thing)`, or what can be said without it."""
    try:
        return hide_in_urls(str(thing))
    except Exception:  # a failing __str__ must not lose the record
        return f"<{type(thing).__name__} that cannot be shown>"


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno} {frames[-1].name}" if frames else "?"
