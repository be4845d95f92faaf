"""A logic in memory, for tests of the gateway; and the service that has both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import msgspec
from msgspec.structs import replace

from examples.im import api
from examples.im.frames import ServerFrame, Welcome
from examples.im.gateway import GatewaySettings, add_gateway
from examples.im.gateway.hub import Hub
from examples.im.logic.outcomes import outcome_of
from mainstay import Service
from mainstay.errors import (
    BrokenError,
    Conflict,
    EndOfStream,
    Error,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from mainstay.testing import http_client
from mainstay.testing.http import ServiceClient
from mainstay.testing.websocket import TestSocket

FAR = 4_000_000_000_000
"""Milliseconds since 1970: a session that does not expire in a test."""


@dataclass
class Place:
    """A conversation."""

    id: int
    kind: str
    name: str
    members: set[int] = field(default_factory=set)
    messages: list[api.Message] = field(default_factory=list)


class House:
    """See `api.Logic`. What it has is open to tests.

    Attributes:
        away: nobody answers, and feeds break.
        calls: names of the methods that were called.
        attendances: that were told.
        feeds: that are open.
    """

    def __init__(self) -> None:
        self.away = False
        self.calls: list[str] = []
        self.sources: list[str] = []
        self.attendances: list[api.Attendance] = []
        self.presences: dict[int, api.Presence] = {}
        self.marks: list[api.Mark] = []
        self.feeds = 0
        self.expires_at = FAR
        self.log: list[api.Event] = []
        self._accounts: dict[str, tuple[api.Account, str]] = {}
        self._sessions: dict[str, api.Session] = {}
        self._places: dict[int, Place] = {}
        self._posted: dict[tuple[int, str], api.Posted] = {}
        self._ids = count(1)
        self._news = asyncio.Event()
        self.lobby = self._open("room", "lobby").id

    # --- for tests ------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        return self.log[-1].seq if self.log else 0

    def tell(
        self,
        what: api.Happening,
    ) -> api.Event:
        """Let something happen."""
        event = api.Event(self.seq + 1, what)
        self.log.append(event)
        self._wake()
        return event

    def leave_the_room(self, away: bool = True) -> None:
        """Be away, or come back."""
        self.away = away
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _open(self, kind: str, name: str) -> Place:
        place = Place(next(self._ids), kind, name)
        self._places[place.id] = place
        return place

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.away:
            raise BrokenError("nobody is at home")

    def _place(self, id: int, user: int) -> Place:
        place = self._places.get(id)
        if place is None:
            raise NotFound("there is no such conversation")
        if user not in place.members:
            raise PermissionDenied("you are not a member")
        return place

    def _seen_by(self, place: Place, user: int) -> api.Conversation:
        last = place.messages[-1] if place.messages else None
        kind: Literal["room", "direct"] = "room" if place.kind == "room" else "direct"
        return api.Conversation(
            place.id,
            kind,
            place.name,
            place.name,
            len(place.members),
            None,
            user in place.members,
            last,
        )

    def _enter(self, place: Place, account: api.Account) -> None:
        if account.id not in place.members:
            place.members.add(account.id)
            self.tell(api.Membership(place.id, account.id, account.display, True))

    def _account(self, user: int) -> api.Account:
        return next(each for each, _ in self._accounts.values() if each.id == user)

    # --- the logic ------------------------------------------------------------------------------

    async def sign_up(self, request: api.Credentials) -> api.Session:
        self._called("sign_up")
        if request.name in self._accounts:
            raise Conflict("the name is taken")
        account = api.Account(next(self._ids), request.name, request.display or request.name)
        self._accounts[request.name] = (account, request.password)
        self._enter(self._places[self.lobby], account)
        return await self.sign_in(request)

    async def sign_in(self, request: api.Credentials) -> api.Session:
        self._called("sign_in")
        self.sources.append(request.source)
        account, password = self._accounts.get(request.name, (None, ""))
        if account is None or password != request.password:
            raise Unauthenticated("the name or the password is wrong")
        token = f"token-{next(self._ids)}"
        session = self._sessions[token] = api.Session(token, account, self.expires_at)
        return session

    async def sign_out(self, request: api.Token) -> api.Done:
        self._called("sign_out")
        session = self._sessions.pop(request.token, None)
        if session is not None:
            self.tell(api.SignedOut(session.account.id, api.session_id(request.token)))
        return api.Done()

    async def who(self, request: api.Token) -> api.Session:
        self._called("who")
        if request.token not in self._sessions:
            raise Unauthenticated("sign in first")
        return self._sessions[request.token]

    async def conversations(self, request: api.Ask) -> api.Conversations:
        self._called("conversations")
        places = [each for each in self._places.values() if request.user in each.members]
        return api.Conversations([self._seen_by(each, request.user) for each in places], self.seq)

    async def conversation(self, request: api.Ask) -> api.Conversation:
        self._called("conversation")
        return self._seen_by(self._places[request.conversation], request.user)

    async def rooms(self, request: api.Ask) -> api.Conversations:
        self._called("rooms")
        places = [
            each
            for each in self._places.values()
            if each.kind == "room" and each.name.startswith(request.text)
        ]
        return api.Conversations([self._seen_by(each, request.user) for each in places], self.seq)

    async def create(self, request: api.Ask) -> api.Conversation:
        self._called("create")
        place = self._open("room", request.text)
        self._enter(place, self._account(request.user))
        return self._seen_by(place, request.user)

    async def join(self, request: api.Ask) -> api.Conversation:
        self._called("join")
        place = self._places[request.conversation]
        self._enter(place, self._account(request.user))
        return self._seen_by(place, request.user)

    async def leave(self, request: api.Ask) -> api.Done:
        self._called("leave")
        place = self._place(request.conversation, request.user)
        place.members.discard(request.user)
        self.tell(api.Membership(place.id, request.user, "", False))
        return api.Done()

    async def direct(self, request: api.Ask) -> api.Conversation:
        self._called("direct")
        if request.text not in self._accounts:
            raise NotFound("there is no such user")
        place = self._open("direct", request.text)
        self._enter(place, self._account(request.user))
        self._enter(place, self._accounts[request.text][0])
        return self._seen_by(place, request.user)

    async def members(self, request: api.Ask) -> api.Accounts:
        self._called("members")
        place = self._place(request.conversation, request.user)
        return api.Accounts([self._account(each) for each in sorted(place.members)])

    async def people(self, request: api.Ask) -> api.Accounts:
        self._called("people")
        found = [a for name, (a, _) in self._accounts.items() if name.startswith(request.text)]
        return api.Accounts(found[: request.limit])

    async def post(self, request: api.Post) -> api.Posted:
        self._called("post")
        if not request.text.strip():
            raise InvalidRequest("there is nothing in it")
        before = self._posted.get((request.user, request.client_id))
        if before is not None:
            return before
        place = self._place(request.conversation, request.user)
        sender, number = self._account(request.user), len(place.messages) + 1
        message = api.Message(
            self.seq + 1,
            place.id,
            number,
            sender.id,
            sender.display,
            request.client_id,
            request.text,
            1000,
        )
        place.messages.append(message)
        posted = api.Posted(request.client_id, place.id, number, message.seq, message.at)
        self._posted[request.user, request.client_id] = posted
        self.tell(message)
        return posted

    async def mark(self, request: api.Mark) -> api.Done:
        self._called("mark")
        self.marks.append(request)
        self.tell(api.Receipt(request.conversation, request.user, request.delivered, request.read))
        return api.Done()

    async def batch(self, request: api.Batch) -> api.Outcomes:
        """Each by itself."""
        return api.Outcomes([await self._outcome(each.what) for each in request.items])

    async def _outcome(self, what: api.Post | api.Mark) -> api.Outcome:
        try:
            if isinstance(what, api.Post):
                return outcome_of(await self.post(what))
            await self.mark(what)
        except Error as error:
            return outcome_of(error)
        return api.Outcome()

    async def typing(self, request: api.Ask) -> api.Done:
        self._called("typing")
        place = self._place(request.conversation, request.user)
        self.tell(api.Typing(place.id, request.user, self._account(request.user).display))
        return api.Done()

    async def history(self, request: api.HistoryOf) -> api.Messages:
        self._called("history")
        found = self._place(request.conversation, request.user).messages
        if request.after:
            found = [each for each in found if each.number > request.after][: request.limit]
        else:
            end = request.before or len(found) + 1
            found = [each for each in found if each.number < end][-request.limit :]
        return api.Messages(found)

    async def missed(self, request: api.Since) -> api.Messages:
        self._called("missed")
        places = [each for each in self._places.values() if request.user in each.members]
        found = [each for place in places for each in place.messages if each.seq > request.after]
        found.sort(key=lambda each: each.seq)
        return api.Messages(found[: request.limit], len(found) > request.limit)

    async def search(self, request: api.Ask) -> api.Findings:
        self._called("search")
        places = [each for each in self._places.values() if request.user in each.members]
        found = [
            api.Found(message, place.name)
            for place in places
            for message in place.messages
            if request.text in message.text
        ]
        return api.Findings(found)

    async def attend(self, request: api.Attendance) -> api.Lease:
        self._called("attend")
        self.attendances.append(request)
        return api.Lease(6.0, True)

    async def present(self, request: api.Users) -> api.Presences:
        self._called("present")
        return api.Presences([self.presences.get(each, api.Presence(each)) for each in request.ids])

    async def feed(self, request: api.Since) -> AsyncIterator[api.Events]:
        self._called("feed")
        place = self.seq if request.after < 0 else request.after
        self.feeds += 1
        try:
            while True:
                news = [each for each in self.log if each.seq > place]
                place = news[-1].seq if news else place
                waiting = self._news
                yield api.Events(news, place)
                try:
                    async with asyncio.timeout(1):
                        await waiting.wait()
                except TimeoutError:
                    pass
                if self.away:
                    raise BrokenError("nobody is at home")
        finally:
            self.feeds -= 1


class Guest:
    """Somebody at a WebSocket, who has said hello."""

    def __init__(self, socket: TestSocket, session: api.Session) -> None:
        self.socket = socket
        self.session = session
        self.id = session.account.id
        self.welcome = Welcome()

    async def say(self, conversation: int, text: str, client_id: str = "") -> None:
        client_id = client_id or f"client-{text}"
        await self.send(type="say", conversation=conversation, client_id=client_id, text=text)

    async def send(self, **frame: object) -> None:
        await self.socket.send_json(frame)

    async def hears(self) -> ServerFrame:
        """The next frame."""
        frame: ServerFrame = msgspec.json.decode(await self.socket.receive(), type=ServerFrame)
        return frame

    async def hears_all(self, seconds: float = 0.5) -> list[ServerFrame]:
        """The frames that come in so many seconds."""
        found = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found.append(await self.hears())
        except TimeoutError:
            return found

    async def hears_to_the_end(self) -> list[ServerFrame]:
        """All frames to the goodbye; its code is in the socket."""
        found = []
        try:
            while True:
                found.append(await self.hears())
        except EndOfStream:
            return found


class Home:
    """A gateway, and the house behind it."""

    def __init__(self, client: ServiceClient, house: House, hub: Hub) -> None:
        self.client = client
        self.house = house
        self.hub = hub

    async def sign_up(self, name: str) -> api.Session:
        credentials = api.Credentials(name, "secret")
        return await self.house.sign_up(credentials)

    async def drained(self, *guests: Guest) -> list[list[ServerFrame]]:
        """Stop the gateway; what each guest hears, to the goodbye."""
        finishing = asyncio.create_task(self.client.running.finish())
        heard = [await each.hears_to_the_end() for each in guests]
        await finishing
        return heard

    @asynccontextmanager
    async def guest(
        self, who: str | api.Session, *, cursor: int = 0, hello: bool = True
    ) -> AsyncIterator[Guest]:
        """Somebody with a new account, or with a session."""
        session = await self.sign_up(who) if isinstance(who, str) else who
        headers = {"authorization": f"Bearer {session.token}"}
        async with self.client.websocket("/ws", headers=headers) as socket:
            guest = Guest(socket, session)
            if hello:
                await guest.send(type="hello", cursor=cursor)
                frame = await guest.hears()
                assert isinstance(frame, Welcome), frame
                guest.welcome = frame
            yield guest


def gateway_of(house: House, settings: GatewaySettings) -> Service:
    """A service that is a gateway to a house."""
    service = Service("gateway")
    add_gateway(service)

    @service.resource
    async def logic() -> api.Logic:
        return house

    @service.resource
    async def limits() -> GatewaySettings:
        return settings

    return service


@asynccontextmanager
async def at_home(house: House | None = None, **limits: object) -> AsyncIterator[Home]:
    """A gateway in memory; `limits` are its settings."""
    house = house or House()
    settings = replace(GatewaySettings(), **limits)
    hub = Hub(settings)
    async with http_client(gateway_of(house, settings), overrides={Hub: hub}) as client:
        yield Home(client, house, hub)
