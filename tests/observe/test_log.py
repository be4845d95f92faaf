"""Installing logs, changing levels, and leaving no trace."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from mainstay.core.effects import Effects
from mainstay.errors import UsageError
from mainstay.observe.log import Logs, LogSettings
from tests.observe.conftest import Install

ROOT = logging.getLogger()


def state() -> dict[str, Any]:
    """Everything that installing logs may touch."""
    loggers = {
        name: (logger.level, logger.disabled, logger.propagate, list(logger.handlers))
        for name, logger in ROOT.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    return {
        "root": (ROOT.level, list(ROOT.handlers)),
        "loggers": loggers,
        "structlog": structlog.is_configured(),
        "class": logging.getLoggerClass(),
        "raise": logging.raiseExceptions,
        "disable": ROOT.manager.disable,
    }


@pytest.fixture
def print_handler() -> Iterator[logging.Handler]:
    """A handler as ``logging.basicConfig()`` makes it, first in the list."""
    handler = logging.StreamHandler(sys.stderr)
    ROOT.handlers.insert(0, handler)
    yield handler
    ROOT.removeHandler(handler)


def test_uninstall_leaves_no_trace(print_handler: logging.Handler) -> None:
    """Handlers in their order, levels, and structlog's configuration are as they were before."""
    for name in ("shop", "shop.sql", "shop.orders"):
        logging.getLogger(name)
    logging.getLogger("shop").setLevel("ERROR")
    before = state()
    logs = Logs.install(LogSettings(levels={"shop.sql": "debug"}), stream=io.StringIO())
    logs.set_level("shop", "debug")
    logs.set_level("", "error")
    logs.set_level("shop.orders", "critical")
    assert state() != before
    logs.uninstall()
    logs.uninstall()
    assert state() == before
    logging.getLogger("shop").setLevel("NOTSET")


def test_handlers_that_do_not_print_stay(
    install: Install, tmp_path: Path, logger: logging.Logger, print_handler: logging.Handler
) -> None:
    """A file handler of the program goes on; one that prints would double every line."""
    to_file = logging.FileHandler(tmp_path / "log")
    ROOT.addHandler(to_file)
    try:
        written = install()
        assert print_handler not in ROOT.handlers
        logger.info("paid")
    finally:
        ROOT.removeHandler(to_file)
        to_file.close()
    assert (tmp_path / "log").read_text() == "paid\n"
    assert written.record()["message"] == "paid"


def test_existing_loggers_go_on(install: Install) -> None:
    """A logger that was there before the logs is not disabled by them."""
    early = logging.getLogger("made.before")
    written = install()
    early.info("paid")
    assert written.record()["logger"] == "made.before"
    assert not early.disabled


def test_logs_inside_logs_write_once(install: Install, logger: logging.Logger) -> None:
    """The inner logs take over, and the outer ones are back afterwards."""
    outer = install()
    stream = io.StringIO()
    inner = Logs.install(None, None, stream)
    logger.info("inner")
    inner.uninstall()
    logger.info("outer")
    assert json.loads(stream.getvalue())["message"] == "inner"
    assert outer.record()["message"] == "outer"


def test_a_programs_own_structlog_configuration_stays(install: Install) -> None:
    """A program that configured structlog has decided where its records go."""
    said: list[Any] = []

    def keep(_: Any, name: str, event: Any) -> Any:
        said.append(event)
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    try:
        written = install()
        structlog.get_logger("shop").info("paid")
        written.logs.uninstall()
        assert structlog.is_configured()
    finally:
        structlog.reset_defaults()
    assert said == [{"event": "paid"}]
    assert written.text() == ""


def test_levels_of_the_settings(install: Install) -> None:
    """One level for all, others for some and what is below them."""
    written = install(LogSettings(level="warning", levels={"shop": "debug", "shop.sql": "error"}))
    for name in ("other", "shop", "shop.orders", "shop.sql"):
        for level in ("debug", "info", "warning", "error"):
            getattr(logging.getLogger(name), level)(level)
    seen: dict[str, list[str]] = {}
    for record in written.records():
        seen.setdefault(record["logger"], []).append(record["level"])
    assert seen == {
        "other": ["warning", "error"],
        "shop": ["debug", "info", "warning", "error"],
        "shop.orders": ["debug", "info", "warning", "error"],
        "shop.sql": ["error"],
    }


