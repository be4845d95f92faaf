"""Facts about methods and types that are known by their description alone."""

from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo

from mainstay.errors import InvalidRequest, NotFound
from mainstay.rpc.builtin_files import add_map_entry, add_message, add_method, new_file
from mainstay.rpc.method import Kind
from mainstay.rpc.reflection_schema import Schema, split_method
from tests.rpc.inspected import zoo_files


def schema() -> Schema:
    made = Schema()
    # Against their order: imports come after what imports them.
    made.add([each.SerializeToString() for each in reversed(zoo_files())])
    made.services = ["zoo.v1.Keeper"]
    return made


def test_messages_are_json() -> None:
    """Requests are read strictly, replies are one line; bytes on the wire are protobuf's."""
    method = schema().method("zoo.v1.Keeper/Feed")
    assert (method.path, method.kind) == ("/zoo.v1.Keeper/Feed", Kind.UNARY)
    request = method.request({"name": "ä", "born": "2026-01-02T03:04:05Z", "cage": {"name": "c"}})
    back = method.decode(method.encode(request))
    assert method.reply(back) == (
        '{"name": "ä", "cage": {"name": "c"}, "born": "2026-01-02T03:04:05Z"}'
    )


@pytest.mark.parametrize("value", [{"nam": "a"}, {"name": 1}, [], "a", {"born": "yesterday"}])
def test_what_is_no_request_is_refused(value: Any) -> None:
    """Also unknown fields: here they are typing errors."""
    with pytest.raises(InvalidRequest, match=r"zoo\.v1\.Animal"):
        schema().method("zoo.v1.Keeper/Feed").request(value)


def test_a_malformed_reply_is_a_value_error() -> None:
    """So that the channel tells of it as its own fault."""
    with pytest.raises(ValueError, match=r"no zoo\.v1\.Animal"):
        schema().method("zoo.v1.Keeper/Feed").decode(b"\xff")


def test_what_is_missing_is_named_with_what_there_is() -> None:
    """Services and methods, with the nearest name."""
    with pytest.raises(NotFound, match="did you mean Feed"):
        schema().method("zoo.v1.Keeper/Fed")
    with pytest.raises(NotFound, match="there are Feed, Watch"):
        schema().method("zoo.v1.Keeper/Xyz")
    with pytest.raises(NotFound, match=r"did you mean zoo\.v1\.Keeper"):
        schema().method("zoo.v1.Keepr/Feed")
    with pytest.raises(NotFound, match=r"there is no zoo\.v1\.Nobody"):
        schema().text_of("zoo.v1.Nobody")


def test_methods_are_told_with_what_they_take_and_give() -> None:
    """In the order of the file."""
    found = schema().signatures("zoo.v1.Keeper")
    assert list(found) == [
        f"zoo.v1.Keeper/{each}" for each in ("Feed", "Watch", "Count", "Talk", "Lose")
    ]
    assert found["zoo.v1.Keeper/Talk"] == "(stream zoo.v1.Animal) returns (stream zoo.v1.Animal)"


def test_imports_that_are_missing_can_be_asked_for() -> None:
    """What a server did not send along; well-known types are always there."""
    parts, zoo = (each.SerializeToString() for each in zoo_files())
    made = Schema()
    assert made.missing([zoo]) == ["zoo/parts.proto"]
    assert made.missing([zoo, parts]) == []


def test_files_that_do_not_fit_are_refused() -> None:
    """A server can send anything."""
    _, zoo = (each.SerializeToString() for each in zoo_files())
    with pytest.raises(InvalidRequest, match=r"description of zoo/zoo\.proto is wrong"):
        Schema().add([zoo])


def test_what_is_packed_in_a_reply_can_be_asked_for() -> None:
    """In a field, in a list, and in a map; what is known is not named."""
    file = new_file("box.proto", "box")
    file.dependency.append("google/protobuf/any.proto")
    box = add_message(file, "Box", "repeated string names = 4")
    kinds = FieldDescriptorProto
    packed = ".google.protobuf.Any"
    one, many = kinds.LABEL_OPTIONAL, kinds.LABEL_REPEATED
    box.field.add(name="one", number=1, label=one, type=kinds.TYPE_MESSAGE, type_name=packed)
    box.field.add(name="many", number=2, label=many, type=kinds.TYPE_MESSAGE, type_name=packed)
    entry = ".box.Box.ByEntry"
    box.field.add(name="by", number=3, label=many, type=kinds.TYPE_MESSAGE, type_name=entry)
    add_map_entry(box, "ByEntry", packed)
    add_method(file, "Store/Get", "Box", "Box")
    made = Schema()
    made.add([file.SerializeToString()])
    method = made.method("box.Store/Get")
    boxed = method.request({"names": ["a"]})
    boxed.one.type_url = "type.googleapis.com/a.One"
    boxed.many.add().type_url = "type.googleapis.com/a.Many"
    boxed.many.add().Pack(Timestamp(seconds=1))
    boxed.by["x"].type_url = "type.googleapis.com/a.By"
    assert method.unknown(boxed) == ["a.By", "a.Many", "a.One"]
    with pytest.raises(InvalidRequest, match=r"cannot be shown as JSON.*a\.One"):
        method.reply(boxed)


def test_details_are_shown_as_far_as_they_are_known() -> None:
    """Google's own always; of another type nothing is said."""
    packed = Packed()
    packed.Pack(ErrorInfo(reason="R"))
    assert schema().detail(packed) == 'google.rpc.ErrorInfo {"reason": "R"}'
    packed.type_url = "type.googleapis.com/zoo.v1.Secret"
    assert schema().detail(packed) is None
    packed.Pack(Timestamp(seconds=1))
    packed.value = b"\xff"
    assert schema().detail(packed) is None


@pytest.mark.parametrize("path", ["a.v1.S/M", "/a.v1.S/M", "a.v1.S.M"])
def test_a_method_has_three_spellings(path: str) -> None:
    """As gRPC's path, as tools write it, and as protobuf names it."""
    assert split_method(path) == ("a.v1.S", "M")


@pytest.mark.parametrize("path", ["", "M", "/M", "S/"])
def test_a_method_needs_its_service(path: str) -> None:
    """The message shows how it is written."""
    with pytest.raises(InvalidRequest, match=r"pkg\.Service/Method"):
        split_method(path)
