"""Replies made smaller, as the peer accepts it (RFC 9110 §8.4, §12.5.3).

What is compressed: bodies of listed types, of a certain length, that nobody compressed before.
What is not: replies without a body, parts of a whole (206), HEAD, and what says
``cache-control: no-transform``. A stream is flushed with each of its parts, so that a slow one
arrives in time, unless its length was known, which makes it a file. A strong ETag becomes weak,
because the bytes are others; the reply varies by ``accept-encoding`` whether or not it was
compressed.

BREACH (https://breachattack.com): where a reply holds a secret and text that an attacker chooses,
its compressed length tells of the secret. Say ``no-transform`` in such replies, or mask the secret.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from importlib.util import find_spec
from typing import Any, Final, Literal, Protocol, TypeAlias

from mainstay.core.call import Middleware
from mainstay.core.threads import to_thread
from mainstay.errors import UsageError
from mainstay.http.call import HttpCall
from mainstay.http.headers import Headers
from mainstay.http.middleware.base import HttpNext, http_only
from mainstay.http.negotiation import preferred_encoding
from mainstay.http.response import Response

__all__ = ["TYPES", "Coding", "compression"]

Coding: TypeAlias = Literal["gzip", "br", "zstd"]

TYPES: Final = (
    "text/*",
    "application/json",
    "application/*+json",
    "application/x-ndjson",
    "application/javascript",
    "application/xml",
    "application/*+xml",
    "application/wasm",
    "application/yaml",
    "image/svg+xml",
    "image/bmp",
    "font/ttf",
    "font/otf",
)
"""Media types that become smaller; pictures, films and archives are compressed already."""

_IN_THREAD: Final = 32 * 1024
"""Bytes above which compressing blocks the loop for long (about a millisecond): a thread does it."""

_BODILESS: Final = (204, 205, 206, 304)
_FIRST_FINAL: Final = 200
_GZIP: Final = 16 + zlib.MAX_WBITS
_WINDOW: Final = 18
"""Bits: 256 KiB of window for brotli, whose default of 4 MiB is much for each of many streams."""


class _Compressor(Protocol):
    def feed(self, data: bytes, *, flush: bool) -> bytes:
        """What comes out for `data`; with `flush`, all of it."""

    def finish(self) -> bytes:
        """The rest."""


def compression(
    *,
    codings: Sequence[Coding] | None = None,
    minimum: int = 1024,
    types: Sequence[str] = TYPES,
    gzip_level: int = 6,
    brotli_quality: int = 4,
    zstd_level: int = 3,
) -> Middleware:
    """Compress what is worth it.

    Args:
        codings: best first, which decides where the peer likes several equally; those installed of
            zstd, br (the extra ``compression``) and gzip unless given.
        minimum: bytes of a whole body from which it is worth it: below, the reply fits one packet.
        types: media types; ``*`` stands for anything.
        gzip_level: 1 to 9.
        brotli_quality: 0 to 11; from 5 on much slower than gzip.
        zstd_level: 1 to 19.

    Raises: UsageError for a coding that is unknown or not installed.
    """
    makers: dict[str, Callable[[], _Compressor]] = {
        "zstd": lambda: _Zstd(zstd_level),
        "br": lambda: _Brotli(brotli_quality),
        "gzip": lambda: _Gzip(gzip_level),
    }
    installed = [name for name in makers if _has(name)]
    for name in codings or ():
        if name not in installed:
            raise UsageError(f"compression: {name!r} is unknown or not installed")
    return http_only(_Compression(codings or installed, makers, minimum, types).layer)


def _has(coding: str) -> bool:
    module = {"zstd": "zstandard", "br": "brotli"}.get(coding)
    return module is None or find_spec(module) is not None


class _Compression:
    def __init__(
        self,
        codings: Sequence[str],
        makers: dict[str, Callable[[], _Compressor]],
        minimum: int,
        types: Sequence[str],
    ) -> None:
        self._codings = tuple(codings)
        self._makers = makers
        self._minimum = minimum
        parts = [re.escape(each.lower()).replace(r"\*", "[^;]*") for each in types]
        self._types = re.compile("|".join(parts) or "(?!)")
        self._known: dict[str, bool] = {}

    async def layer(self, call: HttpCall, next: HttpNext) -> Response:
        """The middleware."""
        response = await next(call)
        if not self._worth(response):
            return response
        headers = response.headers
        headers.vary("accept-encoding")
        exchange = call.exchange
        if exchange.method == "HEAD":
            return response
        field = ",".join(call.request.headers.get_all("accept-encoding"))
        coding = preferred_encoding(field, self._codings)
        if coding is None:
            return response
        compressor = self._makers[coding]()
        body = response.body
        if isinstance(body, bytes):
            whole = await _off_loop(len(body), _whole, compressor, body)
            if len(whole) >= len(body):
                return response
            response.body = whole
        else:
            flush = response.length is None
            response.body = _Compressed(body, compressor, flush=flush)
            response.length = None
        _rewrite(headers, coding)
        return response

    def _worth(self, response: Response) -> bool:
        content_type = response.content_type
        if content_type is None or response.status in _BODILESS or response.status < _FIRST_FINAL:
            return False
        body = response.body
        size = len(body) if isinstance(body, bytes) else response.length
        if size is not None and size < self._minimum:
            return False
        listed = self._known.get(content_type)
        if listed is None:
            listed = self._listed(content_type)
        if not listed:
            return False
        headers = response._headers
        if headers is None:
            return True
        if "content-encoding" in headers or "content-range" in headers:
            return False
        return "no-transform" not in ",".join(headers.get_all("cache-control")).lower()

    def _listed(self, content_type: str) -> bool:
        media_type = content_type.partition(";")[0].strip().lower()
        found = self._types.fullmatch(media_type) is not None
        if len(self._known) < 1000:  # noqa: PLR2004 - handlers may make types up
            self._known[content_type] = found
        return found


def _rewrite(headers: Headers, coding: str) -> None:
    headers.set("content-encoding", coding)
    headers.remove("accept-ranges")
    headers.remove("content-md5")
    headers.remove("content-length")
    etag = headers.get("etag")
    if etag is not None and not etag.startswith("W/"):
        headers.set("etag", f"W/{etag}")


async def _off_loop(size: int, function: Callable[..., bytes], *args: Any) -> bytes:
    return function(*args) if size < _IN_THREAD else await to_thread(function, *args)


def _whole(compressor: _Compressor, body: bytes) -> bytes:
    return compressor.feed(body, flush=False) + compressor.finish()


def _part(compressor: _Compressor, part: bytes, flush: bool) -> bytes:
    return compressor.feed(part, flush=flush)


class _Compressed:
    """A body that is compressed as it is taken."""

    __slots__ = ("_body", "_compressor", "_flush", "_iterator")

    def __init__(self, body: AsyncIterable[bytes], compressor: _Compressor, *, flush: bool) -> None:
        self._body = body
        self._compressor: _Compressor | None = compressor
        self._flush = flush
        self._iterator: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._iterator = aiter(self._body)
        return self

    async def __anext__(self) -> bytes:
        assert self._iterator is not None
        compressor = self._compressor
        if compressor is None:
            raise StopAsyncIteration
        async for part in self._iterator:
            made = await _off_loop(len(part), _part, compressor, part, self._flush)
            if made:
                return made
        self._compressor = None
        rest = compressor.finish()
        if rest:
            return rest
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Let the body go."""
        self._compressor = None
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()


