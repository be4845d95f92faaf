"""Facts about files of .proto that are written in code."""

from typing import Any

from google.protobuf.message_factory import GetMessageClass

from mainstay.rpc.builtin_files import (
    add_enum,
    add_map_entry,
    add_message,
    add_method,
    new_file,
    service_in_own_pool,
)


def test_a_file_has_what_was_added() -> None:
    """Scalars, messages, an enum, a map, a oneof, and a method with a stream."""
    file = new_file("t/t.proto", "t.v1")
    add_message(file, "Ask", "repeated string names = 1", "one bytes raw = 3", oneof="what")
    reply = add_message(
        file, "Reply", "Ask again = 1", "enum Reply.Mood mood = 2", "repeated Reply.ByEntry by = 3"
    )
    add_enum(reply, "Mood", ["GOOD", "BAD"])
    add_map_entry(reply, "ByEntry", ".t.v1.Ask")
    add_method(file, "Talk/Say", "Ask", "Reply", "response")
    service: Any = service_in_own_pool(file)
    (method,) = service.methods
    assert (method.client_streaming, method.server_streaming) == (False, True)
    ask = GetMessageClass(method.input_type)
    made: Any = GetMessageClass(method.output_type)()
    made.again.CopyFrom(ask(names=["a"], raw=b"x"))
    made.mood = 1
    made.by["k"].names.append("b")
    back = GetMessageClass(method.output_type).FromString(made.SerializeToString())
    assert back == made
    assert made.again.WhichOneof("what") == "raw"


def test_each_file_has_a_pool_of_its_own() -> None:
    """The same name twice, with other contents, is no conflict."""
    one, two = new_file("t.proto", "t"), new_file("t.proto", "t")
    for file, field in ((one, "string a = 1"), (two, "int32 a = 1")):
        add_message(file, "M", field)
        add_method(file, "S/Do", "M", "M")
    first: Any = service_in_own_pool(one)
    second: Any = service_in_own_pool(two)
    assert first.methods[0].input_type is not second.methods[0].input_type
