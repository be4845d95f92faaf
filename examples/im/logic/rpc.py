"""The logic as a service of gRPC: one definition for the one who answers and the one who asks.

It imports no use case and no table: the answering side injects its `Logic`, by type.

Errors cross as the status of gRPC, with `google.rpc.ErrorInfo` for the reason; `restored` makes
again of them what the logic raised. What only the way can bring, such as UNAVAILABLE, stays the
`RpcFailed` that it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from examples.im import api
from examples.im.api import Logic
from examples.im.logic.batching import Batching
from examples.im.logic.outcomes import KINDS
from mainstay import Call, Handler, Scope
from mainstay.errors import Error
from mainstay.rpc import Channel, Rpc, RpcClient, RpcFailed

definition = Rpc("im.v1.Logic", doc="Users, rooms, messages, receipts, presence, history, search.")


@definition.method
async def sign_up(request: api.Credentials, logic: Logic) -> api.Session:
    """See `Logic.sign_up`, and so on for the others."""
    return await logic.sign_up(request)


@definition.method
async def sign_in(request: api.Credentials, logic: Logic) -> api.Session:
    """Sign in."""
    return await logic.sign_in(request)


@definition.method
async def sign_out(request: api.Token, logic: Logic) -> api.Done:
    """End a session."""
    return await logic.sign_out(request)


@definition.method
async def who(request: api.Token, logic: Logic) -> api.Session:
    """Whose token it is."""
    return await logic.who(request)


@definition.method
async def conversations(request: api.Ask, logic: Logic) -> api.Conversations:
    """All of a user's."""
    return await logic.conversations(request)


@definition.method
async def conversation(request: api.Ask, logic: Logic) -> api.Conversation:
    """One of them."""
    return await logic.conversation(request)


@definition.method
async def rooms(request: api.Ask, logic: Logic) -> api.Conversations:
    """The directory."""
    return await logic.rooms(request)


@definition.method
async def create(request: api.Ask, logic: Logic) -> api.Conversation:
    """Make a room."""
    return await logic.create(request)


@definition.method
async def join(request: api.Ask, logic: Logic) -> api.Conversation:
    """Become a member."""
    return await logic.join(request)


@definition.method
async def leave(request: api.Ask, logic: Logic) -> api.Done:
    """Be a member no longer."""
    return await logic.leave(request)


@definition.method
async def direct(request: api.Ask, logic: Logic) -> api.Conversation:
    """The conversation with somebody."""
    return await logic.direct(request)


@definition.method
async def members(request: api.Ask, logic: Logic) -> api.Accounts:
    """Of a conversation."""
    return await logic.members(request)


@definition.method
async def people(request: api.Ask, logic: Logic) -> api.Accounts:
    """Users by the beginning of their names."""
    return await logic.people(request)


@definition.method
async def post(request: api.Post, logic: Logic) -> api.Posted:
    """Store a message."""
    return await logic.post(request)


@definition.method
async def mark(request: api.Mark, logic: Logic) -> api.Done:
    """Remember how far a user is."""
    return await logic.mark(request)


@definition.method
async def batch(request: api.Batch, logic: Logic) -> api.Outcomes:
    """Store what many want to be stored."""
    return await logic.batch(request)


@definition.method
async def typing(request: api.Ask, logic: Logic) -> api.Done:
    """Tell that a user writes."""
    return await logic.typing(request)


@definition.method
async def history(request: api.HistoryOf, logic: Logic) -> api.Messages:
    """A page of a conversation."""
    return await logic.history(request)


@definition.method
async def missed(request: api.Since, logic: Logic) -> api.Messages:
    """What a user has missed."""
    return await logic.missed(request)


@definition.method
async def search(request: api.Ask, logic: Logic) -> api.Findings:
    """Find messages."""
    return await logic.search(request)


@definition.method
async def attend(request: api.Attendance, logic: Logic) -> api.Lease:
    """Who is at a gateway."""
    return await logic.attend(request)


@definition.method
async def present(request: api.Users, logic: Logic) -> api.Presences:
    """Whether some users are there."""
    return await logic.present(request)


@definition.method
async def feed(request: api.Since, logic: Logic, scope: Scope) -> AsyncIterator[api.Events]:
    """Everything that happens. A drain ends it after a page, and so within a second: the gateway
    asks whoever serves next, from where it is."""
    async for events in logic.feed(request):
        yield events
        if scope.draining:
            return


class _Remote:
    """The methods of a client, but what is to be stored goes together."""

    def __init__(self, client: RpcClient) -> None:
        self._client = client
        batching = Batching(client.batch)
        self.post = batching.post
        self.mark = batching.mark

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def remote(channel: Channel) -> Logic:
    """The logic at the other end of a channel, which has `restored` among its middleware."""
    return cast("Logic", _Remote(definition.client(channel)))


async def restored(call: Call, next: Handler) -> Any:
    """Raise what the logic raised, and not that it came by RPC: a middleware of the channel."""
    try:
        return await next(call)
    except RpcFailed as failure:
        error = _restore(failure)
        if error is None:
            raise
        raise error from None


def _restore(failure: RpcFailed) -> Error | None:
    kind = KINDS.get(failure.code)
    if kind is None or failure.ours:
        return None
    reason, metadata = None, {}
    for detail in failure.details:
        if isinstance(detail, ErrorInfo):
            reason = detail.reason
            metadata.update(detail.metadata)
        elif isinstance(detail, RetryInfo):
            metadata["retry_after"] = str(detail.retry_delay.seconds)
    return kind(failure.message, reason=reason, metadata=metadata)
