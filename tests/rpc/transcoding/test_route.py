"""Rules against messages: what is checked at the start, and what a request and a reply become."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mainstay.errors import ValidationFailed, WiringError
from mainstay.rpc.json_faults import MOST
from mainstay.rpc.method import MessageType, RpcMethod
from mainstay.rpc.protobuf import bare_method
from mainstay.rpc.transcoding.route import Route, rules_of
from mainstay.rpc.transcoding.rules import Delete, Get, HttpRule, Patch, Post, Put
from tests.rpc.transcoding.library import compiled, message


def method(name: str) -> RpcMethod:
    """A method of the library, which nothing answers."""
    return bare_method(compiled().FindServiceByName("library.v1.Library").methods_by_name[name])


def ask(
    name: str,
    rule: HttpRule,
    path: str = "/",
    query: bytes = b"",
    body: bytes = b"",
    content_type: bytes = b"application/json",
) -> Any:
    """The message of a request."""
    return Route(method(name), rule).request(path[1:].split("/"), query, body, content_type)


def violations(call: Callable[[], Any]) -> list[tuple[str, str]]:
    """Where and what kind everything is that is wrong."""
    with pytest.raises(ValidationFailed) as caught:
        call()
    return [(each.pointer, each.code) for each in caught.value.violations]


def test_rules_in_code_take_the_place_of_the_option() -> None:
    """None are added to those of the ``.proto``."""
    found = method("GetBook")
    assert len(rules_of(found)) == 3
    assert rules_of(dataclasses.replace(found, http=(Get("/x"),))) == (Get("/x"),)
    assert rules_of(dataclasses.replace(found, descriptor=None)) == ()


@pytest.mark.parametrize(
    ("name", "rule", "said"),
    [
        ("GetBook", Get("/{nothing}"), "'nothing' is no field of library.v1.GetBookRequest"),
        ("GetBook", Get("/{author}"), "'author' is no field"),
        ("GetBook", Get("/{name.x}"), "'name.x' is no field"),
        ("SetTags", Get("/{tags}"), "'tags' is no field of library.v1.Book that a path can have"),
        ("GetBook", Post("/x", body="nothing"), "the body 'nothing' is no field"),
        ("GetBook", Get("/x", response_body="nothing"), "the response_body 'nothing' is no field"),
        ("SetTags", Put("/{title}", body="title"), "'title' is in the path and the body"),
        ("GetBook", Get("x"), "begins with a slash"),
        ("GetBook", HttpRule("GE T", "/x"), "'GE T' is no method of HTTP"),
        ("GetBook", HttpRule("", "/x"), "'' is no method of HTTP"),
    ],
)
def test_a_rule_that_does_not_fit_the_messages_is_refused(
    name: str, rule: HttpRule, said: str
) -> None:
    """The error says what, where a start would only find it by a request."""
    with pytest.raises(WiringError) as caught:
        Route(method(name), rule)
    assert said in caught.value.message


def test_types_without_descriptors_have_no_paths() -> None:
    """There is nothing to make JSON by."""
    raw = MessageType(name="x.Y", python_type=bytes, decode=bytes, encode=bytes)
    bare = dataclasses.replace(method("GetBook"), request=raw)
    with pytest.raises(WiringError, match="has no descriptors"):
        Route(bare, Get("/x"))


def test_the_path_wins_over_a_body_of_all_fields() -> None:
    """What the body says of the same field is not heard; it is no fault, as in google/api/http.proto."""
    rule = Patch("/v1/{book.name=shelves/*/books/*}")
    body = b'{"book": {"name": "other", "title": "T"}, "updateMask": "title"}'
    made = ask("UpdateBook", rule, "/v1/shelves/1/books/2", body=body)
    assert (made.book.name, made.book.title) == ("shelves/1/books/2", "T")
    assert list(made.update_mask.paths) == ["title"]


def test_the_path_wins_over_a_field_of_the_body() -> None:
    """As the standard methods of Google's APIs update something (google.aip.dev/134)."""
    rule = Patch("/v1/{book.name=shelves/*/books/*}", body="book")
    body = b'{"name": "other", "title": "T"}'
    made = ask("UpdateBook", rule, "/v1/shelves/1/books/2", b"updateMask=title", body)
    assert (made.book.name, made.book.title) == ("shelves/1/books/2", "T")
    assert list(made.update_mask.paths) == ["title"]
    assert ask("UpdateBook", rule, "/v1/shelves/1/books/2").book.name == "shelves/1/books/2"
    assert violations(
        lambda: ask("UpdateBook", rule, "/v1/shelves/1/books/2", b"book.title=T&book.name=x")
    ) == [("/query/book.title", "unknown"), ("/query/book.name", "unknown")]


