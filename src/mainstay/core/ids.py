"""The names of a call: its request id, and its place in a trace.

They are taken from the call's metadata if the caller sent them, and made up otherwise, so every call
has a name by which its log records are found. `REQUEST_ID` is the header ``x-request-id`` that
proxies send; the trace is W3C Trace Context's ``traceparent`` (version 00, §3.2).
"""

from __future__ import annotations

import re
from typing import Any, Final

from mainstay.core.scope import Key, Scope

__all__ = ["REQUEST_ID", "SPAN_ID", "TRACE_ID", "identify", "identify_late", "is_request_id"]

REQUEST_ID: Final = Key[str]("request_id")
"""Names one call for people: in its log records and in what its caller is told."""

TRACE_ID: Final = Key[str]("trace_id")
"""Names the whole tree of calls across services; 32 hex digits."""

SPAN_ID: Final = Key[str]("span_id")
"""Names the caller's part of the trace; 16 hex digits."""

# What comes from outside goes into logs: nothing but these characters, and no more of them.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:@/+=-]{1,128}")
_TRACE_PARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)


def is_request_id(text: str) -> bool:
    """Whether `text` from outside may be the id of a call: 1 to 128 characters that are harmless in
    logs, headers and URLs."""
    return _REQUEST_ID.fullmatch(text) is not None


def identify(scope: Scope, caller: Scope | None = None) -> None:
    """Give the scope of a call its ids.

    Args:
        scope: of the call.
        caller: of the call that makes this one in the same process; its ids are passed on.
    """
    for key, value in _ids_of(scope, caller).items():
        scope.set(key, value)


def identify_late(scope: Scope) -> None:
    """The same when somebody asks for them: most calls are never logged nor passed on."""
    scope.fill_late(_ids_of)


def _ids_of(scope: Scope, caller: Scope | None = None) -> dict[Key[Any], Any]:
    metadata = scope.metadata
    ids: dict[Key[Any], Any] = {}
    own = metadata.get("x-request-id")
    if own is not None and is_request_id(own):
        ids[REQUEST_ID] = own
    else:
        inherited = None if caller is None else caller.get(REQUEST_ID)
        ids[REQUEST_ID] = inherited or f"{scope.effects.random.getrandbits(64):016x}"
    parent = metadata.get("traceparent")
    found = None if parent is None else _TRACE_PARENT.fullmatch(parent)
    if found is not None and found[1].strip("0") and found[2].strip("0"):
        ids[TRACE_ID] = found[1]
        ids[SPAN_ID] = found[2]
    elif caller is not None:
        for key in (TRACE_ID, SPAN_ID):
            value = caller.get(key)
            if value is not None:
                ids[key] = value
    return ids
