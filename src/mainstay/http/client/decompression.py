"""Bodies that come compressed: gzip, deflate, br and zstd, never much at once.

A few bytes can become gigabytes (a "bomb"). So nothing is decompressed further than somebody asks:
pieces of at most `PIECE` bytes, or for zstd, whose library has no bound, of what `_SLICE` bytes can
become at worst.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any, Final, Protocol

__all__ = ["PIECE", "Decompressor", "WrongEncoding", "accepted", "decompressor"]

PIECE: Final = 64 * 1024
"""Bytes of decompressed data that are made at once."""

_SLICE: Final = 256
"""A block of zstd takes four bytes and becomes up to 128 KiB, so this becomes 8 MiB at worst."""
_WINDOW: Final = 8 * 1024 * 1024
"""Bytes that a zstd stream may make us keep (RFC 9659 §3)."""
_MOST_CODINGS: Final = 2
_AUTO: Final = 47
"""zlib takes gzip and zlib, whichever it is."""


class WrongEncoding(Exception):
    """The data is not what ``content-encoding`` says."""


class Decompressor(Protocol):
    """One coding of one body."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` becomes, in pieces. Raises: WrongEncoding."""

    def finish(self) -> None:
        """There is no more data. Raises: WrongEncoding when there should be."""


@lru_cache(maxsize=1)
def accepted() -> str:
    """The value of ``accept-encoding``: what is installed."""
    more = [name for name, module in (("br", "brotli"), ("zstd", "zstandard")) if find_spec(module)]
    return ", ".join(["gzip", "deflate", *more])


def decompressor(encoding: str) -> Decompressor | None:
    """One for the value of ``content-encoding``; None when nothing has to be undone, or nothing
    can, because it names a coding that we did not ask for."""
    names = [each.strip().lower() for each in encoding.split(",")]
    names = [each for each in names if each not in ("", "identity")]
    if not names or len(names) > _MOST_CODINGS:
        return None
    known = accepted()
    if any(name.removeprefix("x-") not in known for name in names):
        return None
    made = [_new(name.removeprefix("x-")) for name in reversed(names)]
    return made[0] if len(made) == 1 else _Chain(made)


def _new(name: str) -> Decompressor:
    if name == "br":
        return _Brotli()
    if name == "zstd":
        return _Zstd()
    return _Zlib(several=name == "gzip")


class _Zlib:
    """gzip (RFC 1952, also of several members), and deflate with or without zlib's wrapping."""

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._started = False
        self._core = zlib.decompressobj(_AUTO)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._core.eof:
                if not self._several:
                    raise WrongEncoding("data follows the end of the compressed data")
                self._core = zlib.decompressobj(_AUTO)
            piece = self._step(data)
            if piece:
                yield piece
            data = self._core.unconsumed_tail or self._core.unused_data
            while len(piece) == PIECE and not data and not self._core.eof:
                piece = self._step(b"")
                if piece:
                    yield piece

    def _step(self, data: bytes) -> bytes:
        try:
            piece = self._core.decompress(data, PIECE)
        except zlib.error as error:
            if self._started or self._several:
                raise WrongEncoding(str(error)) from None
            # "deflate" is zlib's format (RFC 9110 §8.4.1.2), and some servers send it bare.
            self._core = zlib.decompressobj(-zlib.MAX_WBITS)
            self._started = True
            return self._step(data)
        self._started = True
        return piece

    def finish(self) -> None:
        if self._started and not self._core.eof:
            raise WrongEncoding("the compressed data is cut off")


class _Brotli:
    """br (RFC 7932)."""

    def __init__(self) -> None:
        import brotli  # type: ignore[import-untyped]  # noqa: PLC0415 - an optional package

        self._started = False
        self._core: Any = brotli.Decompressor()
        self._error: type[Exception] = brotli.error
        self._process = partial(self._core.process, output_buffer_limit=PIECE)

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._started = True
        try:
            while True:
                piece = self._process(data)
                if piece:
                    yield piece
                # It takes more before all that it could make of the last has been made.
                done = not piece and self._core.can_accept_more_data()
                if done or self._core.is_finished():
                    return
                data = b""
        except self._error as error:
            raise WrongEncoding(str(error)) from None

    def finish(self) -> None:
        if self._started and not self._core.is_finished():
            raise WrongEncoding("the compressed data is cut off")


class _Zstd:
    """zstd (RFC 8878)."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - an optional package

        self._new = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj
        self._core: Any = self._new()
        self._error: type[Exception] = zstandard.ZstdError
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._started = True
        view = memoryview(data)
        for start in range(0, len(data), _SLICE):
            part = bytes(view[start : start + _SLICE])
            while part:
                if self._core.eof:
                    self._core = self._new()
                try:
                    piece = self._core.decompress(part)
                except self._error as error:
                    raise WrongEncoding(str(error)) from None
                if piece:
                    yield piece
                part = self._core.unused_data if self._core.eof else b""

    def finish(self) -> None:
        if self._started and not self._core.eof:
            raise WrongEncoding("the compressed data is cut off")


class _Chain:
    """Several codings, the last applied first."""

    def __init__(self, parts: list[Decompressor]) -> None:
        self._parts = parts

    def feed(self, data: bytes) -> Iterator[bytes]:
        pieces: Iterable[bytes] = (data,)
        for part in self._parts:
            pieces = _through(part, pieces)
        yield from pieces

    def finish(self) -> None:
        for part in self._parts:
            part.finish()


def _through(part: Decompressor, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from part.feed(piece)
