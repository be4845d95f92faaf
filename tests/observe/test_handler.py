"""From a record to a line."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import threading
import time
from typing import Any

import pytest
import structlog

from mainstay.core.effects import Effects
from mainstay.errors import NotFound, UsageError
from mainstay.observe.handler import LineHandler
from mainstay.observe.log import LogSettings
from mainstay.testing import VirtualLoop, virtual_effects
from tests.observe.conftest import Install


def test_a_record_has_time_level_logger_message_and_fields(
    install: Install, logger: logging.Logger
) -> None:
    """A JSON record begins with the four, and what `extra` gave follows."""
    written = install()
    logger.warning("order %d paid", 17, extra={"customer": "Zoë", "total": 9.5})
    record = written.record()
    assert list(record) == ["time", "level", "logger", "message", "customer", "total"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert record == {
        "level": "warning",
        "logger": "shop.orders",
        "message": "order 17 paid",
        "customer": "Zoë",
        "total": 9.5,
    }


def test_the_time_is_that_of_the_effects(install: Install, logger: logging.Logger) -> None:
    """Under a virtual clock the records have virtual times, in UTC and milliseconds."""
    loop = VirtualLoop()
    effects = virtual_effects(loop)
    written = install(None, effects)
    loop.run_until_complete(_log_twice(logger))
    first, second = (record["time"] for record in written.records())
    loop.close()
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(effects.clock.time() - 3600.25))
    assert first.startswith(moment)
    assert _seconds(second) - _seconds(first) == pytest.approx(3600.25, abs=0.002)


async def _log_twice(logger: logging.Logger) -> None:
    logger.info("one")
    await asyncio.sleep(3600.25)
    logger.info("two")


def _seconds(stamp: str) -> float:
    days, hours, minutes, rest = re.split("[T:]", stamp.removesuffix("Z"))
    day = int(days[-2:])
    return day * 86_400 + int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_structlog_and_logging_come_out_the_same(install: Install) -> None:
    """Both ways to log give the same record, whatever the fields are called."""
    written = install()
    structlog.get_logger("shop").info("paid %s", "now", order=17, name="Zoë", args=1)
    logging.getLogger("shop").info("paid %s", "now", extra={"order": 17})
    first, second = written.records()
    assert first.pop("name") == "Zoë"
    assert first.pop("args") == 1
    first.pop("time")
    second.pop("time")
    assert first == second


def test_a_structlog_logger_is_called_like_its_module(install: Install) -> None:
    """Without a name, a logger has the name of the module that asked, also once bound."""
    written = install()
    log = structlog.get_logger()
    log.info("one")
    log.bind(order=17).warning("two")
    assert [record["logger"] for record in written.records()] == [__name__, __name__]


def test_fields_called_like_ours_get_an_underscore(install: Install) -> None:
    """No field replaces the time, level, logger or message of a record."""
    written = install()
    structlog.get_logger("shop").info("paid", time=1, level=2, logger=3, message=4, exception=5)
    record = written.record()
    assert (record["level"], record["logger"], record["message"]) == ("info", "shop", "paid")
    assert [record[f"{key}_"] for key in ("time", "level", "logger", "message")] == [1, 2, 3, 4]
    assert record["exception_"] == 5


@pytest.mark.parametrize("through", ["logging", "structlog"])
def test_an_exception_is_structured(install: Install, through: str) -> None:
    """An exception has a type, a message, a traceback, and our own errors their reason."""
    written = install()
    log = logging.getLogger("shop") if through == "logging" else structlog.get_logger("shop")
    try:
        raise NotFound("order 17 does not exist", reason="ORDER_UNKNOWN")
    except NotFound:
        log.exception("failed")
    record = written.record()
    assert (record["level"], record["message"]) == ("error", "failed")
    shown = record["exception"]
    assert shown["type"] == "mainstay.errors.NotFound"
    assert shown["message"] == "order 17 does not exist"
    assert shown["reason"] == "ORDER_UNKNOWN"
    assert "test_an_exception_is_structured" in shown["traceback"]


def test_stack_info_is_a_field(install: Install, logger: logging.Logger) -> None:
    """``stack_info=True`` says how the code got there."""
    written = install()
    logger.info("here", stack_info=True)
    assert "test_stack_info_is_a_field" in written.record()["stack"]


def test_secrets_are_masked_wherever_they_come_from(
    install: Install, logger: logging.Logger
) -> None:
    """Fields, nested fields, URLs in messages and in tracebacks: no secret reaches the stream."""
    written = install()
    url = "postgres://app:hunter2@db/shop"
    try:
        raise ConnectionError(f"cannot connect to {url}")
    except ConnectionError:
        logger.exception(
            "no %s", url, extra={"dsn": url, "password": "hunter2", "h": {"Cookie": "hunter2"}}
        )
    assert "hunter2" not in written.text()
    assert written.text().count("***") >= 5


def outcome(*message: object, **given: Any) -> dict[str, Any]:
    """The record of a logger of its own: pytest's handlers raise what a record makes them raise."""
    stream = io.StringIO()
    handler = LineHandler(stream, "json", Effects())
    logger = logging.Logger("shop")  # noqa: LOG001 - one that no other handler hears
    logger.addHandler(handler)
    logger.info(*message, **given)
    handler.close()
    shown: dict[str, Any] = json.loads(stream.getvalue())
    return shown


