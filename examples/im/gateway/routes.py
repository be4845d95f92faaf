"""HTTP: signing in and out, and what a page asks for beside its WebSocket."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from examples.im import api
from examples.im.api import Logic
from examples.im.gateway.guards import COSTLY, count, guessing_limited, patient, unavailable
from examples.im.gateway.hub import Hub
from examples.im.gateway.signing import coming_from, forget, keep, session_of, token_of
from mainstay import Call, Effects
from mainstay.errors import Unauthenticated
from mainstay.http import Request, Routes

routes = Routes("/api", tags=["chat"], middleware=[unavailable, patient])
beginnings = Routes("/api", tags=["chat"], middleware=[unavailable])
"""What makes something new, so that it would be refused when it is asked for again."""

Limit = Annotated[int, Meta(ge=1, le=api.PAGE_LIMIT)]


class Named(Struct, frozen=True):
    """The name of a room or of a user."""

    name: str


class Me(Struct, frozen=True):
    """Who is signed in, and until when (as in `api`)."""

    account: api.Account
    expires_at: int


@beginnings.post("/sign-up", status=201, middleware=[guessing_limited])
async def sign_up(
    credentials: api.Credentials, request: Request, logic: Logic, effects: Effects
) -> Me:
    """Make an account, and sign it in."""
    return _welcome(await logic.sign_up(credentials), request, effects)


@routes.post("/sign-in", middleware=[guessing_limited])
async def sign_in(
    credentials: api.Credentials, call: Call, request: Request, logic: Logic, effects: Effects
) -> Me:
    """Sign in: the browser gets a cookie."""
    return _welcome(await logic.sign_in(coming_from(call, credentials)), request, effects)


def _welcome(session: api.Session, request: Request, effects: Effects) -> Me:
    keep(session, request, effects.clock.time())
    return Me(session.account, session.expires_at)


@routes.post("/sign-out")
async def sign_out(request: Request, logic: Logic) -> None:
    """Sign out. Nobody hears whether the token was good for anything."""
    forget(request)
    await logic.sign_out(api.Token(token_of(request)))


@routes.get("/me")
async def me(call: Call, logic: Logic, hub: Hub) -> Me | None:
    """Who is signed in; empty (204) for nobody, which is no error: a page asks before it knows."""
    try:
        session = await session_of(call, logic, hub)
    except Unauthenticated:
        return None
    return Me(session.account, session.expires_at)


@routes.get("/conversations")
async def conversations(session: api.Session, logic: Logic) -> api.Conversations:
    """All of mine."""
    return await logic.conversations(api.Ask(session.account.id))


@routes.get("/conversations/{id:int}/messages")
async def messages(
    id: api.Number,
    session: api.Session,
    logic: Logic,
    before: api.Number = 0,
    after: api.Number = 0,
    limit: Limit = api.PAGE,
) -> api.Messages:
    """A page of messages: before a number, or after one; the newest without either."""
    return await logic.history(api.HistoryOf(session.account.id, id, before, after, limit))


@routes.get("/conversations/{id:int}/members")
async def members(
    id: api.Number, session: api.Session, logic: Logic, limit: Limit = api.PAGE_LIMIT
) -> api.Accounts:
    """Who is in a conversation."""
    return await logic.members(api.Ask(session.account.id, id, limit=limit))


@routes.get("/rooms")
async def rooms(
    session: api.Session, logic: Logic, text: str = "", limit: Limit = api.PAGE
) -> api.Conversations:
    """The directory: rooms whose names begin so."""
    return await logic.rooms(api.Ask(session.account.id, text=text, limit=limit))


@beginnings.post("/rooms", status=201)
async def create(
    new: Named, call: Call, session: api.Session, logic: Logic, hub: Hub
) -> api.Conversation:
    """Open a room."""
    count(call, hub, session.account.id, COSTLY)
    return await logic.create(api.Ask(session.account.id, text=new.name))


@routes.post("/rooms/{id:int}/join")
async def join(id: api.Number, session: api.Session, logic: Logic) -> api.Conversation:
    """Become a member of a room."""
    return await logic.join(api.Ask(session.account.id, id))


@routes.post("/rooms/{id:int}/leave")
async def leave(id: api.Number, session: api.Session, logic: Logic) -> None:
    """Be a member no longer."""
    await logic.leave(api.Ask(session.account.id, id))


@routes.post("/direct")
async def direct(peer: Named, session: api.Session, logic: Logic) -> api.Conversation:
    """The conversation with somebody."""
    return await logic.direct(api.Ask(session.account.id, text=peer.name))


@routes.get("/people")
async def people(
    session: api.Session, logic: Logic, text: str = "", limit: Limit = 20
) -> api.Accounts:
    """Users whose names begin so."""
    return await logic.people(api.Ask(session.account.id, text=text, limit=limit))


@routes.get("/search")
async def search(
    call: Call,
    session: api.Session,
    logic: Logic,
    hub: Hub,
    text: str,
    conversation: api.Number = 0,
    limit: Limit = api.PAGE,
) -> api.Findings:
    """Messages with these words, in one conversation or in all."""
    count(call, hub, session.account.id, COSTLY)
    return await logic.search(api.Ask(session.account.id, conversation, text, limit))
