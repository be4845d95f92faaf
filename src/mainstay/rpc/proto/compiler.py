"""From ``.proto`` files to their descriptors, by the compiler that grpcio-tools brings.

It runs as a process of its own: it is a program, says its errors on stderr, and keeps what it has
loaded. One run takes less than a tenth of a second. Nothing is searched for on the machine, so the
same files give the same descriptors wherever the same version is installed.

A file's name, for the compiler and for whoever imports it, is its path below a root. Roots are, in
this order: the folders to include, the folder of a file that lies in none of them, and where the
installed packages have Google's common files (``google/api``, ``google/rpc``, …). The well-known
types (``google/protobuf``) come with the compiler.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from mainstay.errors import UsageError

__all__ = ["Compiled", "compile_files", "installed_roots"]

TIMEOUT: Final = 60.0
"""Seconds for one run; a hundred files take less than one."""

_PLACE: Final = re.compile(r"(?P<file>[^:]+\.proto):(?P<rest>.*)")
_LOG: Final = re.compile(r"[IWEF]\d{4} |WARNING: All log messages before absl")
"""What the compiler's library says, and not the compiler."""
_COMMON: Final = "google/api/http.proto"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler made of some files.

    Attributes:
        names: of the files asked for, such as ``hello/v1/greeter.proto``.
        files: these and all that they import, with comments; what is imported stands first.
        roots: folders that belong to the caller, below which files have their names.
    """

    names: tuple[str, ...]
    files: tuple[FileDescriptorProto, ...]
    roots: tuple[Path, ...]


def compile_files(
    paths: Iterable[str | os.PathLike[str]], include: Iterable[str | os.PathLike[str]] = ()
) -> Compiled:
    """Compile ``.proto`` files, and all of those in the folders among `paths`.

    Args:
        paths: at least one file or folder; a folder is a root as well.
        include: folders that the names in ``import`` start from.

    Raises: UsageError with every fault that the compiler found, as ``file:line:column``; or that
        says what to install.
    """
    sources, roots = _sources(paths, include)
    if find_spec("grpc_tools") is None:
        raise UsageError(
            "the compiler of .proto files is not installed; pip install 'mainstay[proto]'"
        )
    with TemporaryDirectory(prefix="mainstay-proto-") as folder:
        out = Path(folder, "set")
        everywhere = (*roots, *installed_roots())
        # -P: a folder named grpc_tools or google in the working directory is not imported.
        command = [sys.executable, "-P", "-m", "grpc_tools.protoc"]
        command += [f"--proto_path={root}" for root in everywhere]
        command += ["--include_imports", "--include_source_info"]
        command += [f"--descriptor_set_out={out}", *map(str, sources)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter, and names of files
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise UsageError(f"the .proto compiler took more than {TIMEOUT:g} s") from None
        if done.returncode:
            raise _refused(done.stderr.decode("utf-8", "replace"), everywhere)
        made = FileDescriptorSet.FromString(out.read_bytes())
    names = tuple(dict.fromkeys(_name(source, roots) for source in sources))
    return Compiled(names, tuple(made.file), tuple(roots))


def installed_roots() -> list[Path]:
    """Where the installed packages have Google's common files."""
    entries = [Path(entry) for entry in sys.path if entry]
    return [entry for entry in dict.fromkeys(entries) if entry.joinpath(_COMMON).is_file()]


def _sources(
    paths: Iterable[str | os.PathLike[str]], include: Iterable[str | os.PathLike[str]]
) -> tuple[list[Path], list[Path]]:
    """The files to compile and the caller's roots, all absolute."""
    roots = []
    for each in include:
        root = Path(os.path.abspath(each))  # noqa: PTH100 - a link keeps its own name
        if not root.is_dir():
            raise UsageError(f"{os.fspath(each)!r} is no folder to include .proto files from")
        roots.append(root)
    sources: list[Path] = []
    for each in paths:
        path = Path(os.path.abspath(each))  # noqa: PTH100 - as above
        if path.is_dir():
            roots += [] if _inside(path, roots) else [path]
            found = sorted(path.rglob("*.proto"))
            if not found:
                raise UsageError(f"there is no .proto file in {os.fspath(each)!r}")
            sources += found
        elif not path.is_file():
            raise UsageError(f"there is no file {os.fspath(each)!r}")
        else:
            roots += [] if _inside(path, roots) else [path.parent]
            sources.append(path)
    if not sources:
        raise UsageError("no .proto file is named")
    return sources, list(dict.fromkeys(roots))


def _inside(path: Path, roots: Sequence[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _name(source: Path, roots: Sequence[Path]) -> str:
    root = next(root for root in roots if source.is_relative_to(root))
    return source.relative_to(root).as_posix()


def _refused(said: str, roots: Sequence[Path]) -> UsageError:
    """The compiler's faults, with paths that can be opened in place of names below roots."""
    lines = []
    missing = False
    for line in said.splitlines():
        if ": warning: " in line or _LOG.match(line):
            continue
        missing = missing or line.endswith(": File not found.")
        place = _PLACE.fullmatch(line)
        lines.append(f"{_shown(place['file'], roots)}:{place['rest']}" if place else line)
    if missing:
        lines.append("imports start from the folders to include, and from the file's own folder")
    return UsageError("\n".join(lines) or "the .proto compiler failed, and did not say why")


def _shown(name: str, roots: Sequence[Path]) -> str:
    for root in roots:
        path = root / name
        if path.is_file():
            here = Path.cwd()
            return str(path.relative_to(here) if path.is_relative_to(here) else path)
    return name
