"""Ask a server of the bench by grpcio's client, and print as JSON what it answers otherwise.

Run as ``python -m bench.grpc.check PORT``, with the generated modules on the path.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import greeter_pb2_grpc
import grpc
from greeter_pb2 import HelloReply, HelloRequest

from bench.grpc.workloads import REPLIES, STREAM, UNARY, sealed

WITHIN = 5.0
NOTHING = "/bench.v1.Greeter/Nothing"


def replies(number: int) -> list[HelloReply]:
    """What a stream should bring."""
    return [HelloReply(message="Hello, world!", number=each) for each in range(number)]


def refusal(stub: greeter_pb2_grpc.GreeterStub) -> object:
    """How an empty name is answered."""
    try:
        return stub.SayHello(HelloRequest(), timeout=WITHIN)
    except grpc.RpcError as error:
        return error.code()


def unknown(channel: grpc.Channel) -> object:
    """How a method that does not exist is answered."""
    try:
        return channel.unary_unary(NOTHING, bytes, bytes)(b"", timeout=WITHIN)
    except grpc.RpcError as error:
        return error.code()


def differences(channel: grpc.Channel) -> Iterator[str]:
    """What is answered otherwise."""
    stub = greeter_pb2_grpc.GreeterStub(channel)
    for name in ("world", "you", "ü" * 200):
        reply = stub.SayHello(HelloRequest(name=name), timeout=WITHIN)
        if reply != HelloReply(message=f"Hello, {name}!"):
            yield f"SayHello({name!r}): {reply}"
    for count in (0, 1, REPLIES):
        request = HelloRequest(name="world", count=count)
        found = list(stub.LotsOfReplies(request, timeout=WITHIN))
        if found != replies(count):
            yield f"LotsOfReplies({count}): {len(found)} replies, or others"
    if (code := refusal(stub)) is not grpc.StatusCode.INVALID_ARGUMENT:
        yield f"SayHello(''): {code}"
    if (code := unknown(channel)) is not grpc.StatusCode.UNIMPLEMENTED:
        yield f"Nothing: {code}"


def main() -> None:
    """Ask and print."""
    assert HelloRequest(name="world").SerializeToString() == UNARY.message
    assert HelloRequest(name="world", count=REPLIES).SerializeToString() == STREAM.message
    with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
        grpc.channel_ready_future(channel).result(WITHIN)
        wrong = list(differences(channel))
    streamed = replies(REPLIES)
    sizes = {
        UNARY.key: len(sealed(streamed[0].SerializeToString())),
        STREAM.key: sum(len(sealed(each.SerializeToString())) for each in streamed),
    }
    print(json.dumps({"wrong": wrong, "sizes": sizes}))


if __name__ == "__main__":
    main()
