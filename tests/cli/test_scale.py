"""``mainstay scale``: more workers and fewer, and numbers that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.controls import service
from tests.cli.world import mainstay


@pytest.mark.parametrize(
    "words", [("0",), ("-1",), ("many",), ("good:service",), ("a", "b", "3"), ("2", "a"), ()]
)
def test_a_number_that_is_none_is_a_mistake(words: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing is asked of anybody."""
    done = mainstay("scale", "--control", "control", "--", *words, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")


def test_one_process_has_no_workers_to_scale(tmp_path: Path) -> None:
    """It says how to have some, and goes on."""
    with service(tmp_path) as own:
        done = own.ask("scale", "3")
        assert (done.code, "--workers" in done.err) == (75, True)
        assert own.status()["state"] == "running"


def test_workers_come_and_go(tmp_path: Path) -> None:
    """The command ends when there are as many as asked for; the same number changes nothing."""
    with service(tmp_path, "--workers", "1") as own:
        assert own.ask("scale", "2").out == "2 workers, 1 before\n"
        assert [each["state"] for each in own.status()["workers"]] == ["serving", "serving"]
        assert own.ask("scale", "2").out == "2 workers\n"
        assert own.ask("scale", "1").out == "1 worker, 2 before\n"