def test_a_body_of_one_field_leaves_the_others_to_the_query() -> None:
    """Messages, lists and scalars may be the body."""
    rule = Post("/v1/{parent=shelves/*}/books", body="book")
    body = b'{"title": "T", "pages": "12"}'
    made = ask("CreateBook", rule, "/v1/shelves/3/books", b"book_id=x&dryRun=true", body)
    assert (made.parent, made.book.title, made.book.pages) == ("shelves/3", "T", 12)
    assert (made.book_id, made.dry_run) == ("x", True)
    assert list(ask("SetTags", Put("/x", body="tags"), "/x", body=b'["a", "b"]').tags) == ["a", "b"]
    assert ask("SetTags", Put("/x", body="title"), "/x", body=b'"T"').title == "T"
    assert dict(ask("SetTags", Put("/x", body="copies"), "/x", body=b'{"a": 1}').copies) == {"a": 1}


def test_an_empty_body_is_a_message_without_fields() -> None:
    """As callers of methods without arguments send it."""
    assert ask("GetBook", Post("/x"), "/x").name == ""
    assert not ask("CreateBook", Post("/x", body="book"), "/x").HasField("book")


def test_unknown_members_of_a_body_are_skipped() -> None:
    """A client may be newer than its server; so it is in Connect."""
    assert ask("GetBook", Post("/x"), "/x", body=b'{"name": "a", "new": {"b": 1}}').name == "a"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": "a", "name": "b"}',
        b'{"name": "\xff"}',
        b'{"revision": NaN}',
        b"[" * 100_000,
        b"1" * 10_000,
        b"\0",
    ],
)
def test_a_body_that_is_no_json_is_malformed(body: bytes) -> None:
    """So it is with the routes of HTTP; what the interpreter says of it is not told."""
    with pytest.raises(ValidationFailed) as caught:
        ask("GetBook", Post("/x"), "/x", body=body)
    assert caught.value.malformed
    assert [each.pointer for each in caught.value.violations] == ["/body"]
    assert "codec" not in caught.value.message
    assert "set_int_max" not in caught.value.message


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"[]", "/body"),
        (b'"x"', "/body"),
        (b"null", "/body"),
        (b'{"name": 1}', "/body/name"),
        (b'{"revision": "x"}', "/body/revision"),
        (b'{"revision": 1e30}', "/body/revision"),
        (b'{"author": {"born": {}}}', "/body/author/born"),
        (b'{"author": ' + b'{"teacher": ' * 500 + b"{}" + b"}" * 501, "/body/author/teacher"),
    ],
)
def test_a_value_that_does_not_fit_is_named(body: bytes, pointer: str) -> None:
    """By its place in the request, and not as malformed: the JSON can be read."""
    with pytest.raises(ValidationFailed) as caught:
        ask("GetBook", Post("/x"), "/x", body=body)
    assert not caught.value.malformed
    (violation,) = caught.value.violations
    assert violation.pointer.startswith(pointer)
    assert len(violation.pointer) < 1200


def test_a_value_of_one_field_is_named_in_the_body_that_it_is() -> None:
    """The pointer is into what was sent, which has no level for the field."""
    rule = Post("/v1/{parent=shelves/*}/books", body="book")
    body = b'{"pages": "many", "genre": "GENRE_NOVELL", "copies": {"a": "b"}}'
    found = violations(lambda: ask("CreateBook", rule, "/v1/shelves/3/books", b"", body))
    assert found == [("/body/pages", "type"), ("/body/genre", "type"), ("/body/copies/a", "type")]


def test_a_body_where_the_rule_has_none_is_refused() -> None:
    """Nothing that is sent is dropped without a word."""
    for rule in (Get("/x"), Delete("/x"), Post("/x", body="")):
        found = violations(partial(ask, "GetBook", rule, "/x", body=b"{}"))
        assert found == [("/body", "value")]


def test_everything_that_is_wrong_with_a_query_is_told_at_once() -> None:
    """Unknown names, wrong values, what came twice, what is elsewhere already."""
    query = b"revison=1&revision=x&author=1&author.born=1&author.born=2&name=y&a~b%2Fc=1"
    found = violations(lambda: ask("GetBook", Get("/{name}"), "/x", query))
    assert found == [
        ("/query/revison", "unknown"),
        ("/query/revision", "type"),
        ("/query/author", "unknown"),
        ("/query/author.born", "type"),
        ("/query/name", "unknown"),
        ("/query/a~0b~1c", "unknown"),
    ]


