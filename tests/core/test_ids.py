"""The ids of a call: taken if they are sound, made up if not, passed on in process."""

from __future__ import annotations

import pytest

from mainstay.core.ids import REQUEST_ID, SPAN_ID, TRACE_ID, identify, identify_late
from mainstay.core.metadata import Metadata
from mainstay.core.scope import Key, Scope

MINE = Key[str]("mine")
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def ids(*pairs: tuple[str, str], caller: Scope | None = None) -> tuple[str | None, ...]:
    """The request, trace and span id that a call with this metadata gets."""
    scope = Scope("call", metadata=Metadata(pairs))
    identify(scope, caller)
    return scope.get(REQUEST_ID), scope.get(TRACE_ID), scope.get(SPAN_ID)


async def test_a_call_without_ids_gets_a_request_id() -> None:
    """Every call can be found in the log; two calls are told apart."""
    first, trace, span = ids()
    second, _, _ = ids()
    assert first is not None
    assert len(first) == 16
    assert first != second
    assert (trace, span) == (None, None)


async def test_a_sound_request_id_of_the_caller_is_kept() -> None:
    """The id that a proxy gave names the call here as well."""
    assert ids(("x-request-id", "req-7.a/b=="))[0] == "req-7.a/b=="


@pytest.mark.parametrize("bad", ["", "two words", "line\nbreak", "x" * 129, "é", '"quoted"'])
async def test_a_request_id_that_could_spoil_a_log_is_replaced(bad: str) -> None:
    """What a peer sends is not copied into every record unless it is harmless."""
    request, _, _ = ids(("x-request-id", bad))
    assert request is not None
    assert request != bad


async def test_a_trace_parent_gives_trace_and_span() -> None:
    """W3C Trace Context is read, a later version's extra fields included."""
    assert ids(("traceparent", f"00-{TRACE}-{SPAN}-01"))[1:] == (TRACE, SPAN)
    assert ids(("traceparent", f"01-{TRACE}-{SPAN}-01-extra"))[1:] == (TRACE, SPAN)


@pytest.mark.parametrize(
    "bad",
    [
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        "nonsense",
    ],
)
async def test_a_broken_trace_parent_is_as_good_as_none(bad: str) -> None:
    """The specification asks to ignore it (§3.2.2.5), and not to fail the call."""
    assert ids(("traceparent", bad))[1:] == (None, None)


async def test_a_call_made_by_a_call_has_its_ids() -> None:
    """Records of a call and of what it calls in process are found together."""
    caller = Scope("caller", metadata=Metadata([("traceparent", f"00-{TRACE}-{SPAN}-01")]))
    identify(caller)
    assert ids(caller=caller) == (caller.get(REQUEST_ID), TRACE, SPAN)


async def test_ids_may_be_looked_for_late() -> None:
    """When somebody asks for any value, and then they stay."""
    with Scope("call", metadata=Metadata([("x-request-id", "abc")])) as scope:
        identify_late(scope)
        scope.set(MINE, "mine")
        assert (scope.get(REQUEST_ID), scope.get(MINE)) == ("abc", "mine")
    with Scope("call", parent=scope) as below:
        assert below.get(REQUEST_ID) == "abc"
    with Scope("call") as unnamed:
        identify_late(unnamed)
        with Scope("inner") as inner:
            found = inner.get(REQUEST_ID)
        assert found is not None
        assert unnamed.has_own(REQUEST_ID)
        assert unnamed.get(REQUEST_ID) == found


async def test_what_is_set_first_is_not_overridden_by_late_ids() -> None:
    """The ids are found before."""
    with Scope("call") as scope:
        identify_late(scope)
        scope.set(REQUEST_ID, "mine")
        assert scope.get(REQUEST_ID) == "mine"
