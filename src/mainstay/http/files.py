"""A file as a reply: types, conditions, ranges, precompressed siblings, read in threads.

One visit to a thread opens the file, looks at it and, when it is small, reads it: a small file
costs one visit, an unchanged one too. A larger one is read `CHUNK` bytes at a time, each when the
peer has taken the one before.

What was opened is what is sent: size, tag and content are of one descriptor, so a file replaced
meanwhile is sent as it was. One that shrinks under our hands breaks the reply off, visibly.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from mainstay.core.metadata import Metadata
from mainstay.core.scope import Scope
from mainstay.core.threads import to_thread
from mainstay.errors import BrokenError, HttpError, NotFound
from mainstay.http.conditional import Verdict, format_date, judge, may_send_ranges, parse_ranges
from mainstay.http.descriptor import Descriptor
from mainstay.http.headers import HeaderSource
from mainstay.http.media_types import content_disposition, guess_type
from mainstay.http.negotiation import preferred_encoding
from mainstay.http.request import Request
from mainstay.http.response import Prepared, Response

__all__ = ["CHUNK", "SIBLINGS", "SMALL", "File", "FilePlan"]

CHUNK: Final = 256 * 1024
"""Bytes read by one visit to a thread."""

SMALL: Final = 64 * 1024
"""A file up to this size is read as it is opened, and sent in one write."""

SIBLINGS: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Content codings and the endings of files that have them, best first."""

_MISSING: Final = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL,
                   errno.ENXIO, errno.EISDIR}  # fmt: skip

_log = logging.getLogger(__name__)


