"""Facts about how often somebody may call."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from mainstay.core.call import Call
from mainstay.core.metadata import Peer
from mainstay.core.scope import Scope
from mainstay.errors import Overloaded, UsageError
from mainstay.http.middleware.rate_limit import Gcra, peer_key, rate_limit
from tests.http.middleware.desk import Desk


def test_a_burst_and_then_an_even_rate() -> None:
    """Three at once, then one each ten seconds."""
    gcra = Gcra(calls=6, per=60, burst=3, keys=10)
    found = [gcra.take("a", 100.0) for _ in range(4)]
    assert [each.allowed for each in found] == [True, True, True, False]
    assert [each.remaining for each in found] == [2, 1, 0, 0]
    assert found[3].retry_after == pytest.approx(10)
    assert not gcra.take("a", 109.9).allowed
    assert gcra.take("a", 110.0).allowed
    assert not gcra.take("a", 110.0).allowed
    assert gcra.take("b", 110.0).allowed


def test_it_never_allows_more_than_its_rate() -> None:
    """Whoever calls when: in any window, the burst and what the rate adds."""
    chance = random.Random(7)
    for _ in range(50):
        calls, burst = chance.randint(1, 20), chance.randint(1, 10)
        gcra = Gcra(calls=calls, per=10, burst=burst, keys=10)
        time, allowed = 0.0, []
        for _ in range(500):
            time += chance.expovariate(3)
            if gcra.take("a", time).allowed:
                allowed.append(time)
        for start in range(len(allowed)):
            for end in range(start, min(start + 60, len(allowed))):
                window = allowed[end] - allowed[start]
                assert end - start + 1 <= burst + window * calls / 10 + 1e-6


def test_what_was_refused_does_not_count() -> None:
    """Whoever keeps knocking is let in when it is time."""
    gcra = Gcra(calls=1, per=10, burst=1, keys=10)
    assert gcra.take("a", 0.0).allowed
    for tenth in range(1, 99):
        assert not gcra.take("a", tenth / 10).allowed
    assert gcra.take("a", 10.0).allowed


def test_memory_is_bounded() -> None:
    """Those that called longest ago are forgotten."""
    gcra = Gcra(calls=1, per=1000, burst=1, keys=100)
    for number in range(10_000):
        gcra.take(str(number), float(number))
    assert len(gcra) == 100
    assert not gcra.take("9999", 10_000.0).allowed
    assert gcra.take("9000", 10_000.0).allowed


async def test_who_calls_too_often_is_told_when_to_come_back() -> None:
    """429, and the fields of the draft in every reply."""
    desk = Desk([rate_limit(2, per=10)])
    first = await desk.ask()
    assert first.headers.get("ratelimit-policy") == '"default";q=2;w=10'
    assert first.headers.get("ratelimit") == '"default";r=1;t=5'
    assert (await desk.ask()).headers.get("ratelimit") == '"default";r=0;t=10'
    reply = await desk.ask()
    assert reply.status == 429
    assert reply.headers.get("retry-after") == "5"
    assert reply.headers.get("ratelimit") == '"default";r=0;t=10'
    assert b"OVERLOADED" in reply.body
    await asyncio.sleep(5)
    assert (await desk.ask("/nope")).status == 404
    assert (await desk.ask("/nope")).status == 429


async def test_each_peer_has_its_own() -> None:
    """Whatever its port; of IPv6, whatever its address in its network."""
    desk = Desk([rate_limit(1)])
    statuses = [
        (await desk.ask(peer=peer)).status
        for peer in (
            "192.0.2.7:1",
            "192.0.2.7:2",
            "192.0.2.8:1",
            "[2001:db8::1]:1",
            "[2001:db8::ffff:1]:1",
            "[2001:db8:0:1::1]:1",
            "unix",
            "unix",
        )
    ]
    assert statuses == [200, 429, 200, 200, 429, 200, 200, 200]


async def test_the_key_may_be_another() -> None:
    """A long one, which a peer has chosen, takes no more memory."""

    def key(call: Any) -> str | None:
        found: str | None = call.request.headers.get("x-key")
        return found

    desk = Desk([rate_limit(1, key=key)])
    for value in ("a", "b" * 10_000, "c" * 10_000):
        fields = [("x-key", value)]
        assert [(await desk.ask(fields=fields)).status for _ in range(2)] == [200, 429]
    assert [(await desk.ask()).status for _ in range(2)] == [200, 200]


async def test_other_transports_count_as_well() -> None:
    """By the peer of the scope; calls in process do not."""

    async def answer(call: Call) -> str:
        return "ok"

    layer = rate_limit(1)
    with Scope("call", peer=Peer("192.0.2.7:1")) as scope:
        assert peer_key(Call("grpc", "m", scope)) == "192.0.2.7"
        assert await layer(Call("grpc", "m", scope), answer) == "ok"
        with pytest.raises(Overloaded) as caught:
            await layer(Call("grpc", "m", scope), answer)
        assert caught.value.metadata["retry_after"] == "60"
        assert await layer(Call("local", "m", scope), answer) == "ok"


def test_numbers_that_are_no_rate_are_refused() -> None:
    """When it is made; and so is a name that a field cannot quote."""
    for wrong in ({"calls": 0}, {"calls": 1, "per": 0.0}, {"calls": 1, "burst": 0}):
        with pytest.raises(UsageError, match="more than 0"):
            rate_limit(**wrong)
    for name in ('a"b', "a\r\nset-cookie: x", "é"):
        with pytest.raises(UsageError, match="name of a policy"):
            rate_limit(1, name=name)
