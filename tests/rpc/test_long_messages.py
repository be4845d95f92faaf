"""What a message may hold of what becomes an object one by one, and that the loop goes on meanwhile."""

import asyncio
import gzip
import json
import threading
from typing import Any

import msgspec
import pytest

from mainstay.errors import InvalidRequest, TooLarge
from mainstay.rpc.endpoint import JsonEndpoint, RpcEndpoint
from mainstay.rpc.long_messages import LIGHT, LongMessage, off_loop, weigh_json
from mainstay.rpc.method import Kind, MessageType, RpcMethod
from mainstay.rpc.settings import RpcSettings
from mainstay.wire.envelopes import seal
from tests.rpc.schema.zoo import codecs
from tests.rpc.web_world import WebWorld, envelopes

FEW = RpcSettings(receive_elements=1000)
CHILD = b"\x0a\x00"
MANY = LIGHT // 2 + 1
"""Children without anything in them that are one too many for a message that is not weighed."""


class Leaf(msgspec.Struct):
    """Remembers where it was made."""

    thread: str = ""

    def __post_init__(self) -> None:
        self.thread = threading.current_thread().name


class Tree(msgspec.Struct):
    """Holds any number."""

    leaves: list[Leaf] = []
    text: str = ""


TREE = codecs(Tree).message_type(Tree)


def endpoint(message: MessageType = TREE) -> RpcEndpoint:
    """A method with such requests."""
    return RpcEndpoint(
        RpcMethod(service="a.B", name="C", kind=Kind.UNARY, request=message, response=message),
        _count,
    )


async def _count(call: Any) -> Any:
    return Tree(text=f"{len(call.request.leaves)}")


async def _count_all(call: Any) -> None:
    while True:
        message = await call.stream.receive()
        await call.stream.send(Tree(text=f"{len(message.leaves)}"))


def json_of(leaves: int, more: str = "") -> bytes:
    """A tree in JSON."""
    return json.dumps({"leaves": [{}] * leaves, "text": more}).encode()


def test_more_elements_than_allowed_are_refused() -> None:
    """In protobuf at once, in JSON when the message is made; the limit and the way out are named."""
    with pytest.raises(TooLarge, match=r"more than the 1000 elements.* send fewer in one message"):
        LongMessage(endpoint(), CHILD * MANY, FEW)
    found = LongMessage(JsonEndpoint.of(endpoint()), json_of(1001, "x" * LIGHT), FEW)
    with pytest.raises(TooLarge, match="more than the 1000 elements"):
        found.make()


