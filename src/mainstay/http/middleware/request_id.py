"""The request's id in the reply, so that whoever complains can name the request."""

from __future__ import annotations

from mainstay.core.call import Middleware
from mainstay.core.ids import REQUEST_ID, is_request_id
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import HttpNext, http_only
from mainstay.http.response import Response

__all__ = ["request_id"]

_USUAL = "x-request-id"


def request_id(*, header: str = _USUAL, trust: bool = True) -> Middleware:
    """Answer with the id of the call, errors included; it names the instance of problems, too.

    Every call has an id (`mainstay.core.ids`) that stands in its log records: the caller's, from
    ``x-request-id``, or a made-up one.

    Args:
        header: the field that the id is taken from, and answered in.
        trust: whether the caller's id is taken; otherwise each call gets one of ours. An id that
            is longer than 128 characters or has any that could do harm in a log never is.
    """
    plain = header.lower() == _USUAL and trust

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        scope = call.scope
        found = scope.get(REQUEST_ID) if plain else None
        if not plain:
            given = scope.metadata.get(header) if trust else None
            if given is not None and is_request_id(given):
                found = given
            else:
                found = f"{scope.effects.random.getrandbits(64):016x}"
            scope.set(REQUEST_ID, found)
        headers = call.request.reply_headers
        headers.set(header, found or "")
        return await next(call)

    layer.__qualname__ = "request_id"
    return http_only(layer)
