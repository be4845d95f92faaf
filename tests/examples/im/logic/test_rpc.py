"""Facts about the logic behind gRPC: the same methods, the same errors."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import cast

import pytest

from examples.im import api
from examples.im.logic.rpc import definition, remote, restored
from mainstay import Service
from mainstay.errors import (
    Conflict,
    Error,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
)
from mainstay.rpc import RpcFailed
from mainstay.testing import rpc_channel


class Failing:
    """A logic that raises what it is told to, and whose feed has a page a second."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def conversation(self, request: api.Ask) -> api.Conversation:
        if self.error is not None:
            raise self.error
        return api.Conversation(id=request.conversation, title=request.text)

    async def feed(self, request: api.Since) -> AsyncIterator[api.Events]:
        seq = request.after
        while True:
            seq += 1
            message = api.Message(seq=seq, text="päge")
            receipt = api.Receipt(user=7)
            events = [api.Event(seq, message), api.Event(seq, receipt)]
            yield api.Events(events, seq)
            await asyncio.sleep(1)


def answering(logic: Failing) -> Service:
    """A service that answers for it."""
    service = Service("logic")
    service.add_rpc(definition)

    @service.resource
    async def provided() -> api.Logic:
        return cast("api.Logic", logic)

    return service


def test_every_method_of_the_logic_can_be_called() -> None:
    """The definition has them all, with the same request and reply, and no others."""
    wanted = {name: each for name, each in vars(api.Logic).items() if name[0] != "_"}
    assert {"sign_in", "post", "feed"} <= wanted.keys()
    methods = {each.function.__name__: each for each in definition.service if each.function}
    assert methods.keys() == wanted.keys()
    for name, each in wanted.items():
        types = inspect.get_annotations(each, eval_str=True)
        response = types["return"]
        if methods[name].kind.replies_stream:
            (response,) = response.__args__
        assert methods[name].request.python_type is types["request"]
        assert methods[name].response.python_type is response


async def test_a_call_brings_the_request_there_and_the_reply_back() -> None:
    """Numbers of 53 bits and all."""
    async with rpc_channel(answering(Failing()), middleware=[restored]) as channel:
        found = await remote(channel).conversation(api.Ask(0, (1 << 53) - 1, "Tee für zwei"))
        assert found == api.Conversation(id=(1 << 53) - 1, title="Tee für zwei")


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("a message has up to 4000 characters", reason="TOO_LONG"),
        InvalidRequest("what is that?"),
        Unauthenticated("whose token is that?"),
        PermissionDenied("you are no member of it", reason="NOT_A_MEMBER"),
        NotFound("there is no such room"),
        Conflict("the name is taken", reason="NAME_TAKEN"),
        Overloaded("too many tries", metadata={"retry_after": "7"}),
    ],
)
async def test_an_error_of_the_logic_is_raised_as_itself(error: Error) -> None:
    """Its class, its message, its reason and its facts cross."""
    async with rpc_channel(answering(Failing(error)), middleware=[restored]) as channel:
        with pytest.raises(type(error)) as caught:
            await remote(channel).conversation(api.Ask())
    raised = caught.value
    assert (raised.message, raised.reason) == (error.message, error.reason)
    assert dict(raised.metadata) == dict(error.metadata)
    assert raised.code is error.code


async def test_a_failure_of_the_logic_stays_a_failure_of_what_was_called() -> None:
    """It is nothing that the caller did, and its text stays where it was."""
    async with rpc_channel(answering(Failing(OSError("disk"))), middleware=[restored]) as channel:
        with pytest.raises(RpcFailed) as caught:
            await remote(channel).conversation(api.Ask())
    assert "disk" not in caught.value.message


async def test_the_feed_streams_pages_and_ends_well_when_the_logic_drains() -> None:
    """What comes is a page at a time; the drain ends the stream after the next, and cuts nothing."""
    async with rpc_channel(answering(Failing()), middleware=[restored]) as channel:

        async def follow() -> list[api.Events]:
            return [page async for page in remote(channel).feed(api.Since(after=40))]

        following = asyncio.ensure_future(follow())
        await asyncio.sleep(2.5)
        report = await channel.running.finish()
        pages = await following
        assert [type(each.what) for each in pages[0].items] == [api.Message, api.Receipt]
        assert report.exit_code == 0
        assert [page.seq for page in pages] == [41, 42, 43, 44]


def test_who_asks_needs_no_database() -> None:
    """The definition is imported without SQLAlchemy."""
    probe = "import sys, examples.im.logic.rpc; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