class File(Prepared):
    """The content of a file, as much of it as the peer asks for.

    Args:
        path: from wherever the program got it. A path made of what a peer sent lets the peer
            choose: use `Static` for that.
        content_type: guessed from the name unless given.
        download_as: the name under which the browser offers to save it, instead of showing it.
        headers: more fields.
        cache_control: the field of that name; None for none.
        precompressed: whether ``path.br``, ``path.zst`` or ``path.gz`` is sent in its place when
            the peer accepts it. A sibling older than the file is not.

    When it is prepared it raises NotFound for what is no readable file, and HttpError 412 and 416.
    """

    __slots__ = ("_path", "_precompressed")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        content_type: str | None = None,
        download_as: str | None = None,
        headers: HeaderSource | None = None,
        cache_control: str | None = None,
        precompressed: bool = False,
    ) -> None:
        name = os.fspath(path)
        super().__init__(b"", 200, headers, content_type=content_type or guess_type(name))
        self._path = name
        self._precompressed = precompressed
        if download_as is not None:
            self.headers.set("content-disposition", content_disposition(download_as))
        if cache_control is not None:
            self.headers.set("cache-control", cache_control)

    async def prepare(self, request: Request) -> Response:
        """See `Prepared.prepare`."""
        offered: list[str] = []
        if self._precompressed:
            self.headers.vary("accept-encoding")
            # Not for ranges: those of coded bytes are of no use to most who ask for ranges.
            if "range" not in request.headers:
                offered = _acceptable(request.headers.get("accept-encoding"))
        plan = await to_thread(self._look, offered, request.method, request.headers)
        response = Response(b"", 200, self.headers, content_type=self.content_type)
        response.after = self.after
        headers = response.headers
        headers.set("etag", plan.etag)
        headers.set("last-modified", format_date(plan.modified))
        headers.set("accept-ranges", "bytes")
        if plan.coding is not None:
            headers.set("content-encoding", plan.coding)
        if plan.verdict is Verdict.FAILED:
            message = "the file is not in the state that the request is for"
            raise HttpError(412, message, reason="PRECONDITION_FAILED")
        if plan.verdict is Verdict.NOT_MODIFIED:
            response.status = 304
            response.content_type = None
            return response
        if plan.ranges == []:
            message = "none of the ranges asked for is in the file"
            whole = {"content-range": f"bytes */{plan.size}"}
            raise HttpError(416, message, headers=whole, reason="RANGE_NOT_SATISFIABLE")
        _fill(response, plan, request.method)
        return response

    def _look(self, offered: Sequence[str], method: str, headers: Metadata) -> FilePlan:
        """What there is, in a thread; `Static` finds out first which file it is."""
        return _open(self._path, offered, method, headers)

    def __repr__(self) -> str:
        return f"<File {self._path!r} {self.content_type}>"


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What was found, and what of it to send: `content` when it is small, else `file`."""

    etag: str
    modified: int
    size: int
    coding: str | None
    verdict: Verdict
    ranges: list[tuple[int, int]] | None
    content: bytes | None
    file: Descriptor | None


def _acceptable(field: str | None) -> list[str]:
    """The codings that the peer accepts, the one it likes best first."""
    left = list(SIBLINGS)
    found = []
    while (coding := preferred_encoding(field, left)) is not None:
        found.append(coding)
        left.remove(coding)
    return found


# --- in a thread --------------------------------------------------------------------------------


def _open(path: str, offered: Sequence[str], method: str, headers: Metadata) -> FilePlan:
    file, found = _open_regular(path)
    coding = None
    for each in offered:
        try:
            sibling, of_sibling = _open_regular(path + SIBLINGS[each])
        except NotFound:
            continue
        if of_sibling.st_mtime_ns >= found.st_mtime_ns:
            file, found, coding = sibling, of_sibling, each
            break
    size, modified = found.st_size, int(found.st_mtime)
    # Another content coding is another representation, and has another tag (RFC 9110 §8.8.3.3).
    etag = f'"{found.st_mtime_ns:x}-{size:x}{f"-{coding}" if coding else ""}"'
    verdict = judge(method, headers, etag, modified)
    ranges = None
    if method == "GET" and may_send_ranges(headers, etag, modified):
        ranges = parse_ranges(headers.get("range"), size)
    content = None
    wanted = verdict is Verdict.SEND and method != "HEAD"
    if wanted and ranges is None and size <= SMALL:
        content = file.use(_read_exactly, 0, size)
    keep = wanted and content is None and ranges != []
    if not keep:
        file.close()
    return FilePlan(etag, modified, size, coding, verdict, ranges, content, file if keep else None)


def _open_regular(path: str) -> tuple[Descriptor, os.stat_result]:
    try:
        # Without waiting: a pipe of that name would hold the thread for ever.
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        if isinstance(error, OSError) and error.errno not in _MISSING:
            if error.errno not in (errno.EACCES, errno.EPERM):
                raise
            _log.warning("the file %r may not be read: %s", path, error.strerror)
        raise _no_file() from None
    file = Descriptor(number)
    found = file.use(os.fstat)
    if not stat.S_ISREG(found.st_mode):
        file.close()
        raise _no_file()
    return file, found


def _no_file() -> NotFound:
    # Not which: the paths of the machine are nobody's business.
    return NotFound("there is no such file")


def _read_exactly(number: int, start: int, size: int) -> bytes:
    data = os.pread(number, size, start)
    if len(data) < size:
        raise BrokenError("a file became shorter while it was sent")
    return data


# --- what is sent -------------------------------------------------------------------------------


def _fill(response: Response, plan: FilePlan, method: str) -> None:
    """Give the response its body, or only the length of it for HEAD."""
    ranges = plan.ranges
    if plan.content is not None:
        response.body = plan.content
        return
    if ranges is None:
        pieces: list[bytes | tuple[int, int]] = [(0, plan.size)]
    elif len(ranges) == 1:
        [(first, end)] = ranges
        response.status = 206
        response.headers.set("content-range", f"bytes {first}-{end - 1}/{plan.size}")
        pieces = [(first, end)]
    else:
        response.status = 206
        boundary = f"{Scope.current().effects.random.getrandbits(128):032x}"
        pieces = _multipart(ranges, plan.size, response.content_type, boundary)
        response.content_type = f"multipart/byteranges; boundary={boundary}"
    response.length = sum(
        len(each) if isinstance(each, bytes) else each[1] - each[0] for each in pieces
    )
    response.body = _Content(plan.file, [] if method == "HEAD" else pieces)


def _multipart(
    ranges: list[tuple[int, int]], size: int, content_type: str | None, boundary: str
) -> list[bytes | tuple[int, int]]:
    """The pieces of a ``multipart/byteranges`` body (RFC 9110 §14.6)."""
    pieces: list[bytes | tuple[int, int]] = []
    for first, end in ranges:
        head = (
            f"\r\n--{boundary}\r\ncontent-type: {content_type}\r\n"
            f"content-range: bytes {first}-{end - 1}/{size}\r\n\r\n"
        )
        pieces += [head.encode(), (first, end)]
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return pieces


class _Content:
    """Pieces of a file and bytes between them; closes the file also when nobody iterates."""

    __slots__ = ("_file", "_pieces")

    def __init__(self, file: Descriptor | None, pieces: list[bytes | tuple[int, int]]) -> None:
        self._file = file
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        file = self._file
        try:
            for piece in self._pieces:
                if isinstance(piece, bytes):
                    yield piece
                    continue
                assert file is not None
                first, end = piece
                for start in range(first, end, CHUNK):
                    size = min(CHUNK, end - start)
                    yield await to_thread(file.use, _read_exactly, start, size)
        finally:
            if file is not None:
                file.close()
