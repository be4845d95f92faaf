"""Rules in code, and those of an option."""

from mainstay.rpc.transcoding.rules import (
    Delete,
    Get,
    HttpRule,
    Patch,
    Post,
    Put,
    rules_of_descriptor,
)
from tests.rpc.transcoding.library import compiled


def test_a_rule_in_code_has_the_body_that_its_verb_has_usually() -> None:
    """GET and DELETE have none; the others have all fields that are not in the path."""
    assert Get("/a", response_body="b") == HttpRule("GET", "/a", "", "b")
    assert Delete("/a") == HttpRule("DELETE", "/a")
    assert [each("/a").body for each in (Post, Put, Patch)] == ["*", "*", "*"]
    assert [each("/a", body="b").body for each in (Post, Put, Patch)] == ["b", "b", "b"]
    assert str(Get("/a/{b}")) == "GET /a/{b}"


def test_an_option_is_read_in_a_pool_that_does_not_know_the_extension() -> None:
    """The rule comes first, what is additional after it, in order, with bodies."""
    service = compiled().FindServiceByName("library.v1.Library")
    methods = service.methods_by_name
    assert [str(each) for each in rules_of_descriptor(methods["GetBook"])] == [
        "GET /v1/{name=shelves/*/books/*}",
        "GET /v1/books/{name}",
        "GET /v1/authors/{author.name}/books/{name}",
    ]
    assert rules_of_descriptor(methods["SetTags"]) == (
        HttpRule("PUT", "/v1/books/{name}/tags", "tags", "note"),
    )
    assert rules_of_descriptor(methods["Lock"]) == (HttpRule("LOCK", "/v1/books/{name}"),)
    assert rules_of_descriptor(methods["Talk"]) == ()
