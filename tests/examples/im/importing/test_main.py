"""Facts about ``python -m examples.im.importing``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from examples.im.importing.__main__ import main

LOG = """\
--- Log opened Mon Nov 16 12:00:00 2009
12:00 <@ada> hello
12:01 < bob> hi
?
"""


def run(folder: Path, *arguments: str) -> Result:
    """The command, with a database in the folder."""
    variables = {"IM__DATABASE__URL": f"sqlite:///{folder}/chat.db"}
    return CliRunner().invoke(main, arguments, env=variables)


def test_a_log_is_imported_once(tmp_path: Path) -> None:
    """The summary is on stdout; progress and problems are on stderr, as plain lines."""
    log = tmp_path / "#salon.log"
    log.write_text(LOG)
    first = run(tmp_path, "irssi", str(log), "--zone", "Europe/Berlin")
    assert first.exit_code == 0
    assert first.stdout.startswith("2 messages by 2 authors in 1 room in ")
    assert first.stdout.endswith(": 2 added, 0 known already, 1 problem\n")
    assert first.stderr.startswith("reading ")
    assert f"{log}:4: a line without a time\n" in first.stderr
    assert "\x1b" not in first.stderr
    again = run(tmp_path, "irssi", str(log), "--zone", "Europe/Berlin")
    assert again.stdout.endswith(": 0 added, 2 known already, 1 problem\n")


@pytest.mark.parametrize("command", ["irssi", "weechat", "slack", "debian"])
def test_what_is_not_there_fails(tmp_path: Path, command: str) -> None:
    """If nothing else was read: the exit code says it to scripts."""
    result = run(tmp_path, command, str(tmp_path / "gone"))
    assert result.exit_code == 1
    assert "gone" in result.stderr


def test_a_limit_is_kept(tmp_path: Path) -> None:
    """It counts messages."""
    log = tmp_path / "#salon.log"
    log.write_text(LOG)
    result = run(tmp_path, "irssi", str(log), "--limit", "1")
    assert result.stdout.startswith("1 message by 1 author")


def test_a_zone_that_is_none_is_refused(tmp_path: Path) -> None:
    """Before anything is read."""
    result = run(tmp_path, "irssi", str(tmp_path), "--zone", "Atlantis")
    assert result.exit_code == 2
    assert "no time zone" in result.stderr


def test_weechat_has_the_same_options(tmp_path: Path) -> None:
    """As one who moved from one to the other wants."""
    log = tmp_path / "ada.weechatlog"
    log.write_text("2009-11-16 12:01:07\t@ada\thello\n")
    result = run(tmp_path, "weechat", str(log), "--room", "salon", "--zone", "UTC")
    assert result.stdout.startswith("1 message ")
