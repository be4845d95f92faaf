"""Problems for outer middleware to see.

An error travels as an exception to the application, which makes a problem of it; middleware that
wants to see or change that reply (compress it, count it, give it another shape) needs it sooner.
"""

from __future__ import annotations

import logging
from typing import Final

from mainstay.core.call import Middleware
from mainstay.errors import PeerGone, PolicyError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import HttpNext, http_only
from mainstay.http.problems import problem_response
from mainstay.http.response import Response

__all__ = ["recover"]

_log = logging.getLogger("mainstay.http")

_OURS: Final = 500


def recover() -> Middleware:
    """Turn what is raised inside into the problem response that the application would make.

    Faults of the server are logged here, with their stack, as the application does. Cancellations
    go on, since nobody waits for the answer, and so does what happens after the reply has begun.
    """
    return http_only(_recover)


async def _recover(call: HttpCall, next: HttpNext) -> Response:
    try:
        return await next(call)
    except PeerGone:
        raise
    except Exception as error:
        if call.begun:
            raise
        response = problem_response(error, call.request)
        if response.status >= _OURS:
            expected = isinstance(error, PolicyError)
            level = logging.WARNING if expected else logging.ERROR
            stack = None if expected else error
            _log.log(level, "%s failed: %r", call.method, error, exc_info=stack)
        return response
