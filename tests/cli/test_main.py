"""Facts about the command as a whole: its help, its mistakes, and how errors end it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from mainstay import __version__
from mainstay.cli.exits import Exit
from mainstay.cli.main import cli
from tests.cli.world import GOOD, MAINSTAY, PATIENCE, environment, mainstay, write

HelpOf = Callable[..., str]

COMMANDS = (
    "call",
    "check",
    "completion",
    "config",
    "drain",
    "logs-reopen",
    "openapi",
    "proto",
    "reload",
    "restart",
    "resume",
    "routes",
    "run",
    "scale",
    "status",
    "stop",
    "units",
    "version",
)
CODES = {
    "call": ["0", "1", "2", "5", "6", "78", "130"],
    "check": ["0", "1", "2", "4", "78"],
    "completion": ["0", "1", "2"],
    "config": ["0", "1", "2", "4", "78"],
    "drain": ["0", "1", "2", "6", "75"],
    "logs-reopen": ["0", "1", "2", "6", "75"],
    "openapi": ["0", "1", "2", "4", "78"],
    "proto": ["0", "1", "2", "4"],
    "reload": ["0", "1", "2", "6", "75"],
    "restart": ["0", "1", "2", "6", "75"],
    "resume": ["0", "1", "2", "6", "75"],
    "routes": ["0", "1", "2", "4", "78"],
    "run": ["0", "1", "2", "3", "4", "78", "124", "130"],
    "scale": ["0", "1", "2", "6", "75"],
    "status": ["0", "1", "2", "6"],
    "stop": ["0", "1", "2", "6", "124"],
    "units": ["0", "1", "2", "4", "78"],
    "version": ["0", "1", "2"],
}


def codes(page: str) -> list[str]:
    return re.findall(r"^ +(\d+) ", page.partition("Exit codes:")[2], re.MULTILINE)


def test_the_help_of_the_group_names_every_command(tmp_path: Path) -> None:
    """Each with what it does, in its own help's words; every exit code; what MODULE:NAME is."""
    page = mainstay("--help", cwd=tmp_path)
    assert (page.code, page.err) == (0, "")
    assert "MODULE:NAME" in page.out
    assert codes(page.out) == [str(int(each)) for each in Exit]
    table = page.out.partition("Commands:")[2].partition("Exit codes:")[0]
    listed = re.findall(r"^  ([\w-]+) {2,}(\S.+)$", table, re.MULTILINE)
    assert [name for name, _ in listed] == list(COMMANDS)
    context = click.Context(cli)
    for name, text in listed:
        command = cli.get_command(context, name)
        assert command is not None
        assert str(command.help).startswith(text.rstrip("."))


@pytest.fixture
def help_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> HelpOf:
    """Shows a page in this process, for a terminal of so many columns."""

    def show(*arguments: str, columns: int = 100) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as left:
            cli.main(arguments, prog_name="mainstay")
        shown = capsys.readouterr()
        assert (left.value.code, shown.err) == (0, "")
        return shown.out

    return show


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_is_complete(help_of: HelpOf, name: str) -> None:
    """-h is --help; every option says what it does, and the exit codes are those it may give."""
    page = help_of(name, "--help")
    assert help_of(name, "-h") == page
    assert codes(page) == CODES[name]
    options = page.partition("Options:")[2].partition("Exit codes:")[0]
    assert re.findall(r"^ +(?:-h, )?(--[a-z]+)(?: [A-Z=]+)?$", options, re.MULTILINE) == []


@pytest.mark.parametrize("columns", [20, 80, 400])
def test_the_help_fits_a_page(help_of: HelpOf, columns: int) -> None:
    """100 columns at most, however wide the terminal is; 80 or less where that is all there is."""
    for name in COMMANDS:
        page = help_of(name, "--help", columns=columns)
        prose = [line for line in page.splitlines() if "completion" not in line]
        assert max(map(len, prose)) <= min(max(columns, 80), 100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "no such command 'rnu'; did you mean 'run'?"),
        (["xyzzy"], f"no such command 'xyzzy'; there are {', '.join(COMMANDS)}"),
        (["--hlep"], "'--help'"),
        (["run", "--confg", "x"], "'--config'"),
        (["run"], "MODULE:NAME"),
        (["check", "one", "two"], "two"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    """The message says what was meant, or what there is; stdout stays empty."""
    done = mainstay(*arguments, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_without_a_command_there_is_the_help(tmp_path: Path) -> None:
    """Nothing asked is answered with what could be."""
    done = mainstay(cwd=tmp_path)
    assert done.code == 2
    assert "Commands:" in done.err + done.out


def test_the_version_is_one_line(tmp_path: Path) -> None:
    """For scripts that ask which mainstay this is."""
    assert mainstay("--version", cwd=tmp_path).out == f"mainstay, version {__version__}\n"


def test_ctrl_c_while_the_module_is_imported_is_one_line(tmp_path: Path) -> None:
    """Whatever the command, an import that is interrupted ends with 130 and no traceback."""
    write(tmp_path, slow="raise KeyboardInterrupt")
    for name in ("run", "check", "config"):
        done = mainstay(name, "slow", cwd=tmp_path)
        assert (done.code, done.out, done.err) == (130, "", "interrupted\n")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """`mainstay config … | head -1` shows the line and says nothing on stderr."""
    write(tmp_path, good=GOOD)
    read, write_ = os.pipe()
    os.close(read)
    for arguments in (["config", "good"], ["config", "good", "--json"], ["--help"], ["version"]):
        done = subprocess.run(
            [*MAINSTAY, *arguments],
            cwd=tmp_path,
            env=environment(),
            stdout=write_,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, b"")
    os.close(write_)


def test_closed_standard_streams_are_no_error(tmp_path: Path) -> None:
    """With stdin, stdout and stderr closed the command works, and writes nowhere else."""
    write(tmp_path, good=GOOD)
    for command in ("config good", "check good"):
        closed = ["sh", "-c", f'exec "$0" "$@" {command} <&- >&- 2>&-', *MAINSTAY]
        done = subprocess.run(
            closed, cwd=tmp_path, env=environment(), timeout=PATIENCE, check=False
        )
        assert done.returncode == 0


@pytest.mark.parametrize("command", ["config good", "check good", "--help", "version"])
def test_a_full_disk_is_one_line(tmp_path: Path, command: str) -> None:
    """Output that cannot be written is an error of the command, and no traceback."""
    write(tmp_path, good=GOOD)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*MAINSTAY, *command.split()],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    said = "Error: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)
