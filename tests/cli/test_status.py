"""``mainstay status``: the page for people, and the JSON for scripts."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from mainstay.cli.status import duration, memory, page
from mainstay.interfaces.controlled import Outcome, Snapshot, WorkerSnapshot
from tests.cli.controls import service

MIB = 1024 * 1024


def test_the_page_shows_all_of_it() -> None:
    """Generations, workers and their work, listeners, memory, and how restarts have ended."""
    snapshot = Snapshot(
        "supervisor",
        "shop",
        "1.2.3",
        "shop.app:service",
        4700,
        3,
        1000.0,
        "restarting",
        ["tcp://127.0.0.1:8000", "unix:/run/shop.sock"],
        [
            WorkerSnapshot(4712, 0, 3, "starting", 1.5),
            WorkerSnapshot(4710, 1, 2, "serving", 3700.0, 12, 340, 1234567, 88 * MIB),
            WorkerSnapshot(4709, 0, 2, "serving", 3700.0, 1, 2, 3, 64 * MIB),
        ],
        [
            Outcome(1000.0 + 90000, "reload", True, 2.25, "", 2, 4700),
            Outcome(1000.0 + 93590, "restart", False, 0.4, "there is no module 'shop'", 2, 4700),
        ],
        "a worker does not start",
        3,
        2,
    )
    assert page(snapshot, 1000.0 + 93600, "/run/shop/control") == dedent(
        """\
        shop
          state       restarting
          supervisor  4700
          workers     2 of 3
          generation  3
          up          1 d 2 h
          listening   tcp://127.0.0.1:8000, unix:/run/shop.sock
          target      shop.app:service
          control     /run/shop/control
          mainstay    1.2.3
          trouble     a worker does not start

          gen  #   pid  state     up       in flight  connections  requests  memory
            2  0  4709  serving   1 h 1 min          1            2         3  64 MiB
            2  1  4710  serving   1 h 1 min         12          340   1234567  88 MiB
            3  0  4712  starting        1 s          0            0         0

        restarts
          1 h 0 min ago  reload, 2.2 s  generation 2 serves
          10 s ago  restart, 0.4 s  failed: there is no module 'shop'"""
    ).replace("  up       in flight", "         up  in flight")


def test_workers_that_are_all_there_are_a_number() -> None:
    """What is missing is what an operator looks for."""
    snapshot = Snapshot("supervisor", "", "1", "", 7, 0, 50.0, "running", wanted=2, serving=2)
    assert "  workers     2\n" in page(snapshot, 60.0)


def test_a_page_of_little_is_short() -> None:
    """What is not known yet takes no line."""
    snapshot = Snapshot("single", "", "1", "", 7, 0, 50.0, "starting")
    assert page(snapshot, 40.0) == (
        "a service\n  state       starting\n  process     7\n  generation  0\n"
        "  up          0 s\n  listening   nowhere\n  mainstay    1"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0 s"),
        (59.99, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_duration_has_two_units(seconds: float, text: str) -> None:
    """Nobody needs the seconds of a week."""
    assert duration(seconds) == text


def test_all_faults_of_a_restart_that_failed_are_shown() -> None:
    """Where the first line only counts them; places in the code are for the log."""
    for reason, shown in (
        (
            "2 problems in the configuration of shop:\n  a: unknown\n  b: unknown",
            "shop: a: unknown; b: unknown",
        ),
        ("4 problems:\n  a\n  b\n  c\n  d", "4 problems: a; b; c; …"),
        ("cannot import 'shop'\n  /srv/shop.py:9: import x", "cannot import 'shop'"),
        ("", "failed: "),
    ):
        outcome = Outcome(100.0, "restart", False, 0.4, reason, 2, 7)
        snapshot = Snapshot("single", "", "1", "", 7, 0, 50.0, "running", restarts=[outcome])
        assert page(snapshot, 100.0).endswith(shown)


def test_memory_that_is_not_known_is_not_zero() -> None:
    """An empty cell says that nobody knows."""
    assert (memory(0), memory(64 * MIB)) == ("", "64 MiB")


def test_a_service_tells_how_it_is(tmp_path: Path) -> None:
    """The JSON has every member, and numbers as numbers."""
    with service(tmp_path) as own:
        status = own.status()
        pid = own.process.process.pid
        (worker,) = status["workers"]
        assert (status["name"], status["target"], status["pid"]) == ("good", "good:service", pid)
        assert (status["role"], status["state"], status["generation"]) == ("single", "running", 0)
        assert (worker["pid"], worker["state"], worker["in_flight"]) == (pid, "serving", 0)
        assert os.sysconf("SC_PAGE_SIZE") < worker["memory"]
        assert own.ask("status").out.startswith("good\n  state       running\n")


SLOW = """
    import asyncio
    from mainstay import Service
    service = Service("good")

    @service.on_start
    async def wait() -> None:
        print("the start runs on", flush=True)
        await asyncio.sleep(3600)
"""


def test_a_service_that_starts_answers(tmp_path: Path) -> None:
    """Its state is asked for most when the start takes long, and it can be stopped then."""
    with service(tmp_path, module=SLOW) as own:
        status = own.status()
        assert (status["state"], status["workers"][0]["state"]) == ("starting", "starting")
        refused = own.ask("restart")
        assert (refused.code, "the service is starting" in refused.err) == (75, True)
        refused = own.ask("drain")
        assert (refused.code, "the service is starting" in refused.err) == (75, True)
        assert own.ask("stop").code == 0
        own.process.end()
