"""The compiled function makes the arguments, and nothing that a peer or a name says gets into it."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Annotated, Any

import pytest

from mainstay.errors import HttpError, ValidationFailed
from mainstay.http.extraction import accepted_by, require_type
from mainstay.http.sources import Header, Json, Query, RawBody
from tests.http.items import StructItem
from tests.http.plans import Bound, planned


async def test_names_are_data() -> None:
    """Quotes, braces and line breaks in an alias stay text."""
    for name in ("a'b", 'a"b', "a\\", "a\nb", "{a}", "'); raise SystemExit; ('"):

        def handler(value) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

        handler.__annotations__ = {"value": Annotated[str, Query(name=name)]}
        bound = Bound(handler)
        assert await bound.faults() == [(f"/query/{name.replace('~', '~0')}", "missing")]


async def test_parameters_may_be_called_as_the_function_calls_its_own() -> None:
    """A handler's names and those of the compiled function do not meet."""

    def handler(call: int, body: int, query: int, key: int, text: str, v0: int = 0) -> None: ...

    made = await Bound(handler)("/?call=1&body=2&query=3&key=4&text=5")
    assert made == {"call": 1, "body": 2, "query": 3, "key": 4, "text": "5", "v0": 0}


async def test_a_query_is_decoded() -> None:
    """With percent signs and pluses, and never fails to be."""

    def handler(q: str = "", r: Annotated[str, Query(name="\xe4")] = "") -> None: ...

    bound = Bound(handler)
    assert await bound("/?q=%C3%A4+b&%C3%A4=1") == {"q": "\xe4 b", "r": "1"}
    assert (await bound("/?q=%ff%zz"))["q"] == "\ufffd%zz"
    assert await bound("/?") == {"q": "", "r": ""}


async def test_a_refused_request_is_no_chain_of_errors() -> None:
    """What made us look again is of no use to whoever reads the log."""

    def handler(a: int) -> None: ...

    with pytest.raises(ValidationFailed) as caught:
        await Bound(handler)()
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (b"application/json", True),
        (b"application/json;charset=utf-8", True),
        (b" Application/JSON ; x=y", True),
        (b"application/problem+json", True),
        (b"text/json", False),
        (b"application/x-www-form-urlencoded", False),
        (b"", False),
    ],
)
def test_media_types(value: bytes, accepted: bool) -> None:
    """JSON goes by several names; the first field counts."""
    types = frozenset({b"application/json"})
    fields = [(b"a", b"b"), (b"content-type", value), (b"content-type", b"x/y")]
    if accepted:
        require_type(fields, types)
    else:
        with pytest.raises(HttpError, match="send application/json"):
            require_type(fields, types)


def test_a_suffix_is_json_only_where_json_is_wanted() -> None:
    """Not of a raw body."""
    with pytest.raises(HttpError):
        require_type([(b"content-type", b"image/svg+json")], frozenset({b"image/png"}))


def test_what_a_body_may_be() -> None:
    """JSON and its own types, or for a raw body anything unless it says."""

    def accepted(annotation: Any) -> frozenset[bytes]:
        def handler(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

        handler.__annotations__ = {"a": annotation}
        return accepted_by(planned(handler, "/", "POST").fields[0])

    assert accepted(StructItem) == {b"application/json"}
    assert accepted(Annotated[StructItem, Json(media_types=("Text/X",))]) == {
        b"application/json",
        b"text/x",
    }
    assert accepted(bytes) == frozenset()
    assert accepted(Annotated[bytes, RawBody(media_types=("a/b",))]) == {b"a/b"}


async def test_a_plain_route_costs_next_to_nothing() -> None:
    """A path parameter and two defaults take four calls; twice as many are allowed here."""

    def hello(name: str, excited: bool = False, x: Annotated[str, Header] = "") -> None: ...

    bound = Bound(hello, "/{name}")
    call = bound.call("/bob", params={"name": "bob"})
    arguments = bound.plan.arguments
    arguments(call)
    made: list[object] = []

    def note(frame: FrameType, event: str, called: Any) -> None:
        if event in ("call", "c_call"):
            made.append(frame.f_code.co_name if called is None else called)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        arguments(call)
    finally:
        sys.setprofile(before)
    assert 1 < len(made) - 1 <= 8, made  # the last one ends this
