"""Names and values of queries and forms."""

from itertools import product
from urllib.parse import parse_qsl

import pytest

from mainstay.http.pairs import NO_PAIRS, Pairs, parse_query


def test_a_name_may_come_twice() -> None:
    """The first counts for who asks for one."""
    pairs = Pairs([("a", "1"), ("b", "2"), ("a", "3")])
    assert pairs["a"] == pairs.get("a") == "1"
    assert pairs.get_all("a") == ["1", "3"]
    assert (len(pairs), list(pairs)[1]) == (3, ("b", "2"))
    assert "b" in pairs
    assert "B" not in pairs
    assert pairs.get("c", "none") == "none"
    with pytest.raises(KeyError):
        pairs["c"]


def test_it_is_a_value() -> None:
    """Equal by content, and good for a key."""
    assert Pairs([("a", "1")]) == Pairs([("a", "1")])
    assert {Pairs([("a", "1")]), Pairs([("a", "1")]), NO_PAIRS} == {Pairs([("a", "1")]), Pairs()}
    assert Pairs() != []


def test_values_are_not_shown() -> None:
    """They may be credentials."""
    assert repr(Pairs([("token", "swordfish")])) == "<Pairs token>"
    assert repr(Pairs()) == "<Pairs empty>"


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("", []),
        ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("a", [("a", "")]),
        ("a=&=b&&", [("a", ""), ("", "b")]),
        ("a=b=c", [("a", "b=c")]),
        ("q=a+b%20c&%C3%A4=%zz", [("q", "a b c"), ("ä", "%zz")]),
        ("a=1;b=2", [("a", "1;b=2")]),
        ("%ff=1", [("\ufffd", "1")]),
    ],
)
def test_a_query_is_read(query: str, pairs: list[tuple[str, str]]) -> None:
    """By the rules of the URL standard, and whatever it is."""
    assert parse_query(query) == pairs


def test_it_agrees_with_the_standard_library() -> None:
    """Which knows the same rules, and is slower: on every short text that means something."""
    for size in range(6):
        for query in map("".join, product("a=&+%4", repeat=size)):
            assert parse_query(query) == parse_qsl(query, keep_blank_values=True), query
