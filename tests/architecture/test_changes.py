"""Changelog fragments are named and written as changes/README.md says."""

import re
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed)\.md")


def violations(folder: Path) -> list[str]:
    """One line for each file that is no fragment."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name == "README.md":
            continue
        text = path.read_text(encoding="utf-8")
        if not NAME.fullmatch(path.name):
            found.append(f"{path.name} is not named <topic>.<added|changed|fixed|removed>.md")
        elif not is_sentence(text):
            found.append(f"{path.name} is not one sentence on one line")
    return found


def is_sentence(text: str) -> bool:
    """Whether it is one line that ends as one sentence does; code may have any dots."""
    prose = re.sub(r"`[^`]*`", "code", text)
    return re.fullmatch(r"\S[^\n]*\.\n", prose) is not None and not re.search(r"\. [A-Z]", prose)


def test_every_fragment_can_go_into_the_changelog() -> None:
    """Each is named by topic and kind, and holds one sentence."""
    assert violations(ROOT / "changes") == []


@pytest.mark.parametrize("name", ["scope.md", "Scope.added.md", "scope.new.md", "a_b.fixed.md"])
def test_a_wrong_name_is_found(tmp_path: Path, name: str) -> None:
    """Topic in lower case with hyphens, a known kind, and nothing else."""
    (tmp_path / name).write_text("A sentence.\n")
    assert len(violations(tmp_path)) == 1


@pytest.mark.parametrize("text", ["", "No full stop\n", "One. Two.\n", "First.\n\nSecond.\n"])
def test_a_wrong_text_is_found(tmp_path: Path, text: str) -> None:
    """One sentence, on one line."""
    (tmp_path / "scope.added.md").write_text(text)
    assert violations(tmp_path) == ["scope.added.md is not one sentence on one line"]


def test_code_may_have_dots(tmp_path: Path) -> None:
    """A name with dots in it ends no sentence."""
    (tmp_path / "README.md").write_text("Anything")
    (tmp_path / "scope-2.added.md").write_text("`Scope. Current()` and 3.14 work.\n")
    assert violations(tmp_path) == []
