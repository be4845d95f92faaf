"""How messages are compressed, and what bounds them."""

import gzip
import zlib

import pytest

from mainstay.errors import Code, RpcError, TooLarge
from mainstay.rpc.compression import ACCEPTED, COMPRESSORS, compress, decompress


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("data", [b"", b"a", bytes(100_000), bytes(range(256)) * 50])
def test_what_is_compressed_comes_back(name: str, data: bytes) -> None:
    """At the very limit of its length as well."""
    assert decompress(name, compress(name, data), max(len(data), 1)) == data


def test_the_formats_are_those_of_everybody_else() -> None:
    """gzip's, and zlib's under the name of deflate."""
    assert gzip.decompress(compress("gzip", b"data")) == b"data"
    assert zlib.decompress(compress("deflate", b"data")) == b"data"
    assert ACCEPTED.split(b",") == [b"identity", *(each.encode() for each in COMPRESSORS)]


def test_what_grows_too_long_is_refused_while_it_grows() -> None:
    """A thousandth of its size is read, and no more is made of it than is allowed."""
    bomb = compress("gzip", bytes(50_000_000))
    assert len(bomb) < 500_000
    with pytest.raises(TooLarge, match="1000 bytes"):
        decompress("gzip", bomb, 1000)


@pytest.mark.parametrize(
    "data",
    [b"", b"plain", compress("gzip", b"data")[:-3], compress("gzip", b"data") + b"more"],
    ids=["nothing", "not compressed", "cut", "more"],
)
def test_what_is_not_whole_is_refused(data: bytes) -> None:
    """As INTERNAL, which is what the specification says of it."""
    with pytest.raises(RpcError) as caught:
        decompress("gzip", data, 1000)
    assert caught.value.code is Code.INTERNAL


def test_members_of_a_gzip_in_a_row_are_one_message() -> None:
    """RFC 1952 §2.2; the limit is that of their sum, and zlib's format has no such thing."""
    members = [compress("gzip", each) for each in (b"one ", b"", b"message")]
    assert decompress("gzip", b"".join(members), 11) == b"one message"
    with pytest.raises(TooLarge, match="10 bytes"):
        decompress("gzip", b"".join(members), 10)
    with pytest.raises(RpcError, match="no whole gzip"):
        decompress("gzip", b"".join(members)[:-1], 11)
    with pytest.raises(RpcError, match="no whole deflate"):
        decompress("deflate", compress("deflate", b"a") * 2, 11)


def test_members_are_not_without_end() -> None:
    """What follows one is copied for each."""
    member = compress("gzip", b"a")
    assert decompress("gzip", member * 128, 1000) == b"a" * 128
    with pytest.raises(RpcError, match="no whole gzip"):
        decompress("gzip", member * 129, 1000)
