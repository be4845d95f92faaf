"""Facts about the logic's port: who is answered there."""

from __future__ import annotations

import pytest

from examples.im import api
from examples.im.logic.rpc import remote, restored
from examples.im.logic.service import Config, service
from mainstay.errors import BrokenError, PermissionDenied
from mainstay.testing import http_client, rpc_channel
from tests.examples.im.logic.conftest import joined

pytestmark = pytest.mark.real_loop


async def test_a_gateway_is_answered_and_a_page_is_not(config: Config) -> None:
    """What comes with an origin is of a page of a browser: it is refused, whatever page it is, and what
    it wanted is not done."""
    async with rpc_channel(service, config=config, middleware=[restored]) as channel:
        user = (await joined(remote(channel), "ada")).account.id
        (lobby,) = (await remote(channel).conversations(api.Ask(user))).items
    for origin in ("http://localhost", "http://evil.example:8101", "null"):
        async with rpc_channel(
            service, config=config, metadata={"origin": origin}, middleware=[restored]
        ) as channel:
            with pytest.raises(PermissionDenied, match="gateways"):
                await remote(channel).join(api.Ask(user, lobby.id))
            with pytest.raises(BrokenError, match="gateways"):
                await remote(channel).post(api.Post(user, lobby.id, "client-a", "hello"))
            with pytest.raises(PermissionDenied, match="gateways"):
                async for _ in remote(channel).feed(api.Since()):
                    break
    async with rpc_channel(service, config=config, middleware=[restored]) as channel:
        assert (await remote(channel).history(api.HistoryOf(user, lobby.id))).items == []


async def test_what_is_not_grpc_is_refused(config: Config) -> None:
    """What curl speaks does nothing, with or without an origin."""
    async with http_client(service, config=config, base_url="http://evil.example:8101") as client:
        reply = await client.post("/im.v1.Logic/SignUp", json={"name": "eve"})
        assert reply.status == 403
        assert b"gateways" in await reply.read()
