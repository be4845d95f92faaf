"""Path templates, by the grammar in google/api/http.proto."""

import pytest

from mainstay.errors import WiringError
from mainstay.rpc.transcoding.template import Template, Variable, parse_template


def one(text: str) -> Variable:
    """The only variable of a template."""
    (variable,) = parse_template(text).variables
    return variable


def test_a_variable_without_a_pattern_is_one_segment() -> None:
    """``{id}`` is ``{id=*}``."""
    assert one("/v1/{id}") == one("/v1/{id=*}") == Variable("id", 1, 2, False)


def test_a_variable_may_be_several_segments() -> None:
    """It says which, and its literals are part of the path."""
    found = parse_template("/v1/{name=shelves/*/books/*}/pages")
    assert found.segments == ("v1", "shelves", "*", "books", "*", "pages")
    assert found.variables == (Variable("name", 1, 5, True),)


def test_two_stars_take_all_that_is_left() -> None:
    """Such a variable has no end, and counts as several segments whatever fits it."""
    assert one("/v1/{name=**}") == Variable("name", 1, None, True)
    assert one("/v1/{name=files/**}") == Variable("name", 1, None, True)


def test_a_verb_stands_behind_the_last_colon_outside_of_braces() -> None:
    """With a literal, a variable or a wildcard before it."""
    verbs = [parse_template(each).verb for each in ("/a:b", "/{a}:b", "/{a=**}:b", "/*:b", "/a")]
    assert verbs == ["b", "b", "b", "b", ""]
    assert parse_template("/a:b:c").verb == "c"
    assert parse_template("/a:b:c").segments == ("a:b",)


def test_literals_are_decoded_and_wildcards_may_stand_alone() -> None:
    """``%20`` in a template is a space in a path."""
    assert parse_template("/a%20b/*/**").segments == ("a b", "*", "**")


def test_templates_that_the_same_paths_fit_have_one_shape() -> None:
    """Whatever their variables are called, and however they are cut."""
    shapes = {
        parse_template(each).shape for each in ("/v1/{a}/{b}", "/v1/{name=*/*}", "/{c=v1/*}/*")
    }
    assert len(shapes) == 1
    assert parse_template("/v1/a").shape != parse_template("/v1:a").shape


def test_only_templates_without_wildcards_are_literal() -> None:
    """The root is one."""
    assert [parse_template(each).literal for each in ("/", "/a", "/{a=b}", "/{a}", "/**")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert parse_template("/") == Template("/", ("",), "", ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("v1/a", "begins with a slash"),
        ("/a/", "a segment of it is empty"),
        ("/a//b", "a segment of it is empty"),
        ("/{a", "braces are closed"),
        ("/a}", "braces are closed"),
        ("/{a={b}}", "not nested"),
        ("/a{b}", "is no segment"),
        ("/{b}a", "is no variable"),
        ("/{=a}", "is no variable"),
        ("/{a.}", "is no variable"),
        ("/{a b}", "is no variable"),
        ("/{a=}", "a segment of it is empty"),
        ("/{a=b/}", "a segment of it is empty"),
        ("/{a}/{a}", "is in it twice"),
        ("/{a=**}/b", "** stands last"),
        ("/**/b", "** stands last"),
        ("/a:", "what follows the colon"),
        ("/a*", "is no segment"),
        ("/***", "is no segment"),
        ("/%2A", "is no segment"),
        ("/a?b", "is no segment"),
        ("/a b", "is no segment"),
        ("/%zz", "is no segment"),
    ],
)
def test_a_wrong_template_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    """The error names the template and the fault."""
    with pytest.raises(WiringError) as caught:
        parse_template(text)
    assert repr(text) in caught.value.message
    assert said in caught.value.message
