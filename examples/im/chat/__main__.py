"""``python -m examples.im.chat [HOST:PORT]``: sign in, and talk."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

import click

from examples.im import api
from examples.im.chat.client import Client
from examples.im.chat.terminal import Terminal, plain
from examples.im.gateway.talk import gateway
from mainstay.rpc import Channel, RpcFailed, UnauthenticatedFailure

PASSWORD = "IM_PASSWORD"  # noqa: S105 - the name of a variable
"""The variable that has the password, for programs."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target", default="127.0.0.1:8000", metavar="[HOST:PORT]")
@click.option("--name", help="Who you are; asked for otherwise.")
@click.option("--create", is_flag=True, help="Make the account first.")
@click.option("--room", default="lobby", show_default=True, help="Where to go first.")
def main(target: str, name: str | None, create: bool, room: str) -> None:
    """Talk to others from a terminal, or by pipes.

    The password is asked for, twice for a new account, unless the variable IM_PASSWORD has it.
    """
    name = name or click.prompt("Name")
    password = os.environ.get(PASSWORD) or click.prompt(
        "Password", hide_input=True, confirmation_prompt=create
    )
    credentials = api.Credentials(name, password)
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(_talk(target, credentials, create=create, room=room)))


async def _talk(target: str, credentials: api.Credentials, *, create: bool, room: str) -> int:
    try:
        async with Channel(target) as channel:
            stranger = gateway.client(channel)
            sign = stranger.sign_up if create else stranger.sign_in
            session: api.Session = await sign(credentials)
    except UnauthenticatedFailure as error:
        click.echo(plain(f"{error.message} (--create makes an account)"), err=True)
        return 1
    except RpcFailed as error:
        click.echo(plain(error.message), err=True)
        return 1
    metadata = {"authorization": f"Bearer {session.token}"}
    async with Channel(target, metadata=metadata) as channel:
        with Terminal() as terminal:
            terminal.show(f"Hello, {session.account.display}. /help says what you can do.")
            return await Client(gateway.client(channel), terminal, room).run()


if __name__ == "__main__":
    main()
