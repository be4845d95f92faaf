"""Facts about `examples.im.gateway.routes`: signing in, and what a page asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from examples.im import api
from examples.im.gateway import PAGE, GatewaySettings
from examples.im.gateway.talk import gateway
from mainstay.rpc import Channel, ResourceExhaustedFailure, UnauthenticatedFailure
from mainstay.testing import http_server
from mainstay.testing.http import ServiceClient
from tests.examples.im.gateway.house import House, at_home, gateway_of

ADA = {"name": "ada", "password": "secret"}


async def cookie_of(client: ServiceClient, base: str = "") -> str:
    """Sign up; the cookie that a browser would keep."""
    reply = await client.post(f"{base}/api/sign-up", json=ADA)
    assert reply.status == 201
    (kept,) = reply.headers.get_all("set-cookie")
    return kept


async def test_signing_up_in_and_out() -> None:
    """A browser keeps a cookie that scripts cannot read, and that is nobody's after the end."""
    async with at_home() as home:
        kept = await cookie_of(home.client)
        assert all(each in kept for each in ("HttpOnly", "SameSite=Lax", "Path=/"))
        assert "Secure" not in kept  # it came without TLS
        cookie = {"cookie": kept.partition(";")[0]}
        reply = await home.client.get("/api/me", headers=cookie)
        known = await me(home.client, cookie)
        assert known["account"]["name"] == "ada"
        assert "token" not in known
        reply = await home.client.post("/api/sign-out", headers=cookie)
        assert reply.status == 204
        assert "Max-Age=0" in reply.headers.get_all("set-cookie")[0]
        assert await me(home.client, cookie) is None
        assert (await home.client.post("/api/sign-in", json=ADA)).status == 200
        wrong = {**ADA, "password": "guess"}
        assert (await home.client.post("/api/sign-in", json=wrong)).status == 401


async def me(client: ServiceClient, fields: dict[str, str]) -> Any:
    """What a page is told of who it is; nothing when it is nobody."""
    reply = await client.get("/api/me", headers=fields)
    assert reply.status == (200 if reply.body else 204)
    return reply.json() if reply.body else None


async def test_a_page_may_ask_whether_anybody_is_signed_in() -> None:
    """Nobody is an empty answer and no error, which a browser would put on its console: without a
    token, and with one that is good for nothing."""
    async with at_home() as home:
        assert await me(home.client, {}) is None
        assert await me(home.client, {"cookie": "im_session=forged"}) is None


async def test_a_cookie_opens_the_websocket() -> None:
    """A page brings it along; one of another site is refused."""
    async with at_home() as home:
        cookie = (await cookie_of(home.client)).partition(";")[0]
        own = {"cookie": cookie, "origin": "http://localhost"}
        async with home.client.websocket("/ws", headers=own) as socket:
            await socket.send_json({"type": "hello"})
            assert (await socket.receive_json())["account"]["name"] == "ada"
        foreign = {"cookie": cookie, "origin": "http://evil.example"}
        with pytest.raises(Exception, match="403"):
            async with home.client.websocket("/ws", headers=foreign):
                pass


async def test_who_is_not_signed_in_is_told_by_the_close_code() -> None:
    """A page does not learn why a WebSocket was refused, so it is accepted, and closed with 4001."""
    async with at_home() as home, home.client.websocket("/ws") as socket:
        assert [each async for each in socket] == []
        assert socket.close_code == 4001


