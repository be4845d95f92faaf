"""Facts about `mainstay.service.layers`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import pytest

from mainstay import Call, Handler, Routes, Service, configured
from mainstay.core.call import Middleware
from mainstay.errors import WiringError
from mainstay.http import access_log, bearer, cors, jwt, rate_limit, tokens
from mainstay.service.describing import describe
from mainstay.service.wiring import Wiring
from mainstay.testing import http_client


@dataclass
class Config:
    token: str = "t-1"


class Users:
    """Knows names by token."""

    def find(self, token: str) -> str:
        return f"user of {token}"


class Transaction:
    """Of one call."""


SEEN: list[str] = []


async def passing(call: Call, next: Handler) -> Any:
    return await next(call)


async def named(call: Call, next: Handler, users: Users, config: Config, mark: str = "!") -> Any:
    SEEN.append(users.find(config.token) + mark)
    return await next(call)


def service_with(*middleware: Any) -> Service:
    """A service in `middleware`, with a resource and one of each call."""
    service = Service("s", config=Config, middleware=middleware)

    @service.resource
    def users() -> Users:
        return Users()

    @service.resource(lifetime="call")
    def transaction() -> Transaction:
        return Transaction()

    @service.get("/")
    async def root() -> str:
        return "ok"

    @service.handler("root")
    async def called() -> str:
        return "ok"

    return service


def fault_of(*middleware: Any) -> str:
    """What the wiring of a service says that lists `middleware`."""
    service = service_with(*middleware)
    with pytest.raises(WiringError) as caught:
        Wiring(service.declaration, {Config: Config()})
    return caught.value.message


async def test_further_parameters_are_filled_from_the_service() -> None:
    """By type: a resource and the configuration; a default holds if nobody provides the type. By
    HTTP and for calls in process."""
    SEEN.clear()
    async with http_client(service_with(named), config=Config("t-7")) as client:
        assert (await client.get("/")).text == "ok"
        assert (await client.get("/nowhere")).status == 404
        assert await client.running.call("root") == "ok"
    assert SEEN == ["user of t-7!"] * 3


async def test_a_factory_makes_a_middleware_of_the_configuration() -> None:
    """The token is known when the service starts, and not when its module is imported."""

    @configured(scheme="bearer")
    def authenticated(config: Config) -> Middleware:
        return bearer(tokens({config.token: "ada"}))

    service = service_with(authenticated)
    async with http_client(service, config=Config("t-7")) as client:
        assert (await client.get("/")).status == 401
        known = await client.get("/", headers={"authorization": "Bearer t-7"})
        assert known.text == "ok"
        document = (await client.get("/openapi.json")).json()
    assert document["paths"]["/"]["get"]["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_a_factory_is_called_once_in_each_life_of_the_service() -> None:
    """Wherever it is listed: what it made shares its state, and a new life has new state."""
    made: list[int] = []

    @configured
    def limited(config: Config) -> Middleware:
        made.append(1)
        return rate_limit(2, per=60.0, key=lambda call: "anybody")

    service = service_with()
    group = Routes("/group", middleware=[limited])

    async def answer() -> str:
        return "ok"

    group.get("/one")(answer)
    group.get("/two")(answer)
    service.include(group)
    service.get("/three", middleware=[limited])(answer)
    for _ in range(2):
        async with http_client(service) as client:
            paths = ("/group/one", "/group/two", "/three")
            assert [(await client.get(path)).status for path in paths] == [200, 200, 429]
    assert len(made) == 2


async def test_what_a_factory_raises_or_makes_wrongly_fails_the_start() -> None:
    """Before the first call comes."""

    @configured
    def wrong(config: Config) -> Middleware:
        return access_log  # type: ignore[return-value]  # which is the point

    with pytest.raises(WiringError, match=r"wrong .* made what is no middleware: access_log"):
        async with http_client(service_with(wrong)):
            pass


def test_what_nobody_provides_is_a_fault_of_the_wiring() -> None:
    """For a middleware and for a factory; it is named once, wherever the function is listed."""

    async def asks(call: Call, next: Handler, session: Missing) -> Any: ...

    @configured
    def makes(missing: Missing) -> Middleware:
        return passing

    assert "nothing provides Missing for parameter 'session'" in fault_of(asks)
    assert "nothing provides Missing for parameter 'missing'" in fault_of(makes)
    assert fault_of(asks, asks).count("nothing provides") == 1


class Missing:
    """Nobody provides it."""


def test_what_lives_for_one_call_cannot_fill_them() -> None:
    """They are filled once; a factory runs outside of calls, too."""

    async def asks(call: Call, next: Handler, transaction: Transaction) -> Any: ...

    @configured
    def makes(transaction: Transaction) -> Middleware:
        return passing

    @configured
    def calls(call: Call) -> Middleware:
        return passing

    assert "cannot have what lives for one: transaction" in fault_of(asks)
    assert "cannot have what lives for one call: transaction" in fault_of(makes)
    assert "cannot have what lives for one call: call" in fault_of(calls)


def plain(call: Call, next: Handler) -> Any: ...


async def alone(call: Call) -> Any: ...


def maker(config: Config) -> Middleware:
    return passing


class Layer:
    """A middleware once there is an object of it."""

    async def __call__(self, call: Call, next: Handler) -> Any:
        return await next(call)


@configured  # type: ignore[arg-type]  # which is the point
async def waiting(config: Config) -> Middleware:
    return passing


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (access_log, r"makes a middleware and is none: did you mean access_log\(\)\?"),
        (cors, r"did you mean cors\(\)\?"),
        (jwt, r"did you mean jwt\(…\)\?"),
        (bearer, r"did you mean bearer\(…\)\?"),
        (maker, r"did you mean maker\(…\)\? .* decorate it with @configured"),
        (plain, r"is a plain `def`, .* write `async def plain\(call, next\)`"),
        (alone, r"takes 1 of the two parameters .* `async def alone\(call, next\)`"),
        (Layer, r"is a class and no middleware: list an object of it, Layer\(…\)"),
        (waiting, r"@configured decorates a plain `def`"),
        ("access_log", r"'access_log' is no middleware, since it cannot be called"),
    ],
)
def test_what_can_be_no_middleware_is_refused(layer: Any, message: str) -> None:
    """When the service is checked or started, with what to write instead."""
    service = Service("s", middleware=[layer])
    service.handler("m")(alone_too)
    with pytest.raises(WiringError, match=message):
        Wiring(service.declaration, {})


async def alone_too() -> None: ...


def passed(call: Call, next: Handler) -> Awaitable[Any]:
    return next(call)


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def inner(*args: Any, **arguments: Any) -> Any:
        return function(*args, **arguments)

    return inner


async def before(mark: str, call: Call, next: Handler) -> Any:
    return await next(call)


async def anything(*args: Any, **arguments: Any) -> Any:
    return await args[1](args[0])


async def test_every_way_to_write_a_middleware_works() -> None:
    """A ``def`` that returns what can be awaited, objects, decorated and partial functions."""
    every = [passed, Layer(), decorated(passing), decorated(named), partial(before, "x"), anything]
    async with http_client(service_with(*every)) as client:
        assert (await client.get("/")).text == "ok"


def test_openapi_shows_what_a_factory_declares_without_a_start() -> None:
    """As ``mainstay openapi`` does; a factory that declares nothing has nothing shown."""

    @configured
    def silent(config: Config) -> Middleware:
        return bearer(tokens({config.token: "ada"}))

    service = service_with(silent)
    document = describe(
        service.declaration, Wiring(service.declaration, {Config: Config()}).endpoints
    )
    assert "security" not in document["paths"]["/"]["get"]