def test_wrong_arguments_of_a_message_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A message that does not fit its arguments is written with them; stderr stays silent."""
    message = outcome("%d orders", "many")["message"]
    assert "%d orders" in message
    assert "many" in message
    assert capsys.readouterr().err == ""


def test_objects_that_fail_to_show_themselves() -> None:
    """A field, an argument or an exception whose text fails costs only itself."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

        __repr__ = __str__

    record = outcome("argument %s", BrokenError(), extra={"field": BrokenError(), "order": 17})
    assert record["field"] == "<BrokenError that cannot be shown>"
    assert record["order"] == 17
    record = outcome("raised", exc_info=BrokenError())
    assert record["exception"]["message"] == "<BrokenError that cannot be shown>"


def test_the_programs_processors_see_and_change_fields(
    install: Install, logger: logging.Logger
) -> None:
    """A processor in structlog's shape adds and drops fields, and may drop the record."""

    def tag(_: Any, level: str, event: Any) -> Any:
        if event["message"] == "noise":
            raise structlog.DropEvent
        event["region"] = "eu"
        event["password"] = "hunter2"
        return event

    written = install(processors=[tag])
    logger.info("noise")
    logger.info("paid")
    record = written.record()
    assert (record["region"], record["password"]) == ("eu", "***")


def test_a_failing_processor_does_not_lose_the_record(
    install: Install, logger: logging.Logger
) -> None:
    """The record is written without its fields, with the place of the failure."""

    def broken(_: Any, level: str, event: Any) -> Any:
        raise LookupError("oops")

    written = install(processors=[broken])
    logger.error("paid", extra={"order": 17})
    record = written.record()
    assert (record["level"], record["message"]) == ("error", "paid")
    assert record["log_error"].startswith(f"LookupError in {__file__}")


def test_threads_do_not_mix_their_lines(install: Install, logger: logging.Logger) -> None:
    """Every record of many threads is a line of its own."""
    written = install()

    def work(number: int) -> None:
        for step in range(200):
            logger.info("step", extra={"worker": number, "step": step})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = {(record["worker"], record["step"]) for record in written.records()}
    assert len(seen) == 800


@pytest.mark.parametrize(
    ("format", "terminal", "environ", "text", "colour"),
    [
        ("auto", True, {}, True, True),
        ("auto", False, {}, False, False),
        ("auto", True, {"NO_COLOR": "1"}, True, False),
        ("auto", True, {"NO_COLOR": ""}, True, True),
        ("auto", True, {"TERM": "dumb"}, True, False),
        ("text", False, {}, True, False),
        ("json", True, {}, False, False),
    ],
)
def test_format_and_colour(
    format: Any, terminal: bool, environ: dict[str, str], text: bool, colour: bool
) -> None:
    """Text and colour are for terminals; the settings and NO_COLOR overrule."""

    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    stream = Stream()
    handler = LineHandler(stream, format, Effects(environ=environ))
    handler.handle(logging.makeLogRecord({"msg": "paid", "levelname": "INFO", "name": "shop"}))
    handler.close()
    assert stream.getvalue().startswith("{") is not text
    assert ("\x1b[" in stream.getvalue()) is colour


def test_an_unknown_format_is_refused() -> None:
    """A format that does not exist is named, with those that do."""
    with pytest.raises(UsageError, match="auto, text, json"):
        LineHandler(None, "xml", Effects())  # type: ignore[arg-type]


def test_a_closed_stream_is_no_terminal() -> None:
    """A stream closed before the start costs lines, not the start."""
    stream = io.StringIO()
    stream.close()
    handler = LineHandler(stream, "auto", Effects())
    handler.handle(logging.makeLogRecord({"msg": "paid"}))
    handler.close()
    assert handler.statistics().lost == 1


def test_a_level_of_the_settings_name_is_lower_case(install: Install) -> None:
    """Levels are written as the settings spell them, and levels of the program as it does."""
    written = install(LogSettings(level="debug"))
    logging.getLogger("shop").log(25, "between")
    logging.getLogger("shop").critical("paid")
    assert [record["level"] for record in written.records()] == ["level 25", "critical"]
