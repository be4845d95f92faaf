import copy
from pathlib import Path
from typing import Any

import pytest
from google.api import annotations_pb2

from mainstay.errors import UsageError
from mainstay.rpc.proto.load import ProtoFiles, load_proto
from mainstay.service.service import Service
from tests.rpc.inspected import serving
from tests.rpc.proto.world import FILES, write


@pytest.fixture(scope="module")
def shop() -> ProtoFiles:
    return load_proto(FILES / "shop" / "v1" / "orders.proto", include=[FILES])


def test_everything_is_found_by_full_name(shop: ProtoFiles) -> None:
    """Services as descriptors, messages as classes, enumerations as generated code has them."""
    service = shop["shop.v1.Orders"]
    assert [method.name for method in service.methods][:2] == [
        "GetOrder",
        "WatchOrdersWithAVeryLongNameThatNoLineCanHold",
    ]
    order = shop["shop.v1.Order"](number="1", lines=[{"count": 2}])
    assert shop["shop.v1.Order"].FromString(order.SerializeToString()) == order
    assert type(order.lines[0]) is shop["shop.v1.Order.Line"]
    assert shop["shop.v1.Order.State"].STATE_DONE == 2
    assert shop["common.Money"](units=3).units == 3


def test_what_stands_at_the_top_is_an_attribute(shop: ProtoFiles) -> None:
    """By its short name; what is imported is not."""
    assert shop.Order is shop["shop.v1.Order"]
    assert shop.Orders is shop.services["shop.v1.Orders"]
    assert "Order" in dir(shop)
    with pytest.raises(AttributeError, match="there is no 'Money' at the top of shop/v1/orders"):
        _ = shop.Money


def test_it_lists_what_it_has(shop: ProtoFiles) -> None:
    """What stands at the top of the files asked for; anything in them can be asked about."""
    assert list(shop) == [
        "shop.v1.Orders",
        "shop.v1.Empty",
        "shop.v1.GetOrderRequest",
        "shop.v1.Order",
    ]
    assert "shop.v1.Order.Line" in shop
    assert "shop.v1.Odrer" not in shop
    assert repr(shop) == "<ProtoFiles shop/v1/orders.proto>"
    assert shop.comments["shop.v1.Order"] == "Something that was ordered."


def test_a_name_that_is_not_there_is_answered_with_what_is(shop: ProtoFiles) -> None:
    """The nearest name, or all of them."""
    with pytest.raises(
        UsageError, match=r"no 'shop\.v1\.Odrer' in .*; did you mean 'shop\.v1\.Order'"
    ):
        _ = shop["shop.v1.Odrer"]
    with pytest.raises(UsageError, match=r"; there are shop\.v1\.Orders, "):
        _ = shop["x"]


def test_a_short_name_that_two_files_have_is_asked_for_in_full(tmp_path: Path) -> None:
    """Neither is chosen."""
    write(tmp_path, a="package a;\nmessage M {}", b="package b;\nmessage M {}")
    loaded = load_proto([tmp_path / "a.proto", tmp_path / "b.proto"])
    with pytest.raises(AttributeError, match="more than one 'M'"):
        _ = loaded.M
    assert loaded["a.M"] is not loaded["b.M"]


def test_two_versions_of_a_file_live_side_by_side(tmp_path: Path) -> None:
    """Each has a pool of its own, so nothing of one is seen by the other."""
    first = load_proto(write(tmp_path, a="message M { int32 x = 1; }") / "a.proto")
    second = load_proto(write(tmp_path, a="message M { string y = 1; }") / "a.proto")
    assert first.M(x=1).SerializeToString() == b"\x08\x01"
    assert second.M(y="z").SerializeToString() == b"\x0a\x01z"


def test_options_of_other_files_can_be_read(shop: ProtoFiles) -> None:
    """By the extensions of generated code, as transcoding reads ``google.api.http``."""
    method = shop["shop.v1.Orders"].methods_by_name["GetOrder"]
    assert method.GetOptions().Extensions[annotations_pb2.http].get == "/v1/orders/{number}"


def test_a_fault_in_a_file_is_raised(tmp_path: Path) -> None:
    """As the compiler says it."""
    write(tmp_path, bad="message A { Foo x = 1; }")
    with pytest.raises(UsageError, match=r'bad\.proto:2:13: "Foo" is not defined'):
        load_proto(tmp_path)


def test_it_is_an_object_as_others(shop: ProtoFiles) -> None:
    """Protocols that look for dunder methods, such as copying, find none of ours."""
    assert not hasattr(shop, "__deepcopy__")
    blank = ProtoFiles.__new__(ProtoFiles)
    with pytest.raises(AttributeError):
        copy.copy(blank).Order  # noqa: B018 - the question is the test


@pytest.mark.real_loop
async def test_a_loaded_service_is_served(tmp_path: Path) -> None:
    """A class answers it, and a stock client that knows only bytes gets what it asks for."""
    folder = write(
        tmp_path,
        greeter=(
            "package hello.v1;\nservice Greeter { rpc SayHello(Hello) returns (Hello); }\n"
            "message Hello { string name = 1; }\n"
        ),
    )
    protos = load_proto(folder / "greeter.proto")
    service = Service("hello")

    @service.rpc(protos["hello.v1.Greeter"])
    class Greeter:
        async def say_hello(self, request: Any) -> Any:
            return protos.Hello(name=f"Hello, {request.name}!")

    async with serving(service) as (_, channel):
        reply = await channel.unary_unary("/hello.v1.Greeter/SayHello")(b"\x0a\x03Ada")
    assert protos.Hello.FromString(reply).name == "Hello, Ada!"
