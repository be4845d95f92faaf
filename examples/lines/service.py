"""A service on lines of text: three handlers, one of each kind, and a question about its health."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from math import inf

from examples.lines.server import LineServer
from mainstay import Running, Scope, Service
from mainstay.errors import InvalidRequest

__all__ = ["service"]


@dataclass(frozen=True)
class Config:
    """What can be set: in ``lines.toml``, or in the environment as ``LINES__GREETING``.

    Attributes:
        greeting: the word to greet with.
        address: where to listen.
    """

    greeting: str = "Hello"
    address: str = "tcp://127.0.0.1:8000"


service = Service("lines", config=Config)


@service.server
def lines(config: Config) -> LineServer:
    """Take calls as lines of text."""
    return LineServer(config.address)


@service.handler("hello")
async def hello(request: str, config: Config) -> str:
    """Greet somebody."""
    return f"{config.greeting}, {request or 'world'}!"


@service.handler("count")
async def count(request: str, scope: Scope) -> AsyncIterator[str]:
    """Count the seconds, up to a number or for ever: each item is one message of the stream."""
    last = _number(request, default=inf)
    number = 0
    while number < last and not scope.draining:
        number += 1
        yield str(number)
        await asyncio.sleep(1)
    if scope.draining:
        yield f"the service is stopping, so {number} is where we end"


@service.handler("work")
def work(request: str, scope: Scope) -> str:
    """Work for some seconds in a thread, and stop soon after nobody wants the result any more."""
    seconds = _number(request, default=5.0)
    for _ in range(int(seconds * 10)):
        scope.sleep(0.1)  # raises once the deadline is over, or the client gone
    return f"done, after {seconds:g} s of work"


@service.handler("ready")
async def ready(running: Running) -> str:
    """Answer what a load balancer would ask: should new work come here?"""
    probe = await running.probe("ready")
    return "yes" if probe.ok else "no: " + ", ".join(each.reason for each in probe.checks)


def _number(text: str, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        raise InvalidRequest(f"{text!r} is no number") from None