async def test_pages_of_other_sites_change_nothing() -> None:
    """What a form elsewhere sends is refused before anybody is asked, though the cookie is there."""
    async with at_home() as home:
        cookie = (await cookie_of(home.client)).partition(";")[0]
        fields = {"cookie": cookie, "sec-fetch-site": "cross-site"}
        home.house.calls.clear()
        reply = await home.client.post("/api/rooms", json={"name": "tea"}, headers=fields)
        assert reply.status == 403
        assert "create" not in home.house.calls


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/conversations"),
        ("GET", "/api/conversations/1/messages"),
        ("GET", "/api/conversations/1/members"),
        ("GET", "/api/rooms"),
        ("POST", "/api/rooms/1/join"),
        ("POST", "/api/rooms/1/leave"),
        ("GET", "/api/people"),
        ("GET", "/api/search?text=tea"),
    ],
)
async def test_everything_else_is_for_who_is_signed_in(method: str, path: str) -> None:
    """Without a token it is 401, and the logic is not asked."""
    async with at_home() as home:
        home.house.calls.clear()
        reply = await home.client.request(method, path)
        assert reply.status == 401
        assert set(home.house.calls) <= {"feed", "attend"}


async def test_what_a_page_asks_for() -> None:
    """Rooms, members, people, pages of messages, findings: all as the user who is signed in."""
    async with at_home() as home:
        ada = await home.sign_up("ada")
        await home.sign_up("bob")
        fields = {"authorization": f"Bearer {ada.token}"}

        async def get(path: str) -> Any:
            reply = await home.client.get(path, headers=fields)
            assert reply.status == 200, reply.text
            return reply.json()

        async def post(path: str, **body: str) -> Any:
            reply = await home.client.post(path, json=body, headers=fields)
            assert reply.status in (200, 201, 204), reply.text
            return reply.json() if reply.body else None

        tea = await post("/api/rooms", name="tea")
        for number in range(3):
            asked = api.Post(ada.account.id, tea["id"], f"client-{number}", f"cup {number}")
            await home.house.post(asked)
        messages = f"/api/conversations/{tea['id']}/messages"
        assert [each["number"] for each in (await get(messages))["items"]] == [1, 2, 3]
        assert [each["number"] for each in (await get(f"{messages}?before=3"))["items"]] == [1, 2]
        assert [each["number"] for each in (await get(f"{messages}?after=1&limit=1"))["items"]] == [
            2
        ]
        assert [each["name"] for each in (await get("/api/rooms?text=t"))["items"]] == ["tea"]
        assert len((await get("/api/conversations"))["items"]) == 2
        assert [each["name"] for each in (await get("/api/people?text=b"))["items"]] == ["bob"]
        found = (await get("/api/search?text=cup%201"))["items"]
        assert [each["message"]["number"] for each in found] == [2]
        direct = await post("/api/direct", name="bob")
        members = await get(f"/api/conversations/{direct['id']}/members")
        assert [each["name"] for each in members["items"]] == ["ada", "bob"]
        await post(f"/api/rooms/{tea['id']}/leave")
        assert (await post(f"/api/rooms/{tea['id']}/join"))["member"] is True


async def test_errors_of_the_logic_keep_their_status() -> None:
    """A name that is taken is 409, a room that is not there 404, a page that is too long 422."""
    async with at_home() as home:
        ada = await home.sign_up("ada")
        fields = {"authorization": f"Bearer {ada.token}"}
        assert (await home.client.post("/api/sign-up", json=ADA)).status == 409
        missing = await home.client.get("/api/conversations/99/messages", headers=fields)
        assert missing.status == 404
        long = await home.client.get("/api/rooms?limit=201", headers=fields)
        assert long.status == 422


@pytest.mark.real_loop  # peers in memory have no address
async def test_passwords_are_not_for_trying() -> None:
    """Beyond the limit of an address, by HTTP and gRPC together, the answer is 429, and the logic is
    not asked; it counts by addresses as well, and is told the peer's, whatever the peer says."""
    house, settings = House(), GatewaySettings(sign_ins_per_minute=4)
    async with http_server(gateway_of(house, settings)) as client:
        forged = {**ADA, "source": "192.0.2.1"}
        statuses = [(await client.post("/api/sign-in", json=forged)).status for _ in range(3)]
        assert statuses == [401, 401, 401]
        async with Channel(client.running.addresses[0]) as channel:
            rpc = gateway.client(channel)
            with pytest.raises(UnauthenticatedFailure):
                await rpc.sign_in(api.Credentials("ada", source="192.0.2.1"))
            with pytest.raises(ResourceExhaustedFailure):
                await rpc.sign_in(api.Credentials("ada"))
            with pytest.raises(ResourceExhaustedFailure):
                await rpc.sign_up(api.Credentials("bob"))
        assert (await client.post("/api/sign-up", json=ADA)).status == 429
        assert house.sources == ["127.0.0.1"] * 4


