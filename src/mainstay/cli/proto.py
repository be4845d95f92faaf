"""``mainstay proto``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from mainstay.cli.exits import Command, Exit, Failure, write_exits
from mainstay.cli.target import find_service
from mainstay.errors import UsageError
from mainstay.rpc.extra import package_of

__all__ = ["command"]


class _Group(click.Group):
    """Ends its help with the exit codes of its commands."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_exits(formatter, [Exit.WELL, Exit.FAILED, Exit.USAGE, Exit.NOT_IMPORTED])


@click.group("proto", cls=_Group)
def command() -> None:
    """Write Python for .proto files, and .proto files for Python."""


def _check_option(function: Callable[..., Any]) -> Callable[..., Any]:
    said = "Write nothing, and fail if a file is another."
    return click.option("--check", is_flag=True, help=said)(function)


@command.command("generate", cls=Command)
@click.argument(
    "sources", metavar="SRC...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The package to write to; made if there is none.",
)
@click.option(
    "-I",
    "--include",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder that imports start from; repeatable. [default: the folder of each SRC]",
)
@_check_option
def _generate(sources: tuple[Path, ...], out: Path, include: tuple[Path, ...], check: bool) -> None:
    """Write typed Python for .proto files: messages, servers and clients.

    SRC is a file, or a folder with all files below it. hello/v1/greeter.proto gives
    hello/v1/greeter_proto.py with the messages, greeter_proto.pyi with their types, and
    greeter_rpc.py with the services. What they import is written as well, unless an installed
    package has it (google/protobuf, google/api, google/rpc and others).

    It needs no protoc, but pip install 'mainstay[proto]'; what is written needs only
    mainstay[grpc], in any version of protobuf that goes with it.
    """
    try:
        from mainstay.rpc.proto.generate import generate as texts_of  # noqa: PLC0415 - protobuf
    except ModuleNotFoundError as error:
        raise _not_installed(error, "proto") from None
    _write(texts_of(sources, include), out, "mainstay proto generate", check=check)


@command.command("export", cls=Command, exits=[Exit.NOT_IMPORTED])
@click.argument("target", metavar="MODULE:NAME")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder to write to. [default: stdout]",
)
@_check_option
def _export(target: str, out: Path | None, check: bool) -> None:
    """Write the .proto files of a service's RPC, whatever it was defined by.

    Comments are the docstrings of functions and classes. The same service always gives the same
    text.
    """
    if check and out is None:
        raise click.UsageError("--check needs the folder to compare with: -o DIR")
    declaration = find_service(target).declaration
    if not declaration.rpc:
        raise UsageError(f"{target} has no service of RPC")
    try:
        from mainstay.rpc.proto.export import export as texts_of  # noqa: PLC0415 - protobuf
    except ModuleNotFoundError as error:
        raise _not_installed(error, "grpc") from None
    texts = texts_of(declaration.rpc.values())
    if out is not None:
        _write(texts, out, f"mainstay proto export {target}", check=check)
        return
    for number, (name, text) in enumerate(texts.items()):
        if len(texts) > 1:
            click.echo(f"{'' if number == 0 else chr(10)}// --- {name}")
        click.echo(text, nl=False)


def _not_installed(error: ModuleNotFoundError, extra: str) -> Exception:
    package = package_of(error)
    if package is None:
        return error
    return UsageError(f"{package} is not installed; pip install 'mainstay[{extra}]'")


def _write(texts: Mapping[str, str], out: Path, command: str, *, check: bool) -> None:
    from mainstay.rpc.proto.generate import outdated, write  # noqa: PLC0415 - loads protobuf

    if not check:
        for path in write(texts, out):
            click.echo(path)
        return
    old = outdated(texts, out)
    if old:
        said = "".join(f"\n  {path}" for path in old)
        message = f"out of date; write again with {command} -o {out}:{said}"
        raise Failure(message, Exit.FAILED)
