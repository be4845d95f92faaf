"""Facts about the wire: what clients and gateways of yesterday were told holds today.

``examples/im/proto`` has what both services have promised so far. An addition is fine, and is to be
written down there as well, as it holds from then on.
"""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor

from examples.im import api, frames
from examples.im.gateway.talk import gateway
from examples.im.logic.rpc import definition as logic
from mainstay.rpc import Rpc, load_proto
from tests.architecture.source import ROOT

FOLDER: Final = ROOT / "examples" / "im" / "proto"
BROKEN: Final = (
    "this breaks who is older: add at the end instead. What nobody uses any more may go, if its "
    "number is left in __reserved__ and that is written down"
)
WRITE: Final = (
    "write it down: .venv/bin/mainstay proto export examples.im.{}.service:service "
    "-o examples/im/proto"
)


def promises(service: ServiceDescriptor) -> set[str]:
    """A line for each method and each field of a service: its name, its number and its type."""
    found: set[str] = set()
    seen: dict[str, Descriptor] = {}
    for method in service.methods:
        types = [(method.client_streaming, method.input_type)]
        types.append((method.server_streaming, method.output_type))
        said = [f"{'stream ' if many else ''}{each.full_name}" for many, each in types]
        found.add(f"{service.full_name}/{method.name}({said[0]}) returns ({said[1]})")
        for _, each in types:
            reach(each, seen)
    for name, message in seen.items():
        found |= {f"{name}.{each.name} {_type(each)} = {each.number}" for each in message.fields}
    return found


def reach(message: Descriptor, seen: dict[str, Descriptor]) -> None:
    """All messages that a message is made of, itself included."""
    if seen.setdefault(message.full_name, message) is message:
        for each in message.fields:
            if each.message_type is not None and each.message_type.full_name not in seen:
                reach(each.message_type, seen)


def _type(field: FieldDescriptor) -> str:
    of = field.message_type.full_name if field.message_type else f"type {field.type}"
    one = field.containing_oneof
    within = f"{one.name}: " if one and len(one.fields) > 1 else ""
    return f"{within}{'repeated ' if field.is_repeated else ''}{of}"


def described(rpc: Rpc) -> ServiceDescriptor:
    """What a definition says now."""
    found = rpc.service.descriptor
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "rpc"), [("gateway", gateway), ("logic", logic)])
def test_what_was_promised_holds(name: str, rpc: Rpc) -> None:
    """Each method and each field has its name, its number and its type."""
    kept = promises(load_proto(FOLDER / f"im/v1/{name}.proto", include=[FOLDER])[rpc.name])
    now = promises(described(rpc))
    assert sorted(kept - now) == [], BROKEN
    assert sorted(now - kept) == [], WRITE.format(name)


def test_what_is_newer_is_taken_for_nothing() -> None:
    """A frame and an event with a number that nobody knows yet are what asks for nothing: a ping,
    a pong, and a message in no conversation."""
    newer = b"\x9a\x06\x00"  # the field 99, empty
    talk, feed = gateway.service.methods["Talk"], logic.service.methods["Feed"]
    assert talk.request.decode(newer) == frames.FromClient(frames.Ping())
    assert talk.response.decode(newer) == frames.FromGateway(frames.Pong())
    event = b"\x08\x07" + newer
    page = feed.response.decode(b"\x0a" + bytes([len(event)]) + event)
    assert page.items == [api.Event(7, api.Message())]


class One(msgspec.Struct):
    """A frame."""


class Two(msgspec.Struct):
    """Another one."""


class New(msgspec.Struct):
    """One that comes later."""


def talking(union: object) -> Rpc:
    """A service whose one message is of a union."""
    frame = msgspec.defstruct("Frame", [("what", union)])
    rpc = Rpc("test.v1.Talk")

    async def talk(request: frame) -> frame:  # type: ignore[valid-type]
        return request

    talk.__annotations__ = {"request": frame, "return": frame}
    rpc.method(talk)
    return rpc


@pytest.mark.parametrize(
    ("union", "broken"),
    [(One | Two | New, 0), (One | New | Two, 1), (New | One | Two, 2), (One | New, 1)],
)
def test_a_union_that_grows_in_its_middle_is_found(union: object, broken: int) -> None:
    """The rule itself works: at the end is well, and each number that another one had is told."""
    kept = promises(described(talking(One | Two)))
    assert len(kept - promises(described(talking(union)))) == broken
