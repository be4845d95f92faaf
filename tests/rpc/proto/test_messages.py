import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from mainstay.rpc.proto.messages import json_name
from tests.rpc.proto.world import FILES


@pytest.fixture
def orders(package: Path) -> Any:
    return import_module("protopackage.shop.v1.orders_proto")


@pytest.fixture
def items(package: Path) -> Any:
    return import_module("protopackage.shop.v1.items_proto")


def test_messages_go_over_the_wire_and_back(orders: Any) -> None:
    """Scalars, enumerations by name, messages, repeated ones, maps, oneofs, well-known types."""
    order = orders.Order(
        number="1",
        state="STATE_DONE",
        lines=[{"count": 2}],
        counts={"a": 1},
        by_number={7: orders.Order.Line(count=3)},
        cash={"units": 3, "as_of": timestamp_pb2.Timestamp(seconds=5)},
        more={"k": 1.5},
    )
    back = orders.Order.FromString(order.SerializeToString())
    assert back == order
    assert back.WhichOneof("payment") == "cash"
    assert back.cash.as_of == timestamp_pb2.Timestamp(seconds=5)
    assert not back.HasField("discount")
    assert (orders.Order.STATE_DONE, orders.Order.State.Name(1)) == (2, "STATE_OPEN")


def test_messages_have_a_home(orders: Any) -> None:
    """So they can be pickled, and are named in messages of errors."""
    assert orders.Order.__module__ == "protopackage.shop.v1.orders_proto"
    order = orders.Order(number="1")
    assert pickle.loads(pickle.dumps(order)) == order


def test_values_and_types_that_are_words_of_python_can_be_had(items: Any) -> None:
    """At the top with an underscore behind; fields by keyword arguments and getattr."""
    assert items.import_.Value("class") == items.class_ == 1
    assert items.None_.DESCRIPTOR.full_name == "shop.v1.None"
    item = items.Item(**{"from": "x"}, self=True)
    assert (getattr(item, "from"), item.self) == ("x", True)


def test_extensions_and_defaults_of_proto2(package: Path) -> None:
    """As generated code of others has them."""
    legacy: Any = import_module("protopackage.legacy_proto")
    old = legacy.Old(name="x")
    old.Extensions[legacy.outer] = 3
    old.Extensions[legacy.Old.inner] = "y"
    assert legacy.Old.FromString(old.SerializeToString()) == old
    assert (old.count, old.colour, old.flag) == (-5, legacy.GREEN, True)
    assert old.text == 'a "b"\n\\ \t ü'


def test_options_of_imports_can_be_read(orders: Any) -> None:
    """Their modules are imported, so protobuf knows the extensions."""
    from google.api import annotations_pb2  # noqa: PLC0415 - after the module under test

    get = orders.DESCRIPTOR.services_by_name["Orders"].methods_by_name["GetOrder"]
    assert get.GetOptions().Extensions[annotations_pb2.http].get == "/v1/orders/{number}"


def test_it_lives_beside_what_protoc_has_generated(package: Path, tmp_path: Path) -> None:
    """Both give the same classes: to protobuf, their descriptors are one and the same file."""
    common = Path(sys.modules["google.api.annotations_pb2"].__file__ or "").parents[2]
    command = [sys.executable, "-P", "-m", "grpc_tools.protoc", f"-I{FILES}", f"-I{common}"]
    files = [str(path) for path in FILES.rglob("*.proto")]
    subprocess.run([*command, f"--python_out={tmp_path}", *files], check=True, capture_output=True)
    script = (
        "from shop.v1 import orders_pb2, items_pb2\nimport legacy_pb2\n"
        "from protopackage.shop.v1 import orders_proto, items_proto\n"
        "from protopackage import legacy_proto\n"
        "assert orders_proto.Order is orders_pb2.Order\n"
        "assert items_proto.Item is items_pb2.Item\n"
        "assert legacy_proto.Old is legacy_pb2.Old\n"
    )
    for order in (script, "\n".join(reversed(script.splitlines()[:4])) + "\n" + script):
        subprocess.run(
            [sys.executable, "-c", order],
            check=True,
            env={"PYTHONPATH": f"{tmp_path}:{package}"},
            timeout=240,
        )


def test_there_is_no_check_of_versions(texts: dict[str, str]) -> None:
    """Code that was generated with a newer protobuf runs with an older one."""
    module = texts["shop/v1/orders_proto.py"]
    assert "runtime_version" not in module
    assert "_builder" not in module
    imported = {line for line in module.splitlines() if line.startswith("from google.protobuf")}
    assert imported == {
        "from google.protobuf import descriptor_pool, duration_pb2, empty_pb2, struct_pb2",
        "from google.protobuf.message_factory import GetMessageClass",
    }


def test_names_for_json_are_made_as_protobuf_makes_them(orders: Any) -> None:
    """All but the one that a field has of its own."""
    file = FileDescriptorProto()
    orders.DESCRIPTOR.CopyToProto(file)
    for message in orders.DESCRIPTOR.message_types_by_name.values():
        for field in message.fields:
            if field.name != "renamed":
                assert json_name(field.name) == field.camelcase_name
    assert json_name("a__b_1c") == "aB1c"
