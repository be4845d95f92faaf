"""``mainstay restart`` and ``reload``: what is shown, what is waited for, and the exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.cli.controls import service
from tests.cli.world import PATIENCE, write

BROKEN = "import nothing_of_that_name\n"
HELD = """
    import asyncio
    from pathlib import Path
    from mainstay import Service
    service = Service("good")

    @service.on_start
    async def hold() -> None:
        while Path("hold").exists():
            await asyncio.sleep(0.01)
"""


def test_a_restart_is_shown_step_by_step(tmp_path: Path) -> None:
    """A new process serves at the end, and the socket leads to it; the history goes with it."""
    with service(tmp_path) as own:
        old = own.process.process.pid
        done = own.ask("restart")
        assert (done.code, done.err) == (0, "")
        steps, end = done.out.splitlines()
        found = re.search(r"generation 1 serves as process (\d+), after", end)
        assert found is not None
        pid = int(found[1])
        assert f"started process {pid} · prepared in" in steps
        assert own.process.process.wait(PATIENCE) == 0
        status = own.status()
        assert (status["pid"], status["generation"]) == (pid, 1)
        assert pid != old
        (outcome,) = status["restarts"]
        assert (outcome["ok"], outcome["pid"], outcome["generation"]) == (True, pid, 1)
        assert own.ask("stop").code == 0
        assert own.gone(pid)
    assert not own.control.exists()


def test_a_new_generation_that_does_not_start_changes_nothing(tmp_path: Path) -> None:
    """The reason is shown, the exit code is 75, and the same process serves on."""
    with service(tmp_path) as own:
        write(tmp_path, good=BROKEN)
        done = own.ask("restart")
        assert done.code == 75
        assert "no restart; the service goes on as it was:" in done.err
        assert "nothing_of_that_name" in done.err
        status = own.status()
        assert (status["pid"], status["state"]) == (own.process.process.pid, "running")
        assert [each["ok"] for each in status["restarts"]] == [False]


def test_an_outcome_can_be_had_as_json(tmp_path: Path) -> None:
    """Nothing else is on stdout, whether it went well or not."""
    with service(tmp_path) as own:
        write(tmp_path, good=BROKEN)
        done = own.ask("reload", "--json")
        outcome = json.loads(done.out)
        assert (done.code, outcome["ok"], outcome["kind"]) == (75, False, "reload")


def test_a_restart_that_is_not_waited_for_goes_on(tmp_path: Path) -> None:
    """The command ends with the first step; a second restart is refused meanwhile."""
    with service(tmp_path, module=HELD) as own:
        old = own.process.process.pid
        (tmp_path / "hold").touch()
        done = own.ask("restart", "--no-wait")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("started process")
        status = own.status()
        assert (status["state"], len(status["workers"]), status["pid"]) == ("restarting", 2, old)
        for option in ("--no-wait", "--json"):
            refused = own.ask("restart", option)
            assert (refused.code, "a restart is under way" in refused.err) == (75, True)
        (tmp_path / "hold").unlink()
        assert own.process.process.wait(PATIENCE) == 0
        assert own.status()["generation"] == 1


def test_a_supervisor_replaces_workers_and_itself(tmp_path: Path) -> None:
    """Its own process stays in a restart and a reload, and changes only when that is asked for."""
    with service(tmp_path, "--workers", "1") as own:
        pid = own.status()["pid"]
        for command in (("restart",), ("reload",)):
            assert own.ask(*command).code == 0
            assert own.status()["pid"] == pid
        done = own.ask("restart", "--supervisor")
        assert (done.code, done.err) == (0, "")
        status = own.status()
        assert status["pid"] != pid
        assert [each["kind"] for each in status["restarts"]] == ["restart", "reload", "replace"]
