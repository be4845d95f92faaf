"""Markers stand in annotations, as classes or as instances."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any, cast

import pytest

from mainstay.errors import UsageError
from mainstay.http.sources import (
    Body,
    Cookie,
    Form,
    Header,
    Json,
    Marker,
    Path,
    Query,
    RawBody,
    Upload,
    marker_of,
)

ALL = [Path, Query, Header, Cookie, Json, Form, Upload, RawBody]


@pytest.mark.parametrize("kind", ALL)
def test_a_class_stands_for_a_marker_without_arguments(kind: type[Marker]) -> None:
    """Each knows the part of the request that it means."""
    assert marker_of(kind) == kind()
    assert kind().source == kind.source


def test_an_instance_stands_for_itself() -> None:
    """With its arguments."""
    marker = Query(name="user-id", description="who")
    assert marker_of(marker) is marker


@pytest.mark.parametrize("other", [Marker, int, "Query", None, 5])
def test_nothing_else_is_a_marker(other: Any) -> None:
    """Neither the base, which names no place, nor anything of others."""
    assert marker_of(other) is None


def test_a_body_is_json() -> None:
    """The word of other frameworks."""
    assert Body is Json


def test_every_marker_means_another_place() -> None:
    """No two are the same."""
    assert len({kind.source for kind in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda q: q(1), "Query(1) says no name of what it gives: a default stands behind the"),
        (lambda q: q("user-id"), "another name is Query(name=…)"),
        (lambda q: q(default=1), "as in `x: Annotated[int, Query] = 1`"),
        (lambda q: q(alias="Q"), "Query has no option 'alias'; write Query(name=…)"),
        (lambda q: q(ge=1), "`Annotated[int, Query, msgspec.Meta(ge=1)]`"),
        (lambda q: q(nam="x"), "did you mean 'name'?"),
        (lambda q: q(zzz="x"), "it has name, description, examples"),
    ],
)
def test_what_other_frameworks_take_is_told_what_to_write(make: Any, says: str) -> None:
    """At the line where it stands: a marker has names only, and no default."""
    with pytest.raises(UsageError) as caught:
        make(Query)
    assert says in caught.value.message


def test_the_options_of_a_body_are_its_own() -> None:
    """`media_types` is one of a JSON body, and none of a query."""
    assert Json(media_types=("text/json",)).media_types == ("text/json",)
    with pytest.raises(UsageError, match="Query has no option 'media_types'"):
        cast("Any", Query)(media_types=())
    assert replace(Query(name="a"), name="b") == copy(Query(name="b"))
