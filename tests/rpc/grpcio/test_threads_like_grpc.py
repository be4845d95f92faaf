"""The same plain servicer on grpc's threaded server and on ours: a stock client must not see a
difference, but for the text of exceptions, which we do not send."""

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]

from tests.rpc.grpcio.generated import answer, ask, on_grpc, on_mainstay, see, servicer

pytestmark = pytest.mark.real_loop


Function = Callable[..., Any]


class Behaviour(NamedTuple):
    """A method, and whether the details of its status are its own."""

    method: str
    function: Callable[..., Any]
    told: bool


BEHAVIOURS: dict[str, Behaviour] = {}
THREE = [ask("a"), ask("b"), ask("c")]


def behaviour(method: str, *, told: bool = True) -> Callable[[Function], Function]:
    """Try the decorated function as `method`."""

    def add(function: Function) -> Function:
        BEHAVIOURS[f"{method}-{function.__name__}"] = Behaviour(method, function, told)
        return function

    return add


@behaviour("One")
def returns(self: Any, request: Any, context: Any) -> Any:
    return answer(request.text * 2)


@behaviour("One")
def sends_metadata(self: Any, request: Any, context: Any) -> Any:
    context.send_initial_metadata((("a", "1"), ("b-bin", b"\0")))
    context.set_trailing_metadata((("c", "2"), ("d-bin", b"\xff")))
    return answer("x")


@behaviour("One")
def sends_initial_metadata_twice(self: Any, request: Any, context: Any) -> Any:
    context.send_initial_metadata(())
    try:
        context.send_initial_metadata(())
    except ValueError:
        return answer("no longer")


@behaviour("One")
def sets_a_code(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.NOT_FOUND)
    context.set_details("nowhere")
    return answer("discarded")


@behaviour("One")
def aborts(self: Any, request: Any, context: Any) -> Any:
    context.set_trailing_metadata((("a", "1"),))
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")


@behaviour("One")
def aborts_with_success(self: Any, request: Any, context: Any) -> Any:
    context.abort(grpc.StatusCode.OK, "x")


@behaviour("One")
def aborts_with_status(self: Any, request: Any, context: Any) -> Any:
    status = status_pb2.Status(code=3, message="wrong")
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id="7"))
    context.abort_with_status(rpc_status.to_status(status))


@behaviour("One", told=False)
def raises(self: Any, request: Any, context: Any) -> Any:
    raise ValueError("secret")


@behaviour("One")
def raises_after_setting_a_code(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.UNAVAILABLE)
    context.set_details("later")
    raise ValueError("secret")


@behaviour("One")
def raises_after_setting_details(self: Any, request: Any, context: Any) -> Any:
    context.set_details("hm")
    raise ValueError("secret")


@behaviour("One")
def knows_its_call(self: Any, request: Any, context: Any) -> Any:
    pairs = context.invocation_metadata()
    own = sorted((each.key, each.value) for each in pairs if each.key != "user-agent")
    before = (context.code(), context.details(), context.is_active())
    context.set_code(grpc.StatusCode.OK)
    context.set_details("d")
    after = (context.code(), context.details())
    who = (context.peer_identities(), context.peer_identity_key(), context.peer()[:15])
    known = sorted(context.auth_context().items())
    return answer((own, before, after, who, known, context.time_remaining() > 9))


@behaviour("One")
def compresses(self: Any, request: Any, context: Any) -> Any:
    context.set_compression(grpc.Compression.Gzip)
    return answer("x" * 5000)


@behaviour("One")
def was_not_written(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.UNIMPLEMENTED)
    context.set_details("Method not implemented!")
    raise NotImplementedError("Method not implemented!")


@behaviour("Many")
def yields(self: Any, request: Any, context: Any) -> Any:
    for number in range(50):
        yield answer(number)


@behaviour("Many")
def returns_an_iterator(self: Any, request: Any, context: Any) -> Any:
    return iter([answer(1), answer(2)])


@behaviour("Many")
def yields_with_metadata(self: Any, request: Any, context: Any) -> Any:
    context.send_initial_metadata((("a", "1"),))
    yield answer("x")
    context.set_trailing_metadata((("b", "2"),))


@behaviour("Many")
def yields_and_sets_a_code(self: Any, request: Any, context: Any) -> Any:
    yield answer("kept")
    context.set_code(grpc.StatusCode.OUT_OF_RANGE)
    context.set_details("that was all")


@behaviour("Many")
def yields_and_aborts(self: Any, request: Any, context: Any) -> Any:
    yield answer("kept")
    context.abort(grpc.StatusCode.ABORTED, "enough")


@behaviour("Many", told=False)
def yields_and_raises(self: Any, request: Any, context: Any) -> Any:
    yield answer("kept")
    raise ValueError("secret")


@behaviour("Gather")
def gathers(self: Any, request_iterator: Any, context: Any) -> Any:
    return answer([each.text for each in request_iterator])


@behaviour("Gather")
def takes_one(self: Any, request_iterator: Any, context: Any) -> Any:
    return answer(next(request_iterator).text)


@behaviour("Gather")
def gathers_and_aborts(self: Any, request_iterator: Any, context: Any) -> Any:
    for _ in request_iterator:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first is wrong")


@behaviour("Chat")
def echoes(self: Any, request_iterator: Any, context: Any) -> Any:
    for each in request_iterator:
        yield answer(each.text)
    yield answer("end")


@pytest.mark.parametrize("name", BEHAVIOURS)
async def test_a_client_sees_what_it_would_see_of_grpc(name: str) -> None:
    """Code, details, both kinds of metadata and every message are the same."""
    tried = BEHAVIOURS[name]
    asks = THREE if tried.method in ("Gather", "Chat") else [ask("hello", 3)]
    made = servicer(**{tried.method: tried.function})
    async with on_grpc(made) as address:
        theirs = await see(address, tried.method, asks, 20.0)
    async with on_mainstay(made) as address:
        ours = await see(address, tried.method, asks, 20.0)
    if not tried.told:
        assert "secret" not in str(ours)
        theirs = theirs._replace(details=ours.details)
    assert ours == theirs
