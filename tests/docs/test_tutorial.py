"""The tutorial does what it says, page by page, from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import ROOT
from tests.docs.tutorial import PAGES, Reader, matches

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_works(page: Path, tmp_path: Path) -> None:
    """With the files of the pages before it, each command prints what the page shows; and at its
    end all the tests that there are by then pass, those of earlier pages included."""
    reader = Reader(tmp_path)
    for earlier in PAGES[: PAGES.index(page)]:
        reader.skim(earlier.read_text("utf-8"))
    try:
        for command, shown, printed in reader.read(page.read_text("utf-8")):
            assert matches(shown, printed), (
                f"$ {command}\n{printed}\n--- the page shows\n{shown}\n--- logged\n{reader.rest()}"
            )
    finally:
        reader.stop()
    if (tmp_path / "tests").exists():
        printed = reader.type("python -m pytest -q -W error && echo all of them", "")
        assert printed.endswith("all of them\n"), printed


def check(folder: Path, *command: str) -> str:
    """What a tool has to say about a folder."""
    done = subprocess.run(
        [sys.executable, "-m", *command, "."],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_files_of_the_page_have_our_form(page: Path, tmp_path: Path) -> None:
    """They are formatted as the project is, and have no import and no name too many."""
    reader = Reader(tmp_path)
    for each in PAGES[: PAGES.index(page) + 1]:
        reader.skim(each.read_text("utf-8"))
    rules = ("--isolated", "--line-length=100")
    assert check(tmp_path, "ruff", "format", *rules, "--diff") == ""
    lint = (
        "--select=E,F,I,B,UP,D1,ASYNC,RET,SIM",
        "--ignore=E501,D107",
        '--config=lint.isort.known-first-party=["mainstay"]',
    )
    assert check(tmp_path, "ruff", "check", *rules, *lint) == ""


def test_the_program_is_typed(tmp_path: Path) -> None:
    """At the end of the last page, strictly; so are its tests."""
    reader = Reader(tmp_path)
    for page in PAGES:
        reader.skim(page.read_text("utf-8"))
    packages = ("--explicit-package-bases", "--namespace-packages")
    assert check(tmp_path, "mypy", "--strict", *packages) == ""