def test_fields_of_the_body_are_no_parameters() -> None:
    """With ``*`` none is; with a field, its own are not."""
    assert violations(lambda: ask("GetBook", Post("/x"), "/x", b"name=a")) == [
        ("/query/name", "unknown")
    ]
    rule = Post("/x", body="book")
    assert violations(lambda: ask("CreateBook", rule, "/x", b"book.title=a")) == [
        ("/query/book.title", "unknown")
    ]


def test_of_a_oneof_one_parameter_is_taken() -> None:
    """Two of them say two things; so it is in JSON."""
    rule = Get("/x")
    assert ask("Search", rule, "/x", b"room=a").room == "a"
    assert violations(lambda: ask("Search", rule, "/x", b"room=a&shelf=b")) == [
        ("/query/shelf", "type")
    ]


def test_names_of_a_query_are_one_whatever_their_spelling() -> None:
    """``page_size`` and ``pageSize`` are the same field given twice."""
    found = violations(lambda: ask("Search", Get("/x"), "/x", b"page_size=1&pageSize=2"))
    assert found == [("/query/pageSize", "type")]


def test_a_query_is_decoded_as_forms_are() -> None:
    """Plus is a space, an empty part is nothing, a name without a value is empty."""
    made = ask("Search", Get("/x"), "/x", b"&query=a+b%2B%C3%A9&&language")
    assert made.query == "a b+é"
    assert made.HasField("language")
    assert violations(lambda: ask("Search", Get("/x"), "/x", b"query=%ff")) == [("/query", "value")]


def test_as_many_faults_are_told_as_help_anybody() -> None:
    """However many there are, and however long their names."""
    query = b"&".join(b"x" * 200 + b"%d=1" % number for number in range(200))
    found = violations(lambda: ask("Search", Get("/x"), "/x", query))
    assert len(found) == MOST
    assert max(len(pointer) for pointer, _ in found) < 150


def test_a_wrong_value_in_the_path_is_named() -> None:
    """With the field that it is."""
    rule = Get("/{name}/{revision}")
    assert ask("GetBook", rule, "/a/7").revision == 7
    assert violations(lambda: ask("GetBook", rule, "/%ff/x")) == [
        ("/path/name", "type"),
        ("/path/revision", "type"),
    ]


def test_bytes_as_they_are_can_be_a_field_of_a_request_or_all_of_it() -> None:
    """google.api.HttpBody takes the body and its content type."""
    made = ask("WriteFile", Put("/x", body="file"), "/x", b"name=a", b"\0\xff", b"image/png")
    assert (made.name, made.file.data, made.file.content_type) == ("a", b"\0\xff", "image/png")


@pytest.mark.parametrize(
    ("name", "reply", "rule", "body"),
    [
        ("Search", {"said": "x"}, Get("/x"), b'{"said":"x"}'),
        ("Search", {"said": "x"}, Get("/x", response_body="said"), b'"x"'),
        ("Search", {}, Get("/x", response_body="said"), b'""'),
        ("Search", {}, Get("/x", response_body="books"), b"[]"),
        ("GetBook", {}, Get("/x", response_body="pages"), b'"0"'),
        ("GetBook", {"pages": 2**60}, Get("/x", response_body="pages"), b'"1152921504606846976"'),
        ("GetBook", {}, Get("/x", response_body="genre"), b'"GENRE_UNSPECIFIED"'),
        ("GetBook", {}, Get("/x", response_body="author"), b"{}"),
        ("GetBook", {}, Get("/x", response_body="copies"), b"{}"),
        ("GetBook", {"copies": {"a": 1}}, Get("/x", response_body="copies"), b'{"a":1}'),
        (
            "GetBook",
            {"genre": 1, "scan": b"\xff"},
            Get("/x"),
            b'{"genre":"GENRE_NOVEL","scan":"/w=="}',
        ),
    ],
)
def test_a_reply_is_all_of_the_message_or_the_field_that_the_rule_names(
    name: str, reply: dict[str, Any], rule: HttpRule, body: bytes
) -> None:
    """A field that has its default value is there nevertheless: a body cannot be left out."""
    route = Route(method(name), rule)
    cls = route.method.response.python_type
    assert route.reply(cls(**reply)) == body


def test_a_wrong_reply_is_an_error_of_types() -> None:
    """It is a fault of the handler, which is told so."""
    with pytest.raises(TypeError, match=r"library\.v1.Book is sent as"):
        Route(method("GetBook"), Get("/x")).reply(message("library.v1.Tick")())
