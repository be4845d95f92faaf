"""Which template fits a path, and what its variables are."""

import pytest

from mainstay.rpc.transcoding.matcher import MalformedPath, Matcher, decode_text, texts_of
from mainstay.rpc.transcoding.template import Template, parse_template


def matcher(*rules: str) -> Matcher[Template]:
    """A matcher of rules such as ``GET /a``."""
    made: Matcher[Template] = Matcher()
    for rule in rules:
        method, _, text = rule.partition(" ")
        template = parse_template(text)
        assert made.add(method, template, template) is None
    return made


def found(rules: list[str], method: str, path: str) -> tuple[str, list[str]] | None:
    """The template that fits, and the texts of its variables."""
    said = matcher(*rules).find(method, path)
    if said is None:
        return None
    template, raw = said
    return template.text, [texts_of(each, raw) for each in template.variables]


BOOK = "GET /v1/{name=shelves/*/books/*}"


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("/v1/shelves/1/books/2", ["shelves/1/books/2"]),
        ("/v1/shelves/1/books/a%20b", ["shelves/1/books/a b"]),
        ("/v1/shelves/1/books/a%2Fb", ["shelves/1/books/a%2Fb"]),
        ("/v1/shelves/1/books/a%2fb%2Fc%25", ["shelves/1/books/a%2fb%2Fc%"]),
        ("/v1/shelves/%C3%A9/books/x", ["shelves/é/books/x"]),
        ("/v1/%73helves/1/books/2", ["shelves/1/books/2"]),
    ],
)
def test_of_several_segments_all_but_slashes_is_decoded(path: str, texts: list[str]) -> None:
    """``%2F`` stays as it was sent, so that names can be taken apart again."""
    assert found([BOOK], "GET", path) == ("/v1/{name=shelves/*/books/*}", texts)


@pytest.mark.parametrize(
    "path",
    ["/v1/shelves/1", "/v1/shelves/1/books/", "/v1/shelves//books/2", "/v1/x/1/books/2", "/"],
)
def test_what_is_missing_or_empty_does_not_fit(path: str) -> None:
    """``*`` is one segment that is not empty."""
    assert found([BOOK], "GET", path) is None


def test_of_one_segment_everything_is_decoded() -> None:
    """Also slashes."""
    assert found(["GET /v1/{id}"], "GET", "/v1/a%2Fb+c") == ("/v1/{id}", ["a/b+c"])


@pytest.mark.parametrize(
    ("path", "text"), [("/v1/a/b%2Fc", "a/b%2Fc"), ("/v1/", ""), ("/v1", ""), ("/v1/a/", "a/")]
)
def test_two_stars_fit_any_number_of_segments(path: str, text: str) -> None:
    """None, too."""
    assert found(["GET /v1/{name=**}"], "GET", path) == ("/v1/{name=**}", [text])


def test_a_literal_goes_before_a_star_and_that_before_two() -> None:
    """In whatever order they were declared; where the first leads nowhere the next is tried."""
    rules = ["GET /{a=**}", "GET /v1/{b}/end", "GET /v1/{b}", "GET /v1/me"]
    assert found(rules, "GET", "/v1/me") == ("/v1/me", [])
    assert found(rules, "GET", "/v1/you") == ("/v1/{b}", ["you"])
    assert found(rules, "GET", "/v1/me/end") == ("/v1/{b}/end", ["me"])
    assert found(rules, "GET", "/v1/me/else") == ("/{a=**}", ["v1/me/else"])


def test_a_verb_goes_before_a_plain_segment() -> None:
    """A colon that is no verb's belongs to the segment, and ``%3A`` is never a verb's."""
    rules = ["POST /v1/{name=shelves/*}:archive", "POST /v1/{name=**}"]
    verb = "/v1/{name=shelves/*}:archive"
    assert found(rules, "POST", "/v1/shelves/1:archive") == (verb, ["shelves/1"])
    assert found(rules, "POST", "/v1/shelves/1:other") == ("/v1/{name=**}", ["shelves/1:other"])
    assert found(rules, "POST", "/v1/shelves/1%3Aarchive")[0] == "/v1/{name=**}"  # type: ignore[index]
    assert found(["POST /{a=**}:go"], "POST", "/x/y:go") == ("/{a=**}:go", ["x/y"])
    assert found(["POST /a:go%2Fon"], "POST", "/a:go%2fon") == ("/a:go%2Fon", [])
    assert found(["POST /a/{b}:go"], "POST", "/a/:go") is None


def test_a_template_without_the_method_lets_the_next_be_asked() -> None:
    """GET may be of one template, and POST of a wider one."""
    rules = ["GET /v1/{a}", "POST /v1/{b=**}"]
    assert found(rules, "POST", "/v1/x") == ("/v1/{b=**}", ["x"])
    assert matcher(*rules).methods("/v1/x") == {"GET", "HEAD", "POST"}
    assert matcher(*rules).methods("/v2") == set()


def test_head_is_answered_by_get_and_a_star_answers_every_method() -> None:
    """As ``custom { kind: "*" }`` says."""
    assert found(["GET /a"], "HEAD", "/a") == ("/a", [])
    assert found(["* /a"], "BREW", "/a") == ("/a", [])
    assert found(["GET /a"], "PUT", "/a") is None


def test_the_same_place_is_taken_once() -> None:
    """Who adds a second one is told of the first, which stays."""
    made = matcher("GET /v1/{a}")
    other = parse_template("/v1/{b}")
    first = made.add("GET", other, other)
    assert first is not None
    assert first.text == "/v1/{a}"
    assert made.find("GET", "/v1/x") == (first, ["v1", "x"])


def test_text_that_is_not_utf_8_is_malformed() -> None:
    """In a value; a path with it is found all the same, and fits no text of a template."""
    found = matcher("GET /{a}", "GET /%EF%BF%BD").find("GET", "/%ff")
    assert found is not None
    assert found[0].text == "/{a}"
    assert matcher("GET /{a}:go").find("GET", "/%ff:%ff") is None
    with pytest.raises(MalformedPath):
        decode_text("\xff")
    assert matcher("GET /{a}").methods("/%ff") == {"GET", "HEAD"}
    assert decode_text("%") == "%"
