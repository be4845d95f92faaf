"""Facts about clients that are made of a description."""

import pytest

from mainstay.rpc.client.channel import Channel
from mainstay.rpc.client.methods import ServerStreamMethod, UnaryMethod
from mainstay.rpc.definition_client import RpcClient
from tests.rpc.inspected import keeper


async def test_methods_are_attributes_of_their_kind() -> None:
    """Made once; a name that is close to one is named."""
    async with Channel("localhost:1") as channel:
        client = RpcClient(keeper(), {"feed": "Feed"}, channel)
        assert isinstance(client.Feed, UnaryMethod)
        assert isinstance(client.feed, UnaryMethod)
        assert isinstance(client.Watch, ServerStreamMethod)
        assert client.Feed is client.Feed
        assert {"Feed", "feed", "Talk"} <= set(dir(client))
        with pytest.raises(AttributeError, match=r"no method 'Fed'; did you mean 'Feed'"):
            _ = client.Fed
