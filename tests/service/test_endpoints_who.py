"""Who calls, in the handlers of routes: as authentication found it, never as a request says."""

from typing import Any

import msgspec
import pytest
from msgspec.json import encode as json

from mainstay import Call, Handler, Service
from mainstay.errors import Unauthenticated, WiringError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.principal import PRINCIPAL, Principal
from mainstay.http.request import Request
from mainstay.service.wiring import Wiring
from tests.service.test_endpoints import Answers, Item, body


async def named(call: Call, next: Handler) -> Any:
    """Believes who calls by a field of the head; for tests."""
    assert isinstance(call, HttpCall)
    name = call.request.headers.get("x-name")
    if name:
        call.scope.set(PRINCIPAL, Principal(name))
    return await next(call)


ADA = [("x-name", "ada")]
FORGED = json({"name": "root", "scopes": ["admin"]})
JSON = ("content-type", "application/json")


async def test_a_principal_is_who_calls_and_never_what_the_request_says() -> None:
    """A body and a query with another name change nothing; who has proved nothing gets 401,
    before anything else about the request is looked at."""
    service = Service("shop", middleware=[named])

    @service.post("/me")
    async def me(who: Principal) -> str:
        return f"{who.name} {sorted(who.scopes)}"

    @service.post("/items")
    async def add(item: Item, who: Principal, page: int) -> str:
        return f"{who.name} {item.name} {page}"

    async with Answers(service) as ask:
        forged: dict[str, Any] = {"method": "POST", "body": FORGED}
        assert await body(await ask("/me?name=root", fields=[*ADA, JSON], **forged)) == b"ada []"
        with pytest.raises(Unauthenticated, match="say who you are"):
            await ask("/me?name=root", fields=[JSON], **forged)
        with pytest.raises(Unauthenticated):
            await ask("/items", method="POST", body=b"{")
        reply = await ask("/items?page=2", fields=[*ADA, JSON], method="POST", body=b'{"name":"x"}')
        assert await body(reply) == b"ada x 2"


async def test_a_principal_may_be_none() -> None:
    """For who has proved nothing, where the handler says that this is well."""
    service = Service("shop", middleware=[named])

    @service.get("/one")
    async def one(who: Principal | None) -> str:
        return "nobody" if who is None else who.name

    @service.get("/two")
    async def two(who: Principal | None = None) -> str:
        return await one(who)

    async with Answers(service) as ask:
        for path in ("/one", "/two"):
            assert await body(await ask(path)) == b"nobody"
            assert await body(await ask(path, fields=ADA)) == b"ada"


async def test_a_resource_of_the_call_knows_who_calls() -> None:
    """As a handler does, and as strictly."""
    service = Service("shop", middleware=[named])

    class Mine(msgspec.Struct):
        name: str

    class Maybe(msgspec.Struct):
        name: str | None

    @service.resource(lifetime="call")
    async def mine(who: Principal) -> Mine:
        return Mine(who.name)

    @service.resource(lifetime="call")
    async def maybe(who: Principal | None) -> Maybe:
        return Maybe(None if who is None else who.name)

    @service.get("/mine")
    async def read(mine: Mine) -> str:
        return mine.name

    @service.get("/maybe")
    async def guess(maybe: Maybe) -> str:
        return str(maybe.name)

    async with Answers(service) as ask:
        assert await body(await ask("/mine", fields=ADA)) == b"ada"
        assert await body(await ask("/maybe", fields=ADA)) == b"ada"
        assert await body(await ask("/maybe")) == b"None"
        with pytest.raises(Unauthenticated):
            await ask("/mine")


async def test_a_service_may_find_out_by_itself_who_calls() -> None:
    """A resource that provides a Principal goes before what a middleware has left."""
    service = Service("shop", middleware=[named])

    @service.resource(lifetime="call")
    async def who(request: Request) -> Principal:
        return Principal("resource")

    @service.get("/")
    async def read(who: Principal, perhaps: Principal | None) -> str:
        assert perhaps is who
        return who.name

    async with Answers(service) as ask:
        assert await body(await ask("/", fields=ADA)) == b"resource"


def test_a_principal_has_no_stand_in_and_no_place_outside_of_calls() -> None:
    """A default that is somebody would let everybody in as them."""
    service = Service("shop")

    @service.get("/")
    async def read(who: Principal = Principal("guest")) -> None: ...  # noqa: B008

    @service.worker
    async def work(who: Principal) -> None: ...

    with pytest.raises(WiringError) as caught:
        Wiring(service.declaration, {})
    assert "'who': who calls has no default but None" in caught.value.message
    assert "work (" in caught.value.message
    assert "outside of any call" in caught.value.message
