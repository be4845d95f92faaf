"""``mainstay drain``, ``resume`` and ``logs-reopen``, on a service that runs."""

from __future__ import annotations

from pathlib import Path

from tests.cli.controls import service
from tests.cli.world import Done


def test_a_service_accepts_nothing_until_it_is_to_again(tmp_path: Path) -> None:
    """Both can be said twice and say what the service does now; the status shows which was last."""
    with service(tmp_path) as own:
        said = {
            "drain": "accepts no connections for now; those there are go on",
            "resume": "accepts connections again",
        }
        for command, state in (("drain", "draining"), ("resume", "running")):
            for _ in range(2):
                line = f"process {own.process.process.pid} {said[command]}\n"
                assert own.ask(command) == Done(0, line, "")
            assert own.status()["state"] == state


def test_a_drained_service_can_be_stopped(tmp_path: Path) -> None:
    """To stop is what it was drained for, mostly."""
    with service(tmp_path) as own:
        own.ask("drain")
        assert own.ask("stop").code == 0
        assert own.process.end() == 0


def test_logs_are_opened_anew(tmp_path: Path) -> None:
    """What was written before is in the file that was moved away, what comes then in a new one."""
    with service(tmp_path) as own:
        line = f"process {own.process.process.pid} opens its log files anew\n"
        assert own.ask("logs-reopen") == Done(0, line, "")
        own.process.wait_line("by the control socket: reopen_logs")
