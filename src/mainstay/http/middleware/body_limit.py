"""How long the body of a request may be, for a group of routes."""

from __future__ import annotations

from mainstay.core.call import Middleware
from mainstay.errors import TooLarge, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import HttpNext, http_only
from mainstay.http.response import Response

__all__ = ["body_limit"]


def body_limit(size: int) -> Middleware:
    """Refuse bodies of more than `size` bytes with 413, in place of the limit of the server or of
    the route; of several, the innermost holds.

    A body that says its length is refused before the handler runs; one that does not, while it is
    read.

    Args:
        size: bytes; 0 allows none.

    Raises: UsageError for a negative size.
    """
    if size < 0:
        raise UsageError(f"a body has 0 bytes or more, not {size}")

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        exchange = call.exchange
        exchange.body_limit = size
        length = exchange.length if exchange.body is None else len(exchange.body)
        if length is not None and length > size:
            raise TooLarge(f"the body has {length} bytes, and {size} are allowed here")
        return await next(call)

    layer.__qualname__ = "body_limit"
    return http_only(layer)