def test_levels_change_at_run_time(install: Install, logger: logging.Logger) -> None:
    """An operator turns a logger up and back without a restart, for structlog's loggers too."""
    written = install(LogSettings(level="info"))
    other = structlog.get_logger("shop.orders")
    logger.debug("before")
    written.logs.set_level("shop.orders", "debug")
    logger.debug("one")
    other.debug("two")
    assert written.logs.levels()["shop.orders"] == "debug"
    written.logs.reset_level("shop.orders")
    logger.debug("after")
    other.debug("after")
    assert [record["message"] for record in written.records()] == ["one", "two"]
    assert "shop.orders" not in written.logs.levels()


@pytest.mark.parametrize("root", ["", "root"])
def test_reset_gives_back_the_level_of_the_settings(install: Install, root: str) -> None:
    """What the settings say is what a reset returns to."""
    written = install(LogSettings(level="warning", levels={"shop": "error"}))
    written.logs.set_level(root, "debug")
    written.logs.set_level("shop", "debug")
    written.logs.reset_level(root)
    written.logs.reset_level("shop")
    written.logs.reset_level("never.heard.of")
    levels = written.logs.levels()
    assert (levels["root"], levels["shop"]) == ("warning", "error")
    assert next(iter(levels)) == "root"


def test_an_unknown_level_is_refused_before_anything_changes() -> None:
    """A wrong level names itself and its logger, and nothing is installed."""
    before = state()
    with pytest.raises(UsageError, match=r"'loud' for logger 'shop.sql'"):
        Logs.install(LogSettings(levels={"shop.sql": "loud"}))  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="'xml'"):
        Logs.install(LogSettings(format="xml"))  # type: ignore[arg-type]
    assert state()["root"] == before["root"]


def test_statistics_and_flush(install: Install, logger: logging.Logger) -> None:
    """An operator sees what became of the lines."""
    written = install()
    logger.info("paid")
    assert written.logs.flush() is True
    assert written.logs.statistics().written == 1
    written.stream.close()
    logger.info("lost")
    assert written.logs.statistics().lost == 1


def read_line(terminal: int) -> str:
    """What was written there, to the end of a line: it may come in parts."""
    data = b""
    while not data.endswith(b"\n"):
        data += os.read(terminal, 4096)
    return data.decode()


def test_a_terminal_gets_text_in_colour(logger: logging.Logger) -> None:
    """A real terminal: people's format, colour, and none of it when NO_COLOR is set."""
    for environ, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        with os.fdopen(slave, "w", encoding="utf-8") as terminal:
            logs = Logs.install(None, Effects(environ=environ), terminal)
            logger.info("paid by %s", "Zoë", extra={"order": 17})
            logs.uninstall()
            shown = read_line(master)
        os.close(master)
        assert ("\x1b[32mINFO" in shown) is coloured
        assert "paid by Zoë" in shown
        assert shown.endswith("17\n")


def test_a_terminal_that_is_stopped_blocks_nobody(logger: logging.Logger) -> None:
    """Ctrl-S holds the lines back, Ctrl-Q lets them go; the service does not notice."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        logs = Logs.install(None, Effects(environ={}), terminal)
        termios.tcflow(slave, termios.TCOOFF)
        logger.info("held")
        assert logs.statistics().waiting == 1
        termios.tcflow(slave, termios.TCOON)
        assert logs.flush(60) is True
        assert "held" in read_line(master)
        logs.uninstall()
    os.close(master)


PROGRAM = """
import logging, os, signal, sys, threading
from mainstay.observe.log import Logs, LogSettings
logging.basicConfig()
logs = Logs.install(LogSettings(level="debug"))
log = logging.getLogger("shop")
signal.signal(signal.SIGUSR1, lambda number, frame: log.info("signal"))
stop = threading.Event()
def strike():
    for _ in range(50):
        os.kill(os.getpid(), signal.SIGUSR1)
        stop.wait(0.0005)
thread = threading.Thread(target=strike)
thread.start()
count = 0
while thread.is_alive():
    log.debug("main", extra={"count": count})
    count += 1
    if count % 100 == 0:
        logs.flush(60)  # a reader that is starved loses what is beyond the backlog
thread.join()
log.info("end", extra={"count": count, "lost": logs.statistics().lost})
logs.flush(60)
"""


def test_a_program_that_logs_from_signal_handlers_into_a_pipe() -> None:
    """Every line of the child parses, none is lost, none is doubled by the handler it had."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=100,
        check=True,
    )
    records = [json.loads(line) for line in done.stderr.decode().splitlines()]
    end = records[-1]
    assert end["message"] == "end"
    assert end["lost"] == 0
    assert [r["count"] for r in records if r["message"] == "main"] == list(range(end["count"]))
    assert any(r["message"] == "signal" for r in records)