async def test_one_user_asks_no_faster_than_any_other() -> None:
    """Beyond the rate of a user the answer is 429 and says when to ask again; a search counts for
    ten. They count with what is asked by WebSocket, and another user notices nothing."""
    async with at_home() as home:
        ada, bob = await home.sign_up("ada"), await home.sign_up("bob")
        hers, his = ({"authorization": f"Bearer {each.token}"} for each in (ada, bob))
        replies = [await home.client.get("/api/search?text=tea", headers=hers) for _ in range(10)]
        assert [reply.status for reply in replies] == [200] * 9 + [429]
        assert replies[-1].headers["retry-after"] == "1"
        assert home.house.calls.count("search") == 9
        assert (await home.client.get("/api/conversations", headers=his)).status == 200
        async with home.guest(bob) as guest:
            for _ in range(120):
                await guest.send(type="ping")
            await guest.hears_all(0.1)
        assert (await home.client.get("/api/conversations", headers=his)).status == 429


HUGE = 2**70


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/api/conversations/{HUGE}/messages"),
        ("GET", f"/api/conversations/1/messages?before={HUGE}"),
        ("GET", f"/api/conversations/1/messages?after={HUGE}"),
        ("GET", f"/api/conversations/{HUGE}/members"),
        ("POST", f"/api/rooms/{HUGE}/join"),
        ("POST", f"/api/rooms/{HUGE}/leave"),
        ("GET", f"/api/search?text=tea&conversation={HUGE}"),
    ],
)
async def test_a_number_that_no_browser_can_say_is_refused(method: str, path: str) -> None:
    """Above 53 bits it is a mistake of who asks, and the logic does not hear of it."""
    async with at_home() as home:
        ada = await home.sign_up("ada")
        home.house.calls.clear()
        fields = {"authorization": f"Bearer {ada.token}"}
        reply = await home.client.request(method, path, headers=fields)
        assert reply.status in {404, 422}
        assert set(home.house.calls) <= {"who", "attend", "feed"}


async def test_a_page_waits_for_a_logic_that_comes_back() -> None:
    """What may be asked twice is asked again while the logic is away; what makes something is not."""
    async with at_home() as home:
        ada = await home.sign_up("ada")
        await home.sign_up("bob")
        fields = {"authorization": f"Bearer {ada.token}"}
        home.house.leave_the_room()
        assert (
            await home.client.post("/api/rooms", json={"name": "tea"}, headers=fields)
        ).status in {502, 503}

        async def come_back() -> None:
            await asyncio.sleep(4)
            home.house.leave_the_room(False)

        coming = asyncio.create_task(come_back())
        replies = await asyncio.gather(
            home.client.get("/api/conversations", headers=fields),
            home.client.post("/api/direct", json={"name": "bob"}, headers=fields),
            home.client.post("/api/sign-in", json=ADA),
        )
        assert [each.status for each in replies] == [200, 200, 200]
        await coming


async def test_the_page_comes_with_a_policy() -> None:
    """It may load nothing from elsewhere, nobody may frame it, and what is kept is asked for again."""
    async with at_home() as home:
        reply = await home.client.get("/")
        assert reply.status == 200
        assert reply.body == (PAGE / "index.html").read_bytes()
        assert "default-src 'self'" in reply.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["cache-control"] == "no-cache"
        again = await home.client.get("/", headers={"if-none-match": reply.headers["etag"]})
        assert again.status == 304
