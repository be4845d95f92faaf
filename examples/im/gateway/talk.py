"""Sessions by gRPC, and what a terminal asks for beside them: ``im.v1.Gateway``.

Whoever has signed in sends the token as ``authorization: Bearer …``. What a request says about its
user is not looked at: it is who has signed in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from msgspec.structs import replace

from examples.im import api
from examples.im.api import Logic
from examples.im.frames import ClientFrame, FromClient, FromGateway
from examples.im.gateway.guards import COSTLY, OPENING, count, guessing_limited
from examples.im.gateway.hub import Hub
from examples.im.gateway.outgoing import Outgoing
from examples.im.gateway.session import Session
from examples.im.gateway.signing import coming_from, signed_in_by
from mainstay import Call, Scope, Stream
from mainstay.errors import Code, RpcError
from mainstay.rpc import Rpc

gateway = Rpc("im.v1.Gateway", doc="A chat, for programs.")

_STATUSES: Final = {
    1008: Code.INVALID_ARGUMENT,
    1011: Code.INTERNAL,
    4001: Code.UNAUTHENTICATED,
    4009: Code.RESOURCE_EXHAUSTED,
}
"""Of the codes in `frames`; UNAVAILABLE for those after which a client comes back."""


class StreamClient:
    """See `session.Client`."""

    def __init__(self, stream: Stream, scope: Scope) -> None:
        self._stream = stream
        self._scope = scope

    async def receive(self) -> ClientFrame:
        """See `session.Client`."""
        message: FromClient = await self._stream.receive()
        return message.frame

    async def send(self, outgoing: Outgoing) -> None:
        """See `session.Client`."""
        await self._stream.send(outgoing.message)

    def send_nowait(self, outgoing: Outgoing) -> bool:
        """See `session.Client`: a stream of gRPC always waits its turn."""
        return False

    async def close(self, code: int, reason: str) -> None:
        """See `session.Client`. A stream ends with its call, so the call is ended."""
        status = _STATUSES.get(code, Code.UNAVAILABLE)
        self._scope.cancel(RpcError(status, f"{code} {reason}"))


@gateway.method
async def talk(  # type: ignore[return]
    requests: AsyncIterator[FromClient],
    stream: Stream,
    scope: Scope,
    call: Call,
    session: api.Session,
    hub: Hub,
    logic: Logic,
) -> AsyncIterator[FromGateway]:
    """The frames of `frames`, in both directions; it ends with ``<code> <reason>`` in its status."""
    count(call, hub, session.account.id, OPENING)
    await Session(hub, logic, signed_in_by(session), StreamClient(stream, scope)).run()


@gateway.method(middleware=[guessing_limited])
async def sign_up(request: api.Credentials, logic: Logic) -> api.Session:
    """Make an account, and sign it in."""
    return await logic.sign_up(request)


@gateway.method(middleware=[guessing_limited])
async def sign_in(request: api.Credentials, call: Call, logic: Logic) -> api.Session:
    """Sign in: the token goes with every other call."""
    return await logic.sign_in(coming_from(call, request))


@gateway.method
async def sign_out(request: api.Token, logic: Logic) -> api.Done:
    """End a session."""
    return await logic.sign_out(request)


@gateway.method
async def conversations(request: api.Ask, session: api.Session, logic: Logic) -> api.Conversations:
    """All of mine."""
    return await logic.conversations(_of(session, request))


@gateway.method
async def history(request: api.HistoryOf, session: api.Session, logic: Logic) -> api.Messages:
    """A page of messages."""
    return await logic.history(replace(request, user=session.account.id))


@gateway.method
async def members(request: api.Ask, session: api.Session, logic: Logic) -> api.Accounts:
    """Who is in a conversation."""
    return await logic.members(_of(session, request))


@gateway.method
async def rooms(request: api.Ask, session: api.Session, logic: Logic) -> api.Conversations:
    """The directory: rooms whose names begin with the text."""
    return await logic.rooms(_of(session, request))


@gateway.method
async def create(
    request: api.Ask, call: Call, session: api.Session, logic: Logic, hub: Hub
) -> api.Conversation:
    """Open a room of that name."""
    count(call, hub, session.account.id, COSTLY)
    return await logic.create(_of(session, request))


@gateway.method
async def join(request: api.Ask, session: api.Session, logic: Logic) -> api.Conversation:
    """Become a member of a room."""
    return await logic.join(_of(session, request))


@gateway.method
async def leave(request: api.Ask, session: api.Session, logic: Logic) -> api.Done:
    """Be a member no longer."""
    return await logic.leave(_of(session, request))


@gateway.method
async def direct(request: api.Ask, session: api.Session, logic: Logic) -> api.Conversation:
    """The conversation with the user of that name."""
    return await logic.direct(_of(session, request))


@gateway.method
async def people(request: api.Ask, session: api.Session, logic: Logic) -> api.Accounts:
    """Users whose names begin with the text."""
    return await logic.people(_of(session, request))


@gateway.method
async def search(
    request: api.Ask, call: Call, session: api.Session, logic: Logic, hub: Hub
) -> api.Findings:
    """Messages with these words."""
    count(call, hub, session.account.id, COSTLY)
    return await logic.search(_of(session, request))


def _of(session: api.Session, ask: api.Ask) -> api.Ask:
    return replace(ask, user=session.account.id)
