"""What groups and routes say, put together."""

from typing import Any

import pytest

from mainstay.errors import WiringError
from mainstay.http.options import GroupOptions, RouteOptions, check_options, merge


def test_lists_add_up_outer_first() -> None:
    """Middleware of a group is outside of that of its routes; a tag counts once."""
    merged = merge({"middleware": [1, 2], "tags": ["a", "b"]}, {"middleware": (1,), "tags": ["a"]})
    assert merged["middleware"] == (1, 2, 1)
    assert merged["tags"] == ("a", "b")


def test_dicts_are_put_together() -> None:
    """Of one key, the inner value holds."""
    outer = {"responses": {404: "x", 409: "y"}, "defaults": {"page": 1}}
    merged = merge(outer, {"responses": {404: "z"}})
    assert merged["responses"] == {404: "z", 409: "y"}
    assert merged["defaults"] == {"page": 1}


def test_of_all_else_the_inner_holds() -> None:
    """What is not said, or said to be None, is as outside; False is said."""
    outer = {"timeout": 5.0, "deprecated": True, "host": "a", "security": [{"key": ()}]}
    merged = merge(outer, {"timeout": None, "deprecated": False, "host": "b", "security": []})
    assert merged["timeout"] == 5.0
    assert merged["deprecated"] is False
    assert merged["host"] == "b"
    assert merged["security"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"midleware": []}, "no option 'midleware'; did you mean 'middleware'"),
        ({"qqq": 1}, "no option 'qqq'; there are host, middleware"),
        ({"tags": "users"}, "tags is a list, not 'users'"),
        ({"middleware": len}, "middleware is a list, not <built-in"),
        ({"middleware": ["auth"]}, "'auth' is no middleware"),
        ({"responses": [404]}, "responses is a dict"),
        ({"timeout": 0}, "timeout is more than 0, not 0"),
        ({"body_limit": -1}, "body_limit is more than 0, not -1"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    """The message says where, what and what else."""
    with pytest.raises(WiringError, match=message) as caught:
        check_options(options, RouteOptions, "get('/x')")
    assert caught.value.message.startswith("get('/x'): ")


def test_a_group_has_fewer_options_than_a_route() -> None:
    """A summary is of one route."""
    check_options({"summary": "x", "timeout": None, "tags": ["a"]}, RouteOptions, "get")
    with pytest.raises(WiringError, match="no option 'summary'"):
        check_options({"summary": "x"}, GroupOptions, "Routes")
