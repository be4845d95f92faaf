"""Base64 in JSON, which protobuf reads whatever it is."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from google.protobuf import descriptor_pool, wrappers_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass

from mainstay.errors import ValidationFailed
from mainstay.rpc.json_base64 import Base64Fields, is_base64
from mainstay.rpc.protobuf import message_json


def node() -> Any:
    """A message with bytes alone, in a list, a map, a message of its own type, and a wrapper."""
    file = FileDescriptorProto(name="n.proto", package="n", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    made = file.message_type.add(name="Node")
    entry = made.nested_type.add(name="ByKeyEntry")
    entry.options.map_entry = True
    kinds = FieldDescriptorProto
    entry.field.add(name="key", number=1, label=1, type=kinds.TYPE_STRING)
    entry.field.add(name="value", number=2, label=1, type=kinds.TYPE_BYTES)
    made.field.add(name="raw_data", number=1, label=1, type=kinds.TYPE_BYTES)
    made.field.add(name="several", number=2, label=3, type=kinds.TYPE_BYTES)
    message = kinds.TYPE_MESSAGE
    made.field.add(name="by_key", number=3, label=3, type=message, type_name=".n.Node.ByKeyEntry")
    made.field.add(name="child", number=4, label=1, type=message, type_name=".n.Node")
    wrapper = ".google.protobuf.BytesValue"
    made.field.add(name="wrapped", number=5, label=1, type=message, type_name=wrapper)
    made.field.add(name="text", number=6, label=1, type=kinds.TYPE_STRING)
    for each in made.field:
        each.json_name = {"raw_data": "rawData", "by_key": "byKey"}.get(each.name, each.name)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("n.Node"))


NODE = node()


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", bytes(range(256)), b"\xfb\xff\xfe"])
def test_either_alphabet_is_right_with_padding_or_without(data: bytes) -> None:
    """As proto3's JSON says."""
    for encoded in (b64encode(data), urlsafe_b64encode(data)):
        for text in (encoded.decode(), encoded.decode().rstrip("=")):
            assert is_base64(text)
            read = message_json(NODE)[0](b'{"rawData": "%b"}' % text.encode())
            assert read.raw_data == data


@pytest.mark.parametrize(
    "text", ["####", "a", "abcde", "YQ=", "YQ===", "YWI==", "Y=Q=", "YQ\n", "ä"]
)
def test_anything_else_is_none(text: str) -> None:
    """A character too few, padding that does not belong there, a line's end."""
    assert not is_base64(text)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"rawData": "####"}', "/rawData"),
        (b'{"raw_data": "####"}', "/raw_data"),
        (b'{"rawData": "####", "newer": 1}', "/rawData"),
        (b'{"several": ["YQ", "####"]}', "/several/1"),
        (b'{"byKey": {"a/b": "####"}}', "/byKey/a~1b"),
        (b'{"child": {"child": {"wrapped": "####"}}}', "/child/child/wrapped"),
        (b'{"text": 1, "rawData": "####"}', "/text"),
    ],
)
def test_what_is_no_base64_is_named(body: bytes, pointer: str) -> None:
    """Wherever it is, beside unknown members and beside other faults."""
    with pytest.raises(ValidationFailed) as caught:
        message_json(NODE)[0](body)
    found = {each.pointer: each.detail for each in caught.value.violations}
    assert pointer in found
    assert pointer == "/text" or found[pointer] == "this is base64"


def test_texts_may_say_what_they_like() -> None:
    """And what is null, or nobody knows, is nobody's."""
    body = b'{"text": "####", "rawData": null, "newer": "####", "child": {"text": "#"}}'
    assert message_json(NODE)[0](body).text == "####"


def test_types_without_bytes_are_not_looked_at() -> None:
    """A wrapper of bytes is looked at itself."""
    assert not Base64Fields(wrappers_pb2.StringValue.DESCRIPTOR)
    assert Base64Fields(NODE.DESCRIPTOR)
    from_json, _ = message_json(wrappers_pb2.BytesValue)
    assert from_json(b'"YQ"').value == b"a"
    with pytest.raises(ValidationFailed):
        from_json(b'"####"')
