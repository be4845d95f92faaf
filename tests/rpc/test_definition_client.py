"""Facts about clients that are made of a description."""

from pathlib import Path
from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.client.methods import ServerStreamMethod, UnaryMethod
from mainstay.rpc.definition_client import RpcClient
from mainstay.rpc.proto.load import load_proto
from mainstay.service.service import Service
from mainstay.testing.rpc import rpc_channel
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


async def test_a_loaded_file_is_the_way_to_a_client(tmp_path: Path) -> None:
    """By the names of the file and of Python; nothing has to be said about messages."""
    file = tmp_path / "depot.proto"
    file.write_text(
        'syntax = "proto3"; package carrier.v1;'
        "message Parcel { string number = 1; }"
        "service Depot { rpc WhereIs(Parcel) returns (Parcel); rpc All(Parcel) returns (stream Parcel); }"
    )
    protos = load_proto(file)
    service = Service("carrier")

    @service.rpc(protos.Depot)
    class Depot:
        async def where_is(self, request: Any) -> Any:
            return protos.Parcel(number=request.number + "!")

        async def all(self, request: Any) -> Any:
            yield request

    async with rpc_channel(service) as channel:
        client = channel.client(protos["carrier.v1.Depot"])
        parcel = protos.Parcel(number="7")
        assert (await client.where_is(parcel)).number == "7!"
        assert (await client.WhereIs(parcel)).number == "7!"
        assert [each async for each in client.all(parcel)] == [parcel]


async def test_what_is_no_descriptor_is_refused() -> None:
    """With the two ways that there are."""
    async with Channel("localhost:1") as channel:
        with pytest.raises(UsageError, match=r"no descriptor of a service.*\.client\(channel\)"):
            channel.client(load_proto)  # type: ignore[arg-type]
