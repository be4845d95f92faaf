import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from mainstay.http.client.decompression import PIECE, WrongEncoding, accepted, decompressor

DATA = b"The quick brown fox jumps over the lazy dog. " * 3000


def bare(data: bytes) -> bytes:
    core = zlib.compressobj(wbits=-15)
    return core.compress(data) + core.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def undone(encoding: str, data: bytes, size: int = 1000) -> bytes:
    made = decompressor(encoding)
    assert made is not None
    parts = [
        piece
        for start in range(0, len(data), size)
        for piece in made.feed(data[start : start + size])
    ]
    made.finish()
    return b"".join(parts)


@pytest.mark.parametrize("encoding", CODINGS)
@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
def test_every_coding_in_any_pieces(encoding: str, size: int) -> None:
    """The same bytes, wherever they are cut."""
    assert undone(encoding.upper(), CODINGS[encoding](DATA), size) == DATA


def test_deflate_without_its_wrapping() -> None:
    """Some servers send it so."""
    assert undone("deflate", bare(DATA)) == DATA


def test_gzip_of_several_members() -> None:
    """They are one body (RFC 1952 §2.2)."""
    assert undone("gzip", gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"


def test_two_codings() -> None:
    """The last one named was applied last."""
    assert undone("gzip, br", brotli.compress(gzip.compress(DATA))) == DATA


@pytest.mark.parametrize("encoding", ["", "identity", "compress", "gzip, compress", "gzip," * 9])
def test_what_nobody_undoes(encoding: str) -> None:
    """Nothing to undo, or what we did not ask for: the bytes are left as they are."""
    assert decompressor(encoding.rstrip(",")) is None


@pytest.mark.parametrize("encoding", CODINGS)
def test_a_cut_is_noticed(encoding: str) -> None:
    """A body that is whole may hold compressed data that is not."""
    with pytest.raises(WrongEncoding):
        undone(encoding, CODINGS[encoding](DATA)[:-6])


@pytest.mark.parametrize("encoding", CODINGS)
def test_something_else_is_noticed(encoding: str) -> None:
    """Such as a page of HTML that says it is compressed."""
    with pytest.raises(WrongEncoding):
        undone(encoding, b"<html>" * 100)


@pytest.mark.parametrize("encoding", CODINGS)
def test_no_body_is_no_error(encoding: str) -> None:
    """A reply without a body may name a coding."""
    assert undone(encoding, b"") == b""


@pytest.mark.parametrize("encoding", CODINGS)
def test_a_bomb_is_made_piece_by_piece(encoding: str) -> None:
    """A reader that stops has not made more than a bounded part of it."""
    bomb = CODINGS[encoding](bytes(60_000_000))
    made = decompressor(encoding)
    assert made is not None
    tracemalloc.start()
    pieces = made.feed(bomb)
    size = sum(len(next(pieces)) for _ in range(3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < size < 30_000_000
    assert peak < 40_000_000
    assert size <= 6 * PIECE or encoding == "zstd"


def test_what_is_asked_for() -> None:
    """What is installed; here, everything."""
    assert accepted() == "gzip, deflate, br, zstd"
