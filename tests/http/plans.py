"""Plans for the tests of binding: a function on a route, and what a request makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from mainstay.core.scope import Scope
from mainstay.core.signature import parameters_of
from mainstay.errors import ValidationFailed, WiringError
from mainstay.http.binding import Plan, plan
from mainstay.http.call import HttpCall
from mainstay.http.route import Route
from mainstay.testing.exchange import Chunks, MemoryExchange

JSON = ("content-type", "application/json")
URLENCODED = ("content-type", "application/x-www-form-urlencoded")


def planned(
    function: Callable[..., Any],
    path: str = "/",
    method: str = "GET",
    **options: Any,
) -> Plan:
    route = Route(path=path, function=function, methods=(method,), **options)
    return plan(function, parameters_of(function), route)


def refused(function: Callable[..., Any], path: str = "/", method: str = "GET") -> str:
    """The message of the WiringError with which the function is refused."""
    with pytest.raises(WiringError) as caught:
        planned(function, path, method)
    assert function.__qualname__ in caught.value.message
    return caught.value.message


class Bound:
    """A function on a route, to be asked for its arguments again and again."""

    def __init__(
        self,
        function: Callable[..., Any],
        path: str = "/",
        method: str = "GET",
        **options: Any,
    ) -> None:
        self.route = Route(path=path, function=function, methods=(method,), **options)
        self.plan = plan(function, parameters_of(function), self.route)

    def call(
        self,
        target: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        params: dict[str, Any] | None = None,
        chunks: Chunks | None = None,
        body_limit: int | None = None,
    ) -> HttpCall:
        exchange = MemoryExchange(
            self.route.methods[0], target, fields, body, chunks=chunks, body_limit=body_limit
        )
        scope = Scope.current()
        return HttpCall("http", "test", lambda _: scope, exchange, self.route, params or {})

    async def __call__(self, *args: Any, **options: Any) -> dict[str, Any]:
        """The arguments, which are the same whether or not somebody waits for the body."""
        call = self.call(*args, **options)
        if self.plan.ready(call):
            made = self.plan.arguments(call)
            assert made == await self.plan.arguments_async(call)
            return made
        return await self.plan.arguments_async(call)

    async def faults(self, *args: Any, **options: Any) -> list[tuple[str, str]]:
        """Pointer and code of everything that is wrong."""
        with pytest.raises(ValidationFailed) as caught:
            await self(*args, **options)
        assert not caught.value.malformed
        return [(each.pointer, each.code) for each in caught.value.violations]


def json(value: Any) -> bytes:
    return msgspec.json.encode(value)
