"""Typed Python for ``.proto`` files: what ``mainstay proto generate`` writes.

For ``hello/v1/greeter.proto`` there is ``hello/v1/greeter_proto.py`` with the messages, a stub file
with their types beside it, and, if the file has services, ``hello/v1/greeter_rpc.py`` with a base
class for servers and a client for each. The folder that all of it stands in is a package: what is
written imports one another relatively, so it works wherever the folder is put.

The same files give the same text, so that it can be under version control and checked in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mainstay.errors import UsageError
from mainstay.rpc.proto.compiler import compile_files
from mainstay.rpc.proto.messages import messages_module
from mainstay.rpc.proto.names import module_of
from mainstay.rpc.proto.plan import MESSAGES, SERVICES, Plan
from mainstay.rpc.proto.services import services_module
from mainstay.rpc.proto.stubs import messages_stub

__all__ = ["generate", "outdated", "write"]


def generate(
    paths: Iterable[str | os.PathLike[str]], include: Iterable[str | os.PathLike[str]] = ()
) -> dict[str, str]:
    """The text of every module, by its path below the folder that they go to.

    Files that are imported, and that no installed package has as Python, are written as well.

    Args:
        paths: files and folders.
        include: folders that the names in ``import`` start from.

    Raises: UsageError, as of `load_proto`, and when two files would be one module.
    """
    plan = Plan(compile_files(paths, include))
    made: dict[str, str] = {}
    origins: dict[str, str] = {}
    for file in plan.files:
        messages = "/".join(module_of(file.name, MESSAGES))
        texts = {
            f"{messages}.py": messages_module(file, plan),
            f"{messages}.pyi": messages_stub(file, plan),
        }
        if file.service:
            texts["/".join(module_of(file.name, SERVICES)) + ".py"] = services_module(file, plan)
        for path, text in texts.items():
            if path in made:
                raise UsageError(
                    f"{origins[path]} and {file.name} would both be written as {path}; "
                    "rename one of them"
                )
            made[path], origins[path] = text, file.name
    folders = {str(parent) for path in made for parent in Path(path).parents}
    packages = {str(Path(folder, "__init__.py")): "" for folder in folders}
    return dict(sorted({**packages, **made}.items()))


def outdated(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """The files of `texts` that are missing in `folder`, or say something else.

    An ``__init__.py`` may say anything: it is made where there is none, and then its owner's.

    Raises: UsageError for one that cannot be read.
    """
    return [folder / path for path, text in texts.items() if _differs(folder / path, text)]


def write(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write what is `outdated`; the files that were written.

    Raises: UsageError for one that cannot be read or written.
    """
    written = outdated(texts, folder)
    for path in written:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path.relative_to(folder).as_posix()], encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return written


def _differs(path: Path, text: str) -> bool:
    try:
        found = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{path} cannot be read: {said}") from None
    return path.name != "__init__.py" and found != text
