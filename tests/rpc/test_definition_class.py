"""Facts about classes that answer the service of a ``.proto``."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf import empty_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.empty_pb2 import Empty
from google.rpc import status_pb2
from google.rpc.status_pb2 import Status

from mainstay.core.call import Stream
from mainstay.errors import Unimplemented, WiringError
from mainstay.rpc.definition_class import class_service, snake_case


def descriptor() -> Any:
    """A service with a method of each kind: Statuses in, Statuses out."""
    pool = DescriptorPool()
    for each in (*status_pb2.DESCRIPTOR.dependencies, status_pb2.DESCRIPTOR):
        pool.AddSerializedFile(each.serialized_pb)
    file = FileDescriptorProto(name="a.proto", package="a", syntax="proto3")
    file.dependency.append(status_pb2.DESCRIPTOR.name)
    service = file.service.add(name="All")
    for name, asks, answers in (
        ("One", False, False),
        ("GetMany", False, True),
        ("Gather", True, False),
        ("Chat", True, True),
    ):
        service.method.add(
            name=name,
            input_type=".google.rpc.Status",
            output_type=".google.rpc.Status",
            client_streaming=asks,
            server_streaming=answers,
        )
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("a.All")


class Right:
    """Answers all of it."""

    def One(self, request: Status) -> Status:  # noqa: N802 - as in the .proto
        return request

    async def get_many(self, request: Status) -> AsyncIterator[Status]:
        yield request

    async def gather(self, requests: AsyncIterator[Status]) -> Status:
        return Status()

    async def chat(self, stream: Stream) -> None: ...

    async def _helper(self) -> None: ...


def faults(cls: type, **options: Any) -> str:
    """What is said of a class."""
    with pytest.raises(WiringError) as caught:
        list(class_service(descriptor(), cls, **options))
    return caught.value.message


def test_methods_are_found_by_both_names() -> None:
    """As in the ``.proto``, and in snake_case; what begins with an underscore is nobody's."""
    service = class_service(descriptor(), Right, timeout=3)
    assert [each.name for each in service] == ["One", "GetMany", "Gather", "Chat"]
    many = service.methods["GetMany"]
    assert (many.function, many.owner, many.timeout) == (Right.get_many, Right, 3)
    assert service.doc == "Answers all of it."


def test_the_class_that_a_handler_names_is_the_one_it_gets() -> None:
    """A file that was loaded twice has two classes for one message."""
    one = class_service(descriptor(), Right).methods["One"]
    assert type(one.request.decode(b"\x08\x03")) is Status
    assert one.response.encode(Status(code=3)) == b"\x08\x03"


def test_static_methods_need_no_instance() -> None:
    """They are functions."""

    class Static(Right):
        @staticmethod
        async def one(request: Status) -> Status:
            return request

        One = None  # type: ignore[assignment]

    assert class_service(descriptor(), Static).methods["One"].owner is None


async def test_absent_methods_are_refused_or_unimplemented() -> None:
    """As `partial` says."""

    class Part:
        async def one(self, request: Status) -> Status:
            return Status()

    assert "Part does not answer GetMany, Gather, Chat of a.All" in faults(Part)
    chat = class_service(descriptor(), Part, partial=True).methods["Chat"]
    assert chat.handler is not None
    call: Any = None
    with pytest.raises(Unimplemented, match=r"a.All/Chat is not implemented"):
        await chat.handler(call)


def test_methods_of_other_names_are_faults() -> None:
    """A slip is told from a helper."""

    class Slip(Right):
        One = None  # type: ignore[assignment]

        async def onee(self, request: Status) -> Status:
            return Status()

        async def something_else(self) -> None: ...

    said = faults(Slip)
    assert "did you mean One?" in said
    assert "does not answer" not in said
    assert "something_else" in said
    assert "begin with an underscore" in said


def test_a_slip_beside_what_is_inherited_is_told() -> None:
    """A generated base class has an answer to every method, which none of them is."""

    class Slip(Right):
        async def gathr(self, requests: AsyncIterator[Status]) -> Status:
            return Status()

    said = faults(Slip)
    assert "did you mean Gather?" in said
    assert "does not answer" not in said


async def test_a_reply_that_is_empty_is_none() -> None:
    """As in services that are defined by code; for any other reply it is a fault."""

    class Keeper:
        async def clear(self) -> None: ...

    pool = DescriptorPool()
    pool.AddSerializedFile(empty_pb2.DESCRIPTOR.serialized_pb)
    file = FileDescriptorProto(name="k.proto", package="k", dependency=[empty_pb2.DESCRIPTOR.name])
    empty = ".google.protobuf.Empty"
    file.service.add(name="Keeper").method.add(name="Clear", input_type=empty, output_type=empty)
    pool.AddSerializedFile(file.SerializeToString())
    (method,) = class_service(pool.FindServiceByName("k.Keeper"), Keeper)
    assert method.response.encode(None) == b""
    assert method.response.name == "google.protobuf.Empty"
    with pytest.raises(TypeError, match="nothing is sent here"):
        method.response.encode(Empty())

    class Wrong(Right):
        async def One(self, request: Status) -> None:  # noqa: N802
            pass

    assert "its reply is None" in faults(Wrong)


def test_a_method_that_is_answered_twice_is_a_fault() -> None:
    """By its name and in snake_case."""

    class Twice(Right):
        async def one(self, request: Status) -> Status:
            return Status()

    assert "Twice answers One twice, by One and by one" in faults(Twice)


class Wrong:
    """Has a fault in each method."""

    async def one(self, request: Empty) -> Empty:
        return Empty()

    async def get_many(self, request: Status) -> Status:
        return Status()

    async def gather(self, request: Status) -> Status:
        return Status()

    async def chat(self, a: AsyncIterator[Status], b: Status) -> int:
        return 5


def test_all_faults_are_said_at_once() -> None:
    """Messages, directions, and what is not a message at all, each with what to do."""
    said = faults(Wrong)
    assert "its request is google.protobuf.Empty, and One gets google.rpc.Status" in said
    assert "its reply is google.protobuf.Empty, and One has google.rpc.Status" in said
    assert "GetMany streams its replies: make it an `async def` that yields Status" in said
    assert "annotate 'request' as AsyncIterator[Status]" in said
    assert "several of its parameters are messages, and one is the request: a, b" in said
    assert "Chat streams its replies" in said


def test_directions_that_are_too_many_are_faults() -> None:
    """A stream where one message is, and nothing where a stream is."""

    class More(Right):
        async def one(self, requests: AsyncIterator[Status]) -> AsyncIterator[Status]:
            yield Status()

        One = None  # type: ignore[assignment]

        async def gather(self) -> Status:  # type: ignore[override]
            return Status()

        def get_many(self, request: Status) -> Any:
            yield request

    said = faults(More)
    assert "One has one request: annotate it as Status" in said
    assert "it yields, and One has one reply: return it" in said
    assert "Gather gets a stream of requests: have a parameter" in said
    assert "it yields: make it `async def`" in said


def test_names_in_snake_case() -> None:
    """Capitals in a row are one word."""
    assert [snake_case(name) for name in ("SayHello", "GetURLOf", "x")] == [
        "say_hello",
        "get_url_of",
        "x",
    ]
