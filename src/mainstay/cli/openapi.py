"""``mainstay openapi``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from mainstay.cli.exits import Command, Exit, Failure
from mainstay.cli.target import find_service, target_options
from mainstay.service.checking import document

__all__ = ["command"]


@click.command("openapi", cls=Command, exits=[Exit.NOT_IMPORTED, Exit.CONFIG])
@target_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file to write to.")
@click.option("--check", is_flag=True, help="Write nothing, and fail if the file is another.")
def command(
    target: str,
    files: tuple[Path, ...],
    flags: tuple[str, ...],
    output: Path | None,
    check: bool,
) -> None:
    """Write the OpenAPI description of a service, as it answers at /openapi.json.

    With --check it is compared with the file of -o: in CI, that keeps a description that is under
    version control true.
    """
    if check and output is None:
        raise click.UsageError("--check needs the file to compare with: -o FILE")
    declaration = find_service(target).declaration
    said = document(declaration, files=files or None, flags=flags, environ=os.environ)
    text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    elif not check:
        _write(output, text)
    elif _read(output) != text:
        message = f"{output} does not describe {target}; write it with mainstay openapi -o {output}"
        raise Failure(message, Exit.FAILED)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}", Exit.FAILED) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Failure(f"{path} cannot be read: {said}", Exit.FAILED) from None
