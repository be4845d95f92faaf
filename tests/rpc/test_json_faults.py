"""Words for JSON that protobuf refuses."""

import time
from typing import Any

import pytest

from mainstay.errors import ValidationFailed
from mainstay.rpc.json_faults import MOST, parse_json, read_json
from tests.rpc.transcoding.library import compiled, message


def faults(name: str, value: Any) -> list[tuple[str, str]]:
    """Where something is wrong, and what was expected."""
    with pytest.raises(ValidationFailed) as caught:
        parse_json(value, message(f"library.v1.{name}")(), compiled())
    return [(each.pointer, each.detail) for each in caught.value.violations]


@pytest.mark.parametrize("extra", [{}, {"isNew": 1}], ids=["alone", "beside an unknown member"])
@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"genre": "GENRE_NOVELL"}, "/genre"),
        ({"genres": ["GENRE_NOVEL", "NO", 7]}, "/genres/1"),
        ({"genre": "1e9"}, "/genre"),
    ],
    ids=str,
)
def test_a_name_that_an_enumeration_has_not_is_refused(
    value: dict[str, Any], pointer: str, extra: dict[str, Any]
) -> None:
    """It would be dropped without a word otherwise, as protobuf does beside unknown members."""
    found = faults("SearchRequest", {**value, **extra})
    assert found == [(pointer, "this is one of GENRE_UNSPECIFIED, GENRE_NOVEL, GENRE_POEM")]


def test_unknown_members_and_numbers_of_enumerations_are_taken() -> None:
    """A client may be newer than its server; what it says of a value by number arrives."""
    made = message("library.v1.SearchRequest")()
    value = {"new": {"x": [1]}, "genre": 77, "author": {"newer": 1, "name": "a"}, "query": None}
    parse_json(value, made, compiled())
    assert (made.genre, made.author.name, made.query) == (77, "a", "")
    parse_json({"genre": "GENRE_POEM", "new": 1}, made, compiled())
    assert made.genre == 2


@pytest.mark.parametrize(
    ("value", "pointer", "detail"),
    [
        ({"query": 1}, "/query", "this is a string"),
        ({"query": "\ud800"}, "/query", "this is a string"),
        ({"page_size": "x"}, "/page_size", "this is an integer of 32 bits"),
        ({"pageSize": 1.5}, "/pageSize", "this is an integer of 32 bits"),
        ({"pageSize": True}, "/pageSize", "this is an integer of 32 bits"),
        ({"pageSize": 2**31}, "/pageSize", "this is an integer of 32 bits"),
        ({"offset": -1}, "/offset", "this is an integer of 64 bits, and not negative"),
        ({"offset": "9" * 500}, "/offset", "this is an integer of 64 bits, and not negative"),
        ({"deep": "true"}, "/deep", "this is true or false"),
        ({"weight": "x"}, "/weight", "this is a number"),
        ({"scale": 1e39}, "/scale", "this is a number of 32 bits"),
        ({"cursor": "a"}, "/cursor", "this is base64"),
        ({"years": 1}, "/years", "this is a list"),
        ({"years": [1, None]}, "/years/1", "this is an integer of 32 bits"),
        ({"author": "x"}, "/author", "this is an object"),
        ({"authors": [{"born": "x"}]}, "/authors/0/born", "this is an integer of 32 bits"),
        ({"labels": []}, "/labels", "this is an object"),
        ({"labels": {"a/b~": 1}}, "/labels/a~1b~0", "this is a string"),
        ({"since": "now"}, "/since", 'this is a time by RFC 3339, such as "2026-01-31T12:00:00Z"'),
        ({"within": 5}, "/within", 'this is seconds with an s, such as "1.5s"'),
        ({"days": ["x"]}, "/days/0", 'this is a time by RFC 3339, such as "2026-01-31T12:00:00Z"'),
        ({"most": "x"}, "/most", "this is an integer of 64 bits"),
        ({"lent": 3}, "/lent", "this is true or false"),
        ({"room": "a", "shelf": "b"}, "/shelf", "another one of 'place' is given"),
    ],
    ids=str,
)
def test_each_fault_is_named(value: dict[str, Any], pointer: str, detail: str) -> None:
    """By its place, with what is expected there, and without protobuf's own words."""
    right = {"floor": 3, "shift": "-4", "fields": "a,b", "language": "x", "genres": [1]}
    assert faults("SearchRequest", {**right, **value}) == [(pointer, detail)]


def test_right_values_beside_a_wrong_one_are_not_named() -> None:
    """Whatever form of theirs protobuf takes."""
    right: dict[str, Any] = {
        "pageSize": "12",
        "offset": 1e3,
        "weight": "NaN",
        "scale": "1.5",
        "cursor": "-_8",
        "genre": "2",
        "most": None,
        "lent": True,
    }
    parse_json(dict(right), message("library.v1.SearchRequest")(), compiled())
    assert [at for at, _ in faults("SearchRequest", {**right, "deep": 1})] == ["/deep"]


def test_there_is_an_end_to_faults() -> None:
    """And the work for them is that of one walk, however much is wrong."""
    started = time.process_time()
    found = faults("SearchRequest", {"new": 1, "years": ["x"] * 200_000})
    assert len(found) == MOST
    found = faults("SearchRequest", {"genres": [1] * 100_000 + ["x"]})
    assert found[0][0] == "/genres/100000"
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "it is no JSON: Expecting property name .* in line 1, column 2"),
        (b"\xff", "it is not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"1" * 10_000, "it has a number of too many digits"),
        (b'{"a":1,"a":2}', "a key is there twice"),
        (b"NaN", "it is no JSON: NaN is text there"),
    ],
    ids=["cut", "latin", "deep", "long", "twice", "nan"],
)
def test_what_is_no_json_is_refused_in_words_of_ours(data: bytes, said: str) -> None:
    """Those of the interpreter are for whoever runs it."""
    with pytest.raises(ValueError, match=f"^{said}"):
        read_json(data)
