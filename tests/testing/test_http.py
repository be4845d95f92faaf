"""A whole service behind a client of tests: real bytes, virtual time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.core.call import Call, Handler
from mainstay.core.scope import Scope
from mainstay.errors import BrokenError, UsageError
from mainstay.http.request import Request
from mainstay.service.running import State
from mainstay.service.service import Service
from mainstay.service.settings import Settings, ShutdownSettings
from mainstay.testing.http import http_client, http_server

HOUR = 3600.0


class Users:
    async def name_of(self, number: int) -> str:
        raise OSError("the database is far away")


class TwoUsers(Users):
    async def name_of(self, number: int) -> str:
        return {7: "Ada", 8: "Grace"}[number]


def make() -> Service:
    service = Service("site")

    @service.resource
    async def users() -> Users:
        return Users()

    @service.get("/users/{number}")
    async def user(number: int, users: Users) -> dict[str, str]:
        return {"name": await users.name_of(number)}

    @service.post("/size")
    async def size(request: Request) -> int:
        return len(await request.read())

    @service.get("/later")
    async def later(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @service.get("/numbers")
    async def numbers(upto: int) -> AsyncIterator[int]:
        for number in range(upto):
            yield number

    @service.get("/host")
    async def host(request: Request, scope: Scope) -> list[str | None]:
        assert scope.peer is not None
        return [request.headers.get("host"), str(scope.peer.address)]

    return service


@pytest.mark.parametrize("versions", [("1.1",), ("2",)])
async def test_a_call_passes_the_real_parsers(versions: tuple[str, ...]) -> None:
    """Path, query, body, reply and version are those of a server on a socket."""
    async with http_client(make(), overrides={Users: TwoUsers()}, versions=versions) as client:
        reply = await client.get("/users/7")
        assert reply.json() == {"name": "Ada"}
        assert reply.version == versions[0]
        assert (await client.get("/users/x")).status == 422
        assert (await client.post("/size", content=b"x" * 1_000_000)).text == "1000000"
        assert client.statistics().connections == 1


async def test_hours_pass_at_once() -> None:
    """A handler that waits for an hour answers in virtual time, to the second."""
    settings = Settings(call_timeout=None)
    async with http_client(make(), settings=settings, timeout=None) as client:
        began = asyncio.get_running_loop().time()
        reply = await client.get("/later", params={"seconds": HOUR})
        assert reply.text == "done"
        assert asyncio.get_running_loop().time() - began == HOUR


async def test_the_deadline_of_the_service_is_a_504() -> None:
    """`Settings.call_timeout` ends the call, and the client reads the problem."""
    async with http_client(make(), settings=Settings(call_timeout=5.0)) as client:
        reply = await client.get("/later", params={"seconds": HOUR})
        assert (reply.status, reply.json()["reason"]) == (504, "DEADLINE_EXCEEDED")
        assert asyncio.get_running_loop().time() == 5.0


async def test_a_stream_is_read_as_it_comes() -> None:
    """What the client does not read, the service does not make."""
    async with http_client(make()) as client:
        async with client.stream("GET", "/numbers", params={"upto": 3}) as reply:
            text = b"".join([part async for part in reply.chunks()])
        assert text == b"0\n1\n2\n"
        async with client.stream("GET", "/numbers", params={"upto": 10**9}) as reply:
            async for _ in reply.chunks():
                break
    assert client.running.state is State.STOPPED


async def test_the_client_reaches_the_service_and_no_other() -> None:
    """The host of `base_url` is what the service sees; another is an error, not a socket."""
    async with http_client(make(), base_url="http://shop.example") as client:
        host, peer = (await client.get("/host")).json()
        assert (host, peer) == ("shop.example", "memory:1")
        with pytest.raises(BrokenError, match=r"reaches http://shop\.example only"):
            await client.get("http://other.example/")


async def test_the_callers_context_does_not_reach_the_handler() -> None:
    """The scope of the test is not the parent of the call: only what travels by HTTP does."""
    seen: list[Any] = []
    service = make()

    @service.middleware
    async def look(call: Call, next: Handler) -> Any:
        seen.append(call.scope.parent)
        return await next(call)

    async with http_client(service) as client:
        with Scope("of the test"):
            await client.get("/host")
        assert [each.name for each in seen] == ["calls"]


async def test_calls_under_way_are_answered_when_the_service_stops() -> None:
    """The drain is that of the real server: the reply comes, then the connection closes."""
    settings = Settings(shutdown=ShutdownSettings(timeout=30.0))
    async with http_client(make(), settings=settings) as client:
        asked = asyncio.create_task(client.get("/later", params={"seconds": 3}))
        await asyncio.sleep(1)
        client.running.stop()
        report = await client.running.finish()
        assert (await asked).text == "done"
        assert not report.failure
        with pytest.raises(BrokenError, match="does not accept"):
            await client.get("/host")


async def test_a_service_without_routes_is_refused() -> None:
    """There is nothing to ask it for by HTTP."""
    with pytest.raises(UsageError, match="no route"):
        async with http_client(Service("mute")):
            pass
    with pytest.raises(UsageError, match="no route"):
        async with http_server(Service("mute")):
            pass


@pytest.mark.real_loop
async def test_the_same_on_a_real_socket() -> None:
    """`http_server` listens on a free port, and its client knows which."""
    async with http_server(make(), overrides={Users: TwoUsers()}) as client:
        assert (await client.get("/users/8")).json() == {"name": "Grace"}
        host, peer = (await client.get("/host")).json()
        assert f"http://{host}" == client._base_url
        assert peer.startswith("127.0.0.1:")
