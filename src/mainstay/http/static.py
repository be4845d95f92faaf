"""The files below a folder, for everybody to read.

What a peer may reach is decided before the disk is touched, from the decoded path alone: no
segment is empty, ``.`` or ``..``, none begins with a dot unless that is allowed, and there is no
NUL and no backslash. What is left is resolved, and must still be below the folder, so a symbolic
link does not lead out of it. Everything that is refused looks like what is missing: 404.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from mainstay.core.metadata import Metadata
from mainstay.errors import HttpError, NotFound, UsageError
from mainstay.http.files import File, FilePlan
from mainstay.http.media_types import guess_type
from mainstay.http.negotiation import accepts_type
from mainstay.http.replies import Redirect
from mainstay.http.request import Request
from mainstay.http.response import Response

__all__ = ["Static"]

_METHODS: Final = ("GET", "HEAD")


class Static:
    """Serves the files below `directory`; a route's handler is `serve`.

    Args:
        directory: exists when it is made.
        index: the file that stands for a folder; None for none.
        fallback: a file below `directory` that is sent, fresh each time, to browsers that ask for
            a page that does not exist: the shell of an application that routes by itself.
        cache_control: the field of that name; None leaves it to browsers, which ask again after a
            while, and get 304.
        dotfiles: whether names that begin with a dot are served.
        precompressed: see `File`.

    Raises: UsageError when `directory` is no folder, or `fallback` no file in it.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        index: str | None = "index.html",
        fallback: str | None = None,
        cache_control: str | None = None,
        dotfiles: bool = False,
        precompressed: bool = True,
    ) -> None:
        self._root = Path(directory).resolve()
        if not self._root.is_dir():
            raise UsageError(f"static files: {os.fspath(directory)!r} is no folder")
        if fallback is not None and not (self._root / fallback).is_file():
            raise UsageError(f"static files: the fallback {fallback!r} is no file in the folder")
        self._index = index
        self._fallback = fallback
        self._cache_control = cache_control
        self._dotfiles = dotfiles
        self._precompressed = precompressed

    async def serve(self, request: Request, path: str = "") -> Response:
        """The file at `path`, which is relative to the folder and decoded.

        Raises: NotFound for what is not there or may not be reached; HttpError 405 for a method
        other than GET and HEAD; what `File` raises.
        """
        if request.method not in _METHODS:
            message = "files are for reading: use GET or HEAD"
            allow = {"allow": ", ".join(_METHODS)}
            raise HttpError(405, message, headers=allow, reason="METHOD_NOT_ALLOWED")
        try:
            return await _Below(self, path, request.path.endswith("/")).prepare(request)
        except _SlashWantedError:
            return _with_slash(request)
        except NotFound:
            return await self._missing(request)

    async def _missing(self, request: Request) -> Response:
        wants_page = "text/html" in (request.headers.get("accept") or "")
        if self._fallback is None or not (
            wants_page and accepts_type(request.headers.get("accept"), "text/html")
        ):
            raise NotFound("there is no such file")
        # Never kept: it names the files of the current version.
        file = File(
            self._root / self._fallback,
            cache_control="no-cache",
            precompressed=self._precompressed,
        )
        file.headers.vary("accept")
        return await file.prepare(request)

    def _find(self, path: str) -> _Folder | str | None:
        """What `path` leads to, in a thread: a folder, a file, or nothing."""
        is_folder = path == "" or path.endswith("/")
        segments = path.removesuffix("/").split("/") if path else []
        if not all(self._allowed(segment) for segment in segments):
            return None
        target = self._inside(self._root.joinpath(*segments))
        if target is None:
            return None
        try:
            mode = os.stat(target).st_mode  # noqa: PTH116 (a string, on the way to a descriptor)
        except OSError:
            return None
        if stat.S_ISDIR(mode):
            index = None
            if self._index is not None:
                index = self._inside(Path(target, self._index))
            return None if index is None or not os.path.isfile(index) else _Folder(index)  # noqa: PTH113
        return None if is_folder or not stat.S_ISREG(mode) else target

    def _allowed(self, segment: str) -> bool:
        if segment in ("", ".", "..") or "\0" in segment or "\\" in segment:
            return False
        return self._dotfiles or not segment.startswith(".")

    def _inside(self, path: Path) -> str | None:
        """Where `path` leads, when that is below the folder."""
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError, ValueError):  # links in a circle, names too long
            return None
        return str(resolved) if resolved.is_relative_to(self._root) else None

    def __repr__(self) -> str:
        return f"<Static {str(self._root)!r}>"


class _Folder:
    """A folder, with the file that stands for it."""

    __slots__ = ("index",)

    def __init__(self, index: str) -> None:
        self.index = index


class _SlashWantedError(Exception):
    """The path is that of a folder, and the links of its page would lead astray."""


class _Below(File):
    """The file at a path below a folder; found and opened by one visit to a thread."""

    __slots__ = ("_ends_with_slash", "_relative", "_static")

    def __init__(self, static: Static, relative: str, ends_with_slash: bool) -> None:
        super().__init__(
            "", cache_control=static._cache_control, precompressed=static._precompressed
        )
        self._static = static
        self._relative = relative
        self._ends_with_slash = ends_with_slash

    def _look(self, offered: Sequence[str], method: str, headers: Metadata) -> FilePlan:
        found = self._static._find(self._relative)
        if isinstance(found, _Folder):
            if not self._ends_with_slash:
                raise _SlashWantedError
            found = found.index
        if found is None:
            raise NotFound("there is no such file")
        self._path = found
        self.content_type = guess_type(found)
        return super()._look(offered, method, headers)


def _with_slash(request: Request) -> Response:
    # Relative, and with ./ in front, so that no name can make it lead to another host or scheme.
    last = request.path.rpartition("/")[2]
    query = f"?{request.query_string}" if request.query_string else ""
    return Redirect(f"./{quote(last)}/{query}", 308)
