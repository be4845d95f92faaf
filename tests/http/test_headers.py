"""The fields of a reply."""

import pytest

from mainstay.errors import UsageError
from mainstay.http.headers import FRAMING, Headers


def test_names_are_found_in_any_case() -> None:
    """They are kept in lower case, in order, and may come twice."""
    headers = Headers({"X-One": "1"})
    headers.add("Set-Cookie", "a")
    headers.add("set-cookie", "b")
    assert headers["x-ONE"] == "1"
    assert headers.get_all("SET-COOKIE") == ["a", "b"]
    assert list(headers) == [("x-one", "1"), ("set-cookie", "a"), ("set-cookie", "b")]
    assert "Set-Cookie" in headers
    assert 7 not in headers
    assert headers.get("none", "default") == "default"
    with pytest.raises(KeyError):
        headers["none"]


def test_they_can_be_changed() -> None:
    """`set` leaves one, `set_default` what is there, `remove` none."""
    headers = Headers([("a", "1"), ("A", "2"), ("b", "3")])
    headers.set("a", "4")
    headers["c"] = "5"
    headers.set_default("b", "6")
    headers.set_default("d", "7")
    headers.remove("C")
    assert dict(headers) == {"b": "3", "a": "4", "d": "7"}
    assert len(headers) == 3


@pytest.mark.parametrize("value", ["a\nb", "a\r\nset-cookie: b", "a\0"])
def test_a_value_cannot_end_its_line(value: str) -> None:
    """Or a peer could write fields, and whole replies, of its own."""
    headers = Headers()
    for change in (headers.add, headers.set, headers.__setitem__, headers.set_default):
        with pytest.raises(UsageError, match="line break or NUL"):
            change("x-name", value)
    assert len(headers) == 0


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\n"])
def test_a_name_is_a_token(name: str) -> None:
    """RFC 9110 §5.1."""
    with pytest.raises(UsageError, match="cannot be the name"):
        Headers([(name, "x")])


def test_other_languages_travel_as_utf_8() -> None:
    """On the wire names are in lower case."""
    assert Headers({"X-Name": "Käthe", "x-tab": "a\tb"}).fields() == [
        (b"x-name", "Käthe".encode()),
        (b"x-tab", b"a\tb"),
    ]


def test_what_a_reply_depends_on_is_named_once() -> None:
    """`vary` gathers; a star covers everything."""
    headers = Headers()
    headers.vary("Accept")
    headers.vary("origin")
    headers.vary("accept")
    assert headers.get_all("vary") == ["accept, origin"]
    star = Headers({"vary": "*"})
    star.vary("origin")
    assert star["vary"] == "*"


def test_framing_is_noticed() -> None:
    """Fields that the connection writes itself are told from others, in copies as well."""
    assert not Headers({"x-a": "1"}).framed
    for name in FRAMING:
        assert Headers(Headers({name.title(): "1"})).framed


def test_a_copy_is_its_own() -> None:
    """Changing it leaves the first as it was."""
    first = Headers({"a": "1"})
    copy = Headers(first)
    copy["a"] = "2"
    assert first["a"] == "1"


def test_values_are_not_shown() -> None:
    """They may be credentials."""
    assert repr(Headers({"Authorization": "swordfish"})) == "<Headers authorization>"
    assert repr(Headers()) == "<Headers empty>"
