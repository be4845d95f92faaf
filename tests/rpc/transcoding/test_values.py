"""From text in a path or a query to fields of messages."""

import math
from typing import Any

import pytest

from mainstay.rpc.transcoding.values import names_of
from tests.rpc.transcoding.library import message


def put(name: str, *texts: str) -> Any:
    """A SearchRequest in which `name` was set to these, one after the other."""
    made = message("library.v1.SearchRequest")()
    found = names_of(made.DESCRIPTOR).resolve(name)
    assert found is not None
    way, leaf = found
    for text in texts:
        target = made
        for each in way:
            target = getattr(target, each.name)
        leaf.put(target, text)
    return made


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("query", "a b", "a b"),
        ("query", "", ""),
        ("page_size", "-7", -7),
        ("pageSize", "2147483647", 2**31 - 1),
        ("shift", "-2147483648", -(2**31)),
        ("offset", "18446744073709551615", 2**64 - 1),
        ("deep", "true", True),
        ("deep", "false", False),
        ("weight", "1.5e3", 1500.0),
        ("weight", "-Infinity", -math.inf),
        ("scale", "0.5", 0.5),
        ("cursor", "_-8", b"\xff\xef"),
        ("cursor", "/+8=", b"\xff\xef"),
        ("genre", "GENRE_POEM", 2),
        ("genre", "1", 1),
        ("genre", "77", 77),
        ("floor", "0", 0),
    ],
)
def test_scalars_are_read_as_json_of_proto3_has_them(name: str, text: str, value: Any) -> None:
    """By both names of the field; enumerations by name and by number."""
    made = put(name, text)
    field = {"pageSize": "page_size"}.get(name, name)
    assert getattr(made, field) == value


def test_not_a_number_is_a_number() -> None:
    """JSON of proto3 writes it as a word."""
    assert math.isnan(put("weight", "NaN").weight)


def test_messages_that_are_one_text_are_read() -> None:
    """Times, durations, masks and wrappers."""
    assert put("since", "2026-01-31T12:00:00.5Z").since.nanos == 500_000_000
    assert put("within", "-1.5s").within.ToTimedelta().total_seconds() == -1.5
    assert list(put("fields", "title,author.bornIn").fields.paths) == ["title", "author.born_in"]
    assert put("most", "9").most.value == 9
    assert put("lent", "false").HasField("lent")
    assert put("language", "").HasField("language")


def test_repeated_fields_grow() -> None:
    """Scalars, enumerations and texts."""
    assert list(put("years", "1", "2").years) == [1, 2]
    assert list(put("genres", "1", "GENRE_POEM").genres) == [1, 2]
    assert len(put("days", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z").days) == 2


def test_fields_of_fields_are_reached_by_dots() -> None:
    """To any depth, also where a message contains itself."""
    assert put("author.teacher.teacher.name", "x").author.teacher.teacher.name == "x"


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "author",
        "authors",
        "authors.name",
        "labels",
        "query.x",
        "author.x",
        "",
        "author.",
    ],
)
def test_what_is_no_leaf_cannot_be_bound(name: str) -> None:
    """Maps, messages and what stands below repeated ones (google/api/http.proto)."""
    assert names_of(message("library.v1.SearchRequest").DESCRIPTOR).resolve(name) is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("page_size", "2147483648", "an integer from -2147483648 to 2147483647"),
        ("page_size", "1.0", "an integer"),
        ("page_size", " 1", "an integer"),
        ("page_size", "1_0", "an integer"),
        ("page_size", "٣", "an integer"),
        ("page_size", "9" * 5000, "an integer"),
        ("offset", "-1", "an integer from 0"),
        ("deep", "True", "true or false"),
        ("deep", "1", "true or false"),
        ("weight", "nan", "a number"),
        ("weight", "1_0", "a number"),
        ("weight", "1e999", "a number"),
        ("scale", "1e39", "a number of 32 bits"),
        ("cursor", "a", "base64"),
        ("cursor", "!!!!", "base64"),
        ("genre", "POEM", "one of GENRE_UNSPECIFIED, GENRE_NOVEL, GENRE_POEM"),
        ("genre", "4294967296", "one of"),
        ("since", "yesterday", "RFC 3339"),
        ("within", "5", "seconds with an s"),
        ("fields", "a_b", "names of fields"),
        ("most", "x", "an integer"),
    ],
)
def test_other_text_is_refused_with_what_is_expected(name: str, text: str, said: str) -> None:
    """The message is for the peer, and quotes nothing that it sent."""
    with pytest.raises(ValueError, match=said):
        put(name, text)
