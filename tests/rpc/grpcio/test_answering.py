"""Facts about how methods are run, beyond what comparing servers shows."""

import functools
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from mainstay.errors import WiringError
from mainstay.rpc.grpcio.answering import behaviour_of, handler_of
from mainstay.rpc.method import Kind
from tests.rpc.grpc_world import World


async def shout(request: bytes, context: Any) -> bytes:
    return request.upper()


class Shouting:
    """An object that is called."""

    async def __call__(self, request: bytes, context: Any) -> bytes:
        return request.upper()


@pytest.mark.parametrize("behaviour", [shout, Shouting(), functools.partial(shout)])
async def test_whatever_is_called_and_awaited_is_run_on_the_loop(behaviour: Any) -> None:
    """A function, an object, and a partial function."""
    world = World(handler_of(Kind.UNARY, behaviour))
    world.call(b"a")
    reply = await world.settled()
    assert (reply.messages, reply.status) == ([b"A"], 0)


async def test_a_method_without_its_one_request_is_not_called() -> None:
    """The caller broke the protocol, which is UNIMPLEMENTED."""

    async def yields(request: bytes, context: Any) -> Any:
        yield b"never"

    world = World(handler_of(Kind.SERVER_STREAM, yields), Kind.SERVER_STREAM)
    world.call()
    reply = await world.settled()
    assert (reply.messages, reply.status) == ([], 12)


def test_a_generator_cannot_be_the_one_reply() -> None:
    """It is told of when the servicer is added."""

    async def yields(request: bytes, context: Any) -> Any:
        yield b"x"

    with pytest.raises(WiringError, match="yields, and its method has one reply"):
        handler_of(Kind.UNARY, yields)


def test_a_handler_without_a_method_is_told_of() -> None:
    """Such as one that was made of None."""
    with pytest.raises(WiringError, match="has None where its method should be"):
        behaviour_of(grpc.unary_unary_rpc_method_handler(None))  # type: ignore[arg-type]


async def test_an_exception_shows_what_it_was_raised_during() -> None:
    """Its traceback is the one that Python would print."""

    async def fails(request: bytes, context: Any) -> bytes:
        try:
            return {b"a": b"b"}[request]
        except KeyError:
            raise ValueError(request)  # noqa: B904 - the context is what this is about

    call: Any = SimpleNamespace(request=b"x")
    with pytest.raises(ValueError, match="x") as caught:
        await handler_of(Kind.UNARY, fails)(call)
    assert isinstance(caught.value.__context__, KeyError)
    assert not caught.value.__suppress_context__
