"""Metadata: ordered pairs with lower-case keys, which keep their values to themselves."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.core.metadata import EMPTY, Metadata, Peer

PAIRS = Metadata([("Accept", "text/html"), ("x-tag", "b"), ("X-Tag", "a")])


def test_keys_are_lower_case_and_order_is_kept() -> None:
    """As every transport can carry them; values stay as they are."""
    assert list(PAIRS) == [("accept", "text/html"), ("x-tag", "b"), ("x-tag", "a")]
    assert len(PAIRS) == 3


def test_a_key_may_come_twice() -> None:
    """`get` is the first value, `get_all` every one in order."""
    assert PAIRS.get("x-tag") == "b"
    assert PAIRS.get_all("x-tag") == ["b", "a"]
    assert PAIRS.get_all("missing") == []


def test_a_missing_key_is_the_default() -> None:
    """None, or what the caller prefers."""
    assert PAIRS.get("missing") is None
    assert PAIRS.get("missing", "nothing") == "nothing"
    assert "missing" not in PAIRS
    assert "accept" in PAIRS
    assert 7 not in PAIRS


def test_packed_metadata_is_the_same_and_keeps_nothing_decoded() -> None:
    """It is asked as any other; what a look decodes is not held afterwards."""
    packed = Metadata.from_packed([(b"x-tag", b"b\xe4r"), (b"x-tag", b"a")])
    assert packed["X-Tag"] == "bär"
    assert packed.get_all("x-tag") == ["bär", "a"]
    assert packed == Metadata([("x-tag", "bär"), ("x-tag", "a")])
    assert packed._decoded is None


def test_equal_pairs_are_equal() -> None:
    """In order and by value, so that metadata can be compared and be a key."""
    same = Metadata(iter(PAIRS))
    assert same == PAIRS
    assert hash(same) == hash(PAIRS)
    assert Metadata([("x-tag", "a"), ("x-tag", "b")]) != Metadata([("x-tag", "b"), ("x-tag", "a")])
    assert list(PAIRS) != PAIRS
    assert Metadata() == EMPTY


def test_it_does_not_follow_what_it_was_made_of() -> None:
    """Immutable: a later change of the list changes nothing."""
    pairs = [("a", "1")]
    metadata = Metadata(pairs)
    pairs.append(("b", "2"))
    assert list(metadata) == [("a", "1")]
    thing: Any = metadata
    with pytest.raises(AttributeError):
        thing.other = 1


def test_the_repr_keeps_values_secret() -> None:
    """Keys only: values may be credentials, and reprs end up in logs."""
    assert repr(Metadata([("Authorization", "Bearer x")])) == "<Metadata authorization>"
    assert repr(EMPTY) == "<Metadata empty>"


def test_a_peer_is_a_value() -> None:
    """Address, and the identity that it proved, if any."""
    peer = Peer("10.0.0.7:80")
    assert peer.identity is None
    assert peer == Peer("10.0.0.7:80")
    assert peer != Peer("10.0.0.7:80", "cn=ann")
    thing: Any = peer
    with pytest.raises(AttributeError):
        thing.address = "elsewhere"


def test_a_key_is_found_in_any_case() -> None:
    """`Content-Type` is what people type, and what is stored is lower-case."""
    metadata = Metadata([("Content-Type", "text/plain"), ("CONTENT-TYPE", "text/html")])
    assert metadata.get("Content-Type") == "text/plain"
    assert metadata.get_all("content-TYPE") == ["text/plain", "text/html"]
    assert "Content-type" in metadata
    assert 7 not in metadata


def test_it_reads_like_a_mapping() -> None:
    """Of every key, once, to its first value; a missing one is a KeyError with its name."""
    assert PAIRS["X-Tag"] == "b"
    with pytest.raises(KeyError, match="missing"):
        _ = PAIRS["missing"]
    assert list(PAIRS.keys()) == ["accept", "x-tag"]
    assert list(PAIRS.values()) == ["text/html", "b"]
    assert list(PAIRS.items()) == [("accept", "text/html"), ("x-tag", "b")]
    assert dict(PAIRS) == {"accept": "text/html", "x-tag": "b"}


def test_a_field_is_found_without_decoding_the_others() -> None:
    """In any case, the first of several; what no name can be is not there."""
    metadata = Metadata.from_fields([(b"a", b"1"), (b"b", b"\xe9"), (b"b", b"2")])
    assert (metadata.get("B"), metadata.get("c"), metadata.get("c", "d")) == ("é", None, "d")
    assert metadata.get("\u20ac") is None
    assert len(metadata) == 3
    assert metadata.get("b") == "é"