class _Gzip:
    """RFC 1952, without a name and a time."""

    def __init__(self, level: int) -> None:
        self._core = zlib.compressobj(level, zlib.DEFLATED, _GZIP)

    def feed(self, data: bytes, *, flush: bool) -> bytes:
        made = self._core.compress(data)
        return made + self._core.flush(zlib.Z_SYNC_FLUSH) if flush else made

    def finish(self) -> bytes:
        return self._core.flush()


class _Brotli:
    """RFC 7932."""

    def __init__(self, quality: int) -> None:
        import brotli  # type: ignore[import-untyped]  # noqa: PLC0415 - an optional package

        self._core: Any = brotli.Compressor(quality=quality, lgwin=_WINDOW)

    def feed(self, data: bytes, *, flush: bool) -> bytes:
        made: bytes = self._core.process(data)
        return made + self._core.flush() if flush else made

    def finish(self) -> bytes:
        rest: bytes = self._core.finish()
        return rest


class _Zstd:
    """RFC 8878."""

    def __init__(self, level: int) -> None:
        import zstandard  # noqa: PLC0415 - an optional package

        self._core = zstandard.ZstdCompressor(level=level).compressobj()
        self._block = zstandard.COMPRESSOBJ_FLUSH_BLOCK

    def feed(self, data: bytes, *, flush: bool) -> bytes:
        made = self._core.compress(data)
        return made + self._core.flush(self._block) if flush else made

    def finish(self) -> bytes:
        return self._core.flush()