async def test_as_many_as_allowed_are_taken() -> None:
    """And whatever a message of up to 64 KiB holds."""
    text = b"\x12\xff\xff\x03" + b"x" * 65535
    found = await LongMessage(endpoint(), CHILD * 1000 + text, FEW).made()
    assert len(found.leaves) == 1000
    in_json = JsonEndpoint.of(endpoint())
    found = await LongMessage(in_json, json_of(1000, "x" * LIGHT), FEW).made()
    assert len(found.leaves) == 1000
    found = await LongMessage(endpoint(), CHILD * (LIGHT // 2), FEW).made()
    assert len(found.leaves) == LIGHT // 2
    assert len(LongMessage(in_json, json_of(5000), FEW).make().leaves) == 5000


async def test_a_heavy_message_is_made_in_a_thread_and_a_light_one_is_not() -> None:
    """A long text is light, however long it is."""
    here = threading.current_thread().name
    for made in (endpoint(), JsonEndpoint.of(endpoint())):
        binary = made.weigh is TREE.weigh
        heavy = CHILD * MANY if binary else json_of(MANY)
        found = await LongMessage(made, heavy, RpcSettings()).made()
        assert here not in {each.thread for each in found.leaves}
        light = CHILD + b"\x12\xff\xff\x03" + b"x" * 65535 if binary else json_of(1, "x" * LIGHT)
        found = await LongMessage(made, light, RpcSettings()).made()
        assert {each.thread for each in found.leaves} == {here}


async def test_what_is_no_message_is_said_as_of_a_short_one() -> None:
    """With its name; types that cannot be weighed are just decoded."""
    broken = b"\xff" * (LIGHT + 1)
    with pytest.raises(InvalidRequest, match=r"the message is no .*Tree: its bytes are malformed"):
        LongMessage(endpoint(), broken, FEW)
    with pytest.raises(InvalidRequest, match="it is no JSON"):
        await LongMessage(JsonEndpoint.of(endpoint()), broken.hex().encode(), FEW).made()
    plain = MessageType(name="t", python_type=str, decode=bytes.decode, encode=str.encode)
    with pytest.raises(InvalidRequest, match="the message is no t: "):
        LongMessage(endpoint(plain), broken, FEW).make()
    assert LongMessage(endpoint(plain), b"a" * LIGHT * 2, FEW).make() == "a" * LIGHT * 2


async def test_one_is_made_at_a_time() -> None:
    """The second waits for its turn, and a turn that was given up is the next one's."""
    gate = threading.Event()
    began: list[int] = []

    def slow() -> None:
        began.append(1)
        gate.wait(60)

    first = asyncio.create_task(off_loop(slow))
    second = asyncio.create_task(off_loop(lambda: began.append(2)))
    third = asyncio.create_task(off_loop(lambda: began.append(3)))
    await asyncio.sleep(0)
    second.cancel()
    gate.set()
    await asyncio.gather(first, third)
    assert began == [1, 3]


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ([1] * 10, 10),
        ([[1, 2], [3]], 5),
        ([{"a": 1, "b": {}}] * 3, 6),
        ({"a": {"b": {"c": 1}}}, 2),
        ({str(each): 1 for each in range(101)}, 101),
        ({str(each): 1 for each in range(100)}, 0),
        ({"text": "{,[" * 1000}, 0),
        (7, 0),
    ],
    ids=["items", "lists", "objects", "nested", "map", "members", "text", "number"],
)
def test_what_counts_in_json(value: Any, elements: int) -> None:
    """Items, objects within others, and the members of what can only be a map."""
    data = json.dumps(value).encode() + b"," * elements + b" " * LIGHT
    weigh_json(data, value, elements)
    if elements:
        with pytest.raises(TooLarge):
            weigh_json(data, value, elements - 1)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_connect_answers_that_it_is_too_much(packed: bool) -> None:
    """429 as its table says of RESOURCE_EXHAUSTED, in protobuf and in JSON."""
    world = WebWorld(_count, FEW, message=TREE)
    fields = (("content-encoding", "gzip"),) if packed else ()
    for kind, body in (
        ("application/proto", CHILD * MANY),
        ("application/json", json_of(MANY)),
    ):
        sent = gzip.compress(body) if packed else body
        reply = await world.call("Unary", kind, sent, *fields)
        said = json.loads(reply.body)
        assert (reply.status, said["code"]) == (429, "resource_exhausted")
        assert "more than the 1000 elements" in said["message"]
    reply = await world.call("Unary", "application/json", json_of(3))
    assert (reply.status, json.loads(reply.body)) == (200, {"text": "3"})


async def test_each_message_of_a_stream_has_the_limit() -> None:
    """In their order, whatever is made in a thread; what is too much ends the stream."""
    world = WebWorld(_count_all, RpcSettings(receive_elements=MANY), message=TREE)
    sizes = [1, MANY, 2, 2500, 3]
    body = b"".join(seal(gzip.compress(CHILD * each), 1) for each in (*sizes, MANY + 1, 4))
    kind = "application/connect+proto"
    reply = await world.call("Bidi", kind, body, ("connect-content-encoding", "gzip"))
    *found, (_, end) = envelopes(reply.body)
    assert [int(TREE.decode(each).text) for _, each in found] == sizes
    assert json.loads(end)["error"]["code"] == "resource_exhausted"


async def test_whoever_stops_waiting_for_a_message_gets_it_the_next_time() -> None:
    """No message of a stream is lost with the wait for it."""

    async def impatient(call: Any) -> None:
        waiting = asyncio.create_task(call.stream.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        message = await call.stream.receive()
        await call.stream.send(Tree(text=f"{len(message.leaves)}"))

    world = WebWorld(impatient, message=TREE)
    body = seal(CHILD * MANY)
    reply = await world.call("Bidi", "application/connect+proto", body)
    assert TREE.decode(envelopes(reply.body)[0][1]).text == f"{MANY}"


async def test_much_in_little_lets_others_have_a_turn() -> None:
    """However many compressed messages are in the buffer, and though nobody waits for anything."""
    turns = 0
    seen: list[int] = []

    async def swallow(call: Any) -> None:
        def count() -> None:
            nonlocal turns
            turns += 1
            if len(seen) < 6:
                loop.call_soon(count)

        loop = asyncio.get_running_loop()
        loop.call_soon(count)
        for _ in range(6):
            await call.stream.receive()
            seen.append(turns)

    world = WebWorld(swallow, message=TREE)
    text = b"\x12\xff\xff\x03" + b"x" * 65535
    body = seal(gzip.compress(text), 1) * 6
    kind = "application/connect+proto"
    exchange = world.begin("Client", kind, body, ("connect-content-encoding", "gzip"))
    await asyncio.wait_for(exchange.wait_finished(), 10)
    assert seen == sorted(set(seen))
