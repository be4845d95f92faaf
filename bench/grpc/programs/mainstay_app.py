"""mainstay, as a user writes it, with a class for the service of the ``.proto``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from greeter_pb2 import DESCRIPTOR, HelloReply, HelloRequest

from mainstay import Call, Handler, Service
from mainstay.errors import InvalidRequest

__all__ = ["service"]

counts = {"running": 0, "requests": 0, "seconds": 0.0}


async def in_flight(call: Call, next: Handler) -> Any:
    """Know how many calls run."""
    counts["running"] += 1
    try:
        return await next(call)
    finally:
        counts["running"] -= 1


async def timing(call: Call, next: Handler) -> Any:
    """Count the calls and the time they take."""
    began = time.monotonic()
    try:
        return await next(call)
    finally:
        counts["requests"] += 1
        counts["seconds"] += time.monotonic() - began


service = Service("bench", middleware=[in_flight, timing])


@service.rpc(DESCRIPTOR.services_by_name["Greeter"])
class Greeter:
    """The service of the bench."""

    async def say_hello(self, request: HelloRequest) -> HelloReply:
        """One reply."""
        if not request.name:
            raise InvalidRequest("name is empty")
        return HelloReply(message=f"Hello, {request.name}!")

    async def lots_of_replies(self, request: HelloRequest) -> AsyncIterator[HelloReply]:
        """As many as `count` says."""
        message = f"Hello, {request.name}!"
        for number in range(request.count):
            yield HelloReply(message=message, number=number)
