"""Patterns of paths and hosts: what they are made of, and what they cannot be."""

import pytest

from mainstay.errors import WiringError
from mainstay.http.converters import CONVERTERS
from mainstay.http.pattern import Hole, host_of, parse_host, parse_path


def test_a_path_is_its_segments() -> None:
    """Fixed segments stay text, empty ones too; parameters say their name, kind and surroundings."""
    plain, number = CONVERTERS["str"], CONVERTERS["int"]
    pattern = parse_path("/a b//{id:int}/@{user}.json/")
    assert pattern.parts == (
        "a b",
        "",
        Hole("id", number),
        Hole("user", plain, "@", ".json"),
        "",
    )
    assert pattern.names == ("id", "user")


def test_the_shape_forgets_names_only() -> None:
    """Two patterns have one shape if the same requests fit them."""
    assert parse_path("/a/{x:int}").shape == parse_path("/a/{y:int}").shape
    different = ("/a/{x}", "/a/{x:int}", "/a/{x}.json", "/a/x", "/a/{x:path}", "/a/{x}/")
    assert len({parse_path(each).shape for each in different}) == len(different)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("users", "begins with a slash"),
        ("", "begins with a slash"),
        ("/a%20b", "written decoded, without %20"),
        ("/a?b", "cannot have '?'"),
        ("/a#b", "cannot have '#'"),
        ("/a\nb", r"cannot have '\\n'"),
        ("/{a}{b}", "has two parameters"),
        ("/{a", "has braces that do not fit"),
        ("/a}", "has braces that do not fit"),
        ("/{}", "'' cannot name a parameter"),
        ("/{a-b}", "'a-b' cannot name a parameter"),
        ("/{a:integer}", "no kind of parameter 'integer'; did you mean 'int'"),
        ("/{a:}", "no kind of parameter ''; there are uuid, date, int"),
        ("/{int:a}", "the name comes first: {a:int}"),
        ("/<int:a>", "written {name} or {name:int}, not <int:a>"),
        ("/{a}/{a:int}", "'a' is there twice"),
        ("/{a:path}/b", "so it stands last"),
        ("/b{a:path}", "has a whole segment for itself"),
    ],
)
def test_a_path_that_cannot_be_is_refused(path: str, message: str) -> None:
    """The message quotes the path and says what to do."""
    with pytest.raises(WiringError, match=message) as caught:
        parse_path(path)
    assert repr(path) in str(caught.value)


def test_a_host_is_its_labels_in_lower_case() -> None:
    """Case never matters in a host; parameters keep that of their names."""
    plain = CONVERTERS["str"]
    assert parse_host("{Tenant}.Example.ORG").parts == (Hole("Tenant", plain), "example", "org")
    assert parse_host("API-{n}.example").parts == (Hole("n", plain, "api-"), "example")
    assert parse_host("[::1]").parts == ("[::1]",)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("example.org:80", "leave the port out"),
        ("example..org", "looks like example.org"),
        ("", "looks like example.org"),
        ("https://example.org", "leave the port out"),
        ("example.org/a", "looks like example.org"),
        ("{all:path}", "cannot be a path"),
    ],
)
def test_a_host_that_cannot_be_is_refused(host: str, message: str) -> None:
    """The message says what to do."""
    with pytest.raises(WiringError, match=message):
        parse_host(host)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Example.org:8000", "example.org"),
        ("example.org.", "example.org"),
        ("example.org.:443", "example.org"),
        ("[::1]:8000", "[::1]"),
        ("[FE80::1]", "[fe80::1]"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("", ""),
    ],
)
def test_the_host_of_an_authority_has_neither_port_nor_case(authority: str, host: str) -> None:
    """What a peer sends in many ways is one host."""
    assert host_of(authority) == host
