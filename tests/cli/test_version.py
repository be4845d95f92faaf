"""Facts about ``mainstay version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner

from mainstay.cli import version
from mainstay.version import VERSION
from tests.cli.world import mainstay


def test_the_versions_of_a_bug_report_are_shown(tmp_path: Path) -> None:
    """mainstay's, the interpreter's, the system's, and those of what it stands on."""
    done = mainstay("version", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"mainstay {VERSION}"
    assert lines[1] == f"{platform.python_implementation()} {platform.python_version()}"
    assert lines[2].startswith(platform.system())
    assert [line.split()[0] for line in lines[3:]] == ["uvloop", "msgspec", "structlog", "click"]


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not everything is installed everywhere; a report then says so."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert "uvloop is not installed\n" in CliRunner().invoke(version.command).output
