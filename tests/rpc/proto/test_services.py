import inspect
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import empty_pb2, struct_pb2

from mainstay.rpc import Channel, RpcCall, UnimplementedFailure
from mainstay.service.service import Service
from tests.rpc.inspected import address_of, serving


@pytest.fixture
def rpc(package: Path) -> Any:
    return import_module("protopackage.shop.v1.orders_rpc")


class Store:
    def __init__(self) -> None:
        self.names: list[str] = []


def shop(rpc: Any) -> Service:
    """A server that extends the base class, and gets what it needs by its constructor."""
    orders = import_module("protopackage.shop.v1.orders_proto")
    money = import_module("protopackage.common.money_proto")
    items = import_module("protopackage.shop.v1.items_proto")
    service = Service("shop")

    @service.resource
    def store() -> Store:
        return Store()

    class Shop(rpc.Orders):  # type: ignore[misc]
        def __init__(self, store: Store) -> None:
            self._store = store

        async def get_order(self, request: Any, call: RpcCall, seen: Store) -> Any:
            assert seen is self._store
            call.trailing_metadata.append(("x-seen", ",".join(seen.names)))
            return orders.Order(number=request.number)

        async def put_items(self, requests: Any, call: RpcCall) -> Any:
            self._store.names += [each.name async for each in requests]
            return empty_pb2.Empty()

        async def chat(self, requests: Any, call: RpcCall) -> Any:
            async for line in requests:
                yield orders.Order.Line(count=line.count + 1)

        async def import_(self, request: Any) -> Any:
            return money.Money(units=len(request.fields))

    line = orders.Order.Line
    many: Any = AsyncIterator
    for function, takes, gives in (
        (Shop.get_order, {"request": orders.GetOrderRequest}, orders.Order),
        (Shop.put_items, {"requests": many[items.Item]}, empty_pb2.Empty),
        (Shop.chat, {"requests": many[line]}, many[line]),
        (Shop.import_, {"request": struct_pb2.Struct}, money.Money),
    ):
        # The package is imported by the test, so the names of its types cannot be written here.
        known = {**takes, "call": RpcCall, "seen": Store, "return": gives}
        names = {*function.__code__.co_varnames[: function.__code__.co_argcount], "return"}
        function.__annotations__ = {name: known[name] for name in names - {"self"}}
    service.rpc(rpc.Orders.DESCRIPTOR)(Shop)
    return service


@pytest.mark.real_loop
async def test_a_server_and_a_client_of_generated_code_speak(rpc: Any) -> None:
    """Methods of all kinds, with metadata, a word of Python's for a name, and one that is absent."""
    orders = import_module("protopackage.shop.v1.orders_proto")
    items = import_module("protopackage.shop.v1.items_proto")
    async with (
        serving(shop(rpc)) as (running, _),
        Channel(f"tcp://{address_of(running)}") as channel,
    ):
        client = rpc.OrdersClient(channel)
        done = await client.put_items([items.Item(name="pen"), items.Item(name="ink")])
        assert done == empty_pb2.Empty()
        answered = await client.get_order.with_metadata(orders.GetOrderRequest(number="7"))
        assert answered.message == orders.Order(number="7")
        assert ("x-seen", "pen,ink") in answered.trailing_metadata
        async with client.chat() as talk:
            for count in (1, 5):
                await talk.send(orders.Order.Line(count=count))
                assert (await talk.receive()).count == count + 1
        assert (await client.import_(struct_pb2.Struct())).units == 0
        watch = client.watch_orders_with_a_very_long_name_that_no_line_can_hold
        with pytest.raises(UnimplementedFailure, match="is not implemented"):
            async for _ in watch(orders.GetOrderRequest()):
                pass


def test_comments_become_docstrings(rpc: Any) -> None:
    """With their quotes and backslashes; how to use the classes stands at the top."""
    assert inspect.getdoc(rpc.Orders) == (
        'A shop, with a \\ and a """quote""" in its comment.\n\nIt has every kind of method.'
    )
    assert "@service.rpc(Orders.DESCRIPTOR)" in rpc.__doc__
    assert rpc.Orders.get_order.__doc__.startswith("Read one order.")


def test_a_service_without_methods_has_its_classes(rpc: Any) -> None:
    """They can be extended, and made, as others."""
    assert rpc.Empty.DESCRIPTOR.full_name == "shop.v1.Empty"
    assert rpc.EmptyClient("channel").channel == "channel"
