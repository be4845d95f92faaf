"""``mainstay completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mainstay.cli.exits import Command

__all__ = ["command"]


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: mainstay completion bash > ~/.local/share/bash-completion/completions/mainstay
    zsh:  mainstay completion zsh > "${fpath[1]}/_mainstay"
    fish: mainstay completion fish > ~/.config/fish/completions/mainstay.fish
    """  # noqa: D301 - click reads the escape, so the string must not be raw
    made_for = get_completion_class(shell)
    if made_for is None:
        message = f"there is no completion for {shell}"
        raise click.UsageError(message)
    click.echo(made_for(ctx.find_root().command, {}, "mainstay", "_MAINSTAY_COMPLETE").source())
