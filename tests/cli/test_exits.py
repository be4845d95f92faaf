"""Facts about the exit codes: one table, complete, and the same as the service's own."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from mainstay import errors
from mainstay.cli.exits import MEANINGS, Command, Exit, Failure, exit_of
from mainstay.cli.main import cli
from mainstay.service import guard, hosting
from mainstay.service.phases import StopReport

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "command-line.md"


def test_every_exit_code_has_a_meaning() -> None:
    """The help can say what each is."""
    assert list(MEANINGS) == list(Exit)


def test_the_page_lists_the_same_codes() -> None:
    """docs/howto/command-line.md has a row for each code, in the words of the help."""
    rows = re.findall(r"^\| `(\d+)` \| (.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(str(int(code)), text) for code, text in MEANINGS.items()]


def test_the_page_says_which_command_gives_which_code() -> None:
    """Neither a command nor one of its codes is left out."""
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `(\d+)` \| .+? \| (.+) \|$", text, re.MULTILINE)
    given = {Exit(int(code)): set(re.findall(r"`(.+?)`", names)) for code, names in rows}
    listed = " ".join(re.findall(r"^\| (`mainstay .+?`) \|", text, re.MULTILINE))
    context = click.Context(cli)
    for name in cli.list_commands(context):
        assert re.search(rf"`(?:mainstay )?{name}[ `]", listed), name
        command = cli.get_command(context, name)
        parts = command.commands.values() if isinstance(command, click.Group) else [command]
        exits = {each for part in parts if isinstance(part, Command) for each in part.exits}
        own = {code for code, names in given.items() if name in names}
        assert own == exits - {code for code, names in given.items() if not names}, name


def test_a_running_service_gives_the_same_codes() -> None:
    """`Service.run` returns numbers of this table."""
    told = (hosting.NOT_STARTED, hosting.NOT_CONFIGURED, guard.CUT)
    assert told == (Exit.NOT_STARTED, Exit.CONFIG, Exit.CUT)
    failed = StopReport("a component failed", (), cut=False, failure=OSError("no"))
    assert failed.exit_code == Exit.FAILED
    assert StopReport("a signal", (), cut=True).exit_code == Exit.CUT


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("no"), Exit.CONFIG),
        (errors.WiringError("no"), Exit.USAGE),
        (errors.UsageError("no"), Exit.USAGE),
        (errors.StartError("it", OSError("no")), Exit.FAILED),
    ],
)
def test_an_error_has_its_exit_code(error: errors.Error, code: Exit) -> None:
    """By whose fault it is: the operator's values, the program, the world."""
    assert exit_of(error) is code


def test_a_failure_is_one_message() -> None:
    """Click shows it as one line, and exits with its code."""
    failure = Failure("it broke", Exit.CUT)
    assert (failure.exit_code, failure.format_message()) == (Exit.CUT, "it broke")


def test_a_command_shows_what_it_may_give() -> None:
    """Its own codes and those of every command, in order, below the options."""
    command = Command("x", exits=[Exit.CONFIG])
    page = command.get_help(click.Context(command))
    codes = re.findall(r"^ +(\d+) ", page.partition("Exit codes:")[2], re.MULTILINE)
    assert codes == ["0", "1", "2", "78"]
