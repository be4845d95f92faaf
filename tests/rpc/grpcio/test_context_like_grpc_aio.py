"""The same servicer on grpc.aio's server and on ours: a stock client must not see a difference.

Details are not compared where they are of an exception, whose text we do not send, or where a
deadline has passed: then they are the client's own words.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]

from tests.rpc.grpcio.generated import (
    Seen,
    answer,
    ask,
    on_grpc_aio,
    on_mainstay,
    see,
    servicer,
)

pytestmark = [pytest.mark.real_loop, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


Function = Callable[..., Any]


class Behaviour(NamedTuple):
    """A method, what it is called with, and whether the details of its status are its own."""

    method: str
    function: Callable[..., Any]
    told: bool
    timeout: float | None


BEHAVIOURS: dict[str, Behaviour] = {}
THREE = [ask("a"), ask("b"), ask("c")]


def behaviour(
    method: str, *, told: bool = True, timeout: float | None = None
) -> Callable[[Function], Function]:
    """Try the decorated function as `method`."""

    def add(function: Function) -> Function:
        name = function.__name__.strip("_")
        BEHAVIOURS[f"{method}-{name}"] = Behaviour(method, function, told, timeout)
        return function

    return add


# --- one request, one reply ----------------------------------------------------------------------


@behaviour("One")
async def returns(self: Any, request: Any, context: Any) -> Any:
    return answer(request.text * 2)


@behaviour("One")
async def sends_initial_metadata(self: Any, request: Any, context: Any) -> Any:
    await context.send_initial_metadata((("a", "1"), ("b-bin", b"\0\1")))
    return answer("x")


@behaviour("One")
async def sends_initial_metadata_and_fails(self: Any, request: Any, context: Any) -> Any:
    await context.send_initial_metadata((("a", "1"),))
    await context.abort(grpc.StatusCode.NOT_FOUND, "nowhere")


@behaviour("One")
async def sends_initial_metadata_twice(self: Any, request: Any, context: Any) -> Any:
    await context.send_initial_metadata(())
    try:
        await context.send_initial_metadata(())
    except grpc.aio.UsageError:
        return answer("usage")


@behaviour("One")
async def sets_trailing_metadata(self: Any, request: Any, context: Any) -> Any:
    context.set_trailing_metadata((("a", "1"), ("a", "2"), ("b-bin", b"\xff")))
    return answer("x")


@behaviour("One")
async def sets_trailing_metadata_twice(self: Any, request: Any, context: Any) -> Any:
    context.set_trailing_metadata((("a", "1"),))
    context.set_trailing_metadata((("b", "2"),))
    return answer(context.trailing_metadata())


@behaviour("One", told=False)
async def sets_trailing_metadata_that_is_none(self: Any, request: Any, context: Any) -> Any:
    context.set_trailing_metadata("text")


@behaviour("One")
async def sets_a_code(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.NOT_FOUND)
    return answer("discarded")


@behaviour("One")
async def sets_a_code_and_details(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
    context.set_details("the last one is gone: 100 % ä\n")
    context.set_trailing_metadata((("k", "v"),))
    return answer("discarded")


@behaviour("One")
async def sets_a_code_and_returns_nothing(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.ALREADY_EXISTS)


@behaviour("One")
async def sets_a_code_and_takes_it_back(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.ALREADY_EXISTS)
    context.set_code(grpc.StatusCode.OK)
    return answer("kept")


@behaviour("One")
async def sets_a_number_as_code(self: Any, request: Any, context: Any) -> Any:
    context.set_code(5)


@behaviour("One")
async def sets_what_is_no_code(self: Any, request: Any, context: Any) -> Any:
    context.set_code("nothing")


@behaviour("One")
async def sets_details_of_success(self: Any, request: Any, context: Any) -> Any:
    context.set_details("fine")
    return answer("x")


@behaviour("One")
async def aborts(self: Any, request: Any, context: Any) -> Any:
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")


@behaviour("One")
async def aborts_with_trailing_metadata(self: Any, request: Any, context: Any) -> Any:
    await context.abort(grpc.StatusCode.ABORTED, "x", (("a", "1"), ("b-bin", b"\0")))


@behaviour("One")
async def aborts_after_setting_everything(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.NOT_FOUND)
    context.set_details("of before")
    context.set_trailing_metadata((("a", "1"),))
    await context.abort(grpc.StatusCode.DATA_LOSS)


@behaviour("One")
async def aborts_and_says_it_better(self: Any, request: Any, context: Any) -> Any:
    context.set_details("of before")
    context.set_trailing_metadata((("a", "1"),))
    await context.abort(grpc.StatusCode.DATA_LOSS, "of abort", (("b", "2"),))


@behaviour("One")
async def aborts_with_status(self: Any, request: Any, context: Any) -> Any:
    status = status_pb2.Status(code=3, message="wrong")
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id="7"))
    status.details.add().Pack(error_details_pb2.Help())
    await context.abort_with_status(rpc_status.to_status(status))


@behaviour("One")
async def swallows_its_abort(self: Any, request: Any, context: Any) -> Any:
    with contextlib.suppress(grpc.aio.AbortError):
        await context.abort(grpc.StatusCode.ABORTED, "still")
    return answer("discarded")


@behaviour("One")
async def aborts_twice(self: Any, request: Any, context: Any) -> Any:
    try:
        await context.abort(grpc.StatusCode.ABORTED, "first")
    except grpc.aio.AbortError:
        await context.abort(grpc.StatusCode.DATA_LOSS, "second")


@behaviour("One")
async def raises_after_abort(self: Any, request: Any, context: Any) -> Any:
    try:
        await context.abort(grpc.StatusCode.ABORTED, "first")
    finally:
        raise ValueError("another")


@behaviour("One", told=False)
async def raises(self: Any, request: Any, context: Any) -> Any:
    raise ValueError("secret")


@behaviour("One", told=False)
async def raises_after_setting_a_code(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.UNAVAILABLE)
    context.set_trailing_metadata((("a", "1"),))
    raise ValueError("secret")


@behaviour("One", told=False)
async def raises_after_trailing_metadata(self: Any, request: Any, context: Any) -> Any:
    context.set_trailing_metadata((("a", "1"),))
    raise ValueError("secret")


@behaviour("One", told=False)
async def raises_timeout_error(self: Any, request: Any, context: Any) -> Any:
    raise TimeoutError


@behaviour("One", told=False)
async def returns_nothing(self: Any, request: Any, context: Any) -> Any:
    return None


@behaviour("One", told=False)
async def awaits_what_raises(self: Any, request: Any, context: Any) -> Any:
    await asyncio.sleep(0)
    raise LookupError("secret")


@behaviour("One")
async def knows_what_it_has_said(self: Any, request: Any, context: Any) -> Any:
    before = (context.code(), context.details(), context.trailing_metadata())
    context.set_code(grpc.StatusCode.OK)
    context.set_details("d")
    context.set_trailing_metadata([("a", "1")])
    after = (context.code(), context.details(), context.trailing_metadata())
    return answer((before, after))


@behaviour("One")
async def knows_whether_it_is_done(self: Any, request: Any, context: Any) -> Any:
    before = (context.done(), context.cancelled())
    with contextlib.suppress(grpc.aio.AbortError):
        await context.abort(grpc.StatusCode.ABORTED, "x")
    context.set_trailing_metadata((("a", f"{before} {context.done()}"),))
    # What is said after an abort is not heard.


@behaviour("One")
async def sets_the_code_of_cancellation(self: Any, request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.CANCELLED)
    context.set_details(str(context.cancelled()))


@behaviour("One")
async def knows_the_metadata(self: Any, request: Any, context: Any) -> Any:
    pairs = context.invocation_metadata()
    own = sorted((each.key, each.value) for each in pairs if each.key != "user-agent")
    return answer((type(pairs), own, [key for key, _ in sorted(pairs)]))


@behaviour("One")
async def knows_the_peer(self: Any, request: Any, context: Any) -> Any:
    kind, host, port = context.peer().split(":")
    known = sorted(context.auth_context().items())
    who = (context.peer_identities(), context.peer_identity_key())
    return answer((kind, host, port.isdecimal(), known, who))


@behaviour("One", timeout=20.0)
async def knows_the_time(self: Any, request: Any, context: Any) -> Any:
    return answer(0 < context.time_remaining() < 21)


@behaviour("One", told=False, timeout=0.1)
async def takes_too_long(self: Any, request: Any, context: Any) -> Any:
    await asyncio.Event().wait()


@behaviour("One")
async def compresses(self: Any, request: Any, context: Any) -> Any:
    context.set_compression(grpc.Compression.Gzip)
    return answer("x" * 5000)


@behaviour("One")
async def compresses_too_late(self: Any, request: Any, context: Any) -> Any:
    await context.send_initial_metadata(())
    try:
        context.set_compression(grpc.Compression.Gzip)
    except RuntimeError:
        return answer("too late")


@behaviour("One")
async def compresses_not(self: Any, request: Any, context: Any) -> Any:
    context.set_compression(grpc.Compression.Deflate)
    context.disable_next_message_compression()
    return answer("x" * 5000)


# --- one request, many replies -------------------------------------------------------------------


@behaviour("Many")
async def yields(self: Any, request: Any, context: Any) -> Any:
    for number in range(100):
        yield answer(number)


@behaviour("Many")
async def yields_nothing(self: Any, request: Any, context: Any) -> Any:
    return
    yield


@behaviour("Many")
async def yields_with_metadata(self: Any, request: Any, context: Any) -> Any:
    await context.send_initial_metadata((("a", "1"),))
    yield answer("x")
    context.set_trailing_metadata((("b", "2"),))


@behaviour("Many")
async def sends_initial_metadata_too_late(self: Any, request: Any, context: Any) -> Any:
    yield answer("x")
    try:
        await context.send_initial_metadata((("a", "1"),))
    except grpc.aio.UsageError:
        yield answer("usage")


@behaviour("Many")
async def writes(self: Any, request: Any, context: Any) -> Any:
    for number in range(10):
        await context.write(answer(number))


@behaviour("Many")
async def writes_nothing(self: Any, request: Any, context: Any) -> Any:
    return None


@behaviour("Many")
async def writes_and_sets_a_code(self: Any, request: Any, context: Any) -> Any:
    await context.write(answer("kept"))
    context.set_code(grpc.StatusCode.OUT_OF_RANGE)
    context.set_details("that was all")


@behaviour("Many")
async def writes_and_aborts(self: Any, request: Any, context: Any) -> Any:
    await context.write(answer("kept"))
    await context.abort(grpc.StatusCode.ABORTED, "enough", (("a", "1"),))


@behaviour("Many")
async def writes_after_abort(self: Any, request: Any, context: Any) -> Any:
    with contextlib.suppress(grpc.aio.AbortError):
        await context.abort(grpc.StatusCode.ABORTED, "enough")
    await context.write(answer("refused"))


@behaviour("Many")
async def yields_and_aborts(self: Any, request: Any, context: Any) -> Any:
    yield answer("kept")
    await context.abort(grpc.StatusCode.ABORTED, "enough")


@behaviour("Many")
async def yields_after_abort(self: Any, request: Any, context: Any) -> Any:
    yield answer("kept")
    with contextlib.suppress(grpc.aio.AbortError):
        await context.abort(grpc.StatusCode.ABORTED, "enough")
    yield answer("refused")


@behaviour("Many", told=False)
async def yields_and_raises(self: Any, request: Any, context: Any) -> Any:
    yield answer("kept")
    raise ValueError("secret")


@behaviour("Many", told=False)
async def raises_before_it_yields(self: Any, request: Any, context: Any) -> Any:
    context.set_trailing_metadata((("a", "1"),))
    if request.text:
        raise ValueError("secret")
    yield


@behaviour("Many", told=False, timeout=0.1)
async def yields_and_takes_too_long(self: Any, request: Any, context: Any) -> Any:
    yield answer("kept")
    await asyncio.Event().wait()


# --- many requests -------------------------------------------------------------------------------


@behaviour("Gather")
async def gathers(self: Any, request_iterator: Any, context: Any) -> Any:
    return answer([each.text async for each in request_iterator])


@behaviour("Gather")
async def reads(self: Any, request_iterator: Any, context: Any) -> Any:
    found = []
    while (message := await context.read()) is not grpc.aio.EOF:
        found.append(message.text)
    return answer((found, await context.read() is grpc.aio.EOF))


@behaviour("Gather")
async def reads_in_both_ways(self: Any, request_iterator: Any, context: Any) -> Any:
    first = await context.read()
    return answer((first.text, [each.text async for each in request_iterator]))


@behaviour("Gather")
async def reads_one(self: Any, request_iterator: Any, context: Any) -> Any:
    async for each in request_iterator:
        return answer(each.text)
    return None


@behaviour("Gather")
async def reads_none(self: Any, request_iterator: Any, context: Any) -> Any:
    return answer("none")


@behaviour("Gather")
async def gathers_and_sets_a_code(self: Any, request_iterator: Any, context: Any) -> Any:
    async for _ in request_iterator:
        context.set_code(grpc.StatusCode.INVALID_ARGUMENT)
    return answer("discarded")


@behaviour("Gather")
async def gathers_and_aborts(self: Any, request_iterator: Any, context: Any) -> Any:
    async for _ in request_iterator:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first is wrong")


@behaviour("Chat")
async def echoes(self: Any, request_iterator: Any, context: Any) -> Any:
    async for each in request_iterator:
        yield answer(each.text)


@behaviour("Chat")
async def reads_and_writes(self: Any, request_iterator: Any, context: Any) -> Any:
    while (message := await context.read()) is not grpc.aio.EOF:
        await context.write(answer(message.text))
    await context.write(answer("end"))


@behaviour("Chat")
async def speaks_first(self: Any, request_iterator: Any, context: Any) -> Any:
    await context.send_initial_metadata((("a", "1"),))
    await context.write(answer("hello"))
    async for each in request_iterator:
        await context.write(answer(each.text))
    context.set_trailing_metadata((("b", "2"),))


@behaviour("Chat")
async def aborts_in_the_middle(self: Any, request_iterator: Any, context: Any) -> Any:
    async for each in request_iterator:
        yield answer(each.text)
        if each.text == "b":
            await context.abort(grpc.StatusCode.ABORTED, "b is enough")


@behaviour("Chat")
async def listens_to_nobody(self: Any, request_iterator: Any, context: Any) -> Any:
    yield answer("x")


@pytest.mark.parametrize("name", BEHAVIOURS)
async def test_a_client_sees_what_it_would_see_of_grpc_aio(name: str) -> None:
    """Code, details, both kinds of metadata and every message are the same."""
    tried = BEHAVIOURS[name]
    asks = THREE if tried.method in ("Gather", "Chat") else [ask("hello", 3)]
    made = servicer(**{tried.method: tried.function})
    async with on_grpc_aio(made) as address:
        theirs = await see_in_time(address, tried, asks)
    async with on_mainstay(made) as address:
        ours = await see_in_time(address, tried, asks)
    if not tried.told:
        assert "secret" not in str(ours)
        theirs = theirs._replace(details=ours.details)
    assert ours == theirs


async def see_in_time(address: str, tried: Behaviour, asks: list[Any]) -> Seen:
    """What a client sees; a stream is given the time that its first message takes to arrive."""
    timeout = tried.timeout
    seen = await see(address, tried.method, asks, timeout)
    while timeout is not None and tried.method == "Many" and not seen.replies:
        timeout *= 4
        seen = await see(address, tried.method, asks, timeout)
    return seen


async def test_a_method_that_was_not_written_is_unimplemented() -> None:
    """The generated class says so, and we send what it says; grpc.aio sends its exception's text."""
    made = servicer()
    async with on_grpc_aio(made) as address:
        theirs = await see(address, "One", [ask()])
    async with on_mainstay(made) as address:
        ours = await see(address, "One", [ask()])
    assert ours.code is theirs.code is grpc.StatusCode.UNIMPLEMENTED
    assert ours.details == "Method not implemented!"
    assert ours.details in theirs.details
