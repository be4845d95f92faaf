"""Markers stand in annotations, as classes or as instances."""

from __future__ import annotations

from typing import Any

import pytest

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
