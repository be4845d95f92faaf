"""One conversation with a client, whatever it came by.

A session waits for its client in one task, which is all that an idle one has. Two more tasks run
while there is something for them:

* the **flusher** sends what waits in the outbox, in order; what can be sent at once does not get
  there. An item of the outbox may be a question whose answer is frames, such as what a client has
  missed: what came after it waits, so that order is kept while nobody else waits;
* the **worker** does what the client asks, one thing after the other, so that two messages of one
  client never overtake each other. A `Ping` does not wait behind them. When the logic does not answer,
  the session ends: what the client has said since would be done before what it has to say again.

What happens between a client's last event and now is told once, and without a gap: the session is
in the hub, which fills its outbox, *before* it asks what the client has missed. What comes both ways
is left out by its `seq`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol

from msgspec import Struct

from examples.im import api
from examples.im.api import Logic
from examples.im.frames import ClientFrame, Hello, Joined, Left, Ping, Pong, Said, Say, Welcome
from examples.im.gateway.answers import answer, objection_to
from examples.im.gateway.hub import Attendee, Hub
from examples.im.gateway.outgoing import Outgoing, refusal_of, refused
from examples.im.gateway.patience import patiently
from examples.im.gateway.rate import Rate
from mainstay.errors import (
    ClosedError,
    EndOfStream,
    Error,
    InvalidRequest,
    Overloaded,
    PeerError,
    PeerGone,
)

__all__ = ["Client", "Session", "SignedIn"]

log = logging.getLogger(__name__)

PONG: Final = Outgoing(Pong())
STRIKES: Final = 5
"""Things that a client may say and should not, before it is sent away."""
WAITING: Final = 100
"""Frames of a client that wait to be answered, before nothing more is read."""
PARTING: Final = 2.0
"""Seconds for what was asked before a session parts."""
GOODBYE: Final = 3.0
"""Seconds for all that a client hears before a session parts: who does not read is cut off."""
SIGNED_OUT: Final = 4001
"""The code of who is nobody any more."""
MISSED: Final = 500
"""Messages that are told to who comes back, about; after more, the client begins anew."""


class Client(Protocol):
    """The way to a client. All methods raise PeerGone or EndOfStream once there is none any more."""

    def receive(self) -> Awaitable[ClientFrame]:
        """What it says next. Raises: InvalidRequest for what is no frame; another may follow."""

    def send(self, outgoing: Outgoing) -> Awaitable[None]:
        """Say something; waits while it takes nothing."""

    def send_nowait(self, outgoing: Outgoing) -> bool:
        """Say something if it can be said without waiting; whether it was."""

    def close(self, code: int, reason: str) -> Coroutine[Any, Any, None]:
        """Say goodbye, with a code of `frames`; `receive` ends soon."""


class SignedIn(Struct, frozen=True):
    """A session of the logic without its secret: whose it is, and until when (as in `api`)."""

    id: str
    account: api.Account
    expires_at: int


class Ending(Struct, frozen=True):
    """How a session parts: see `Session.part`."""

    code: int
    reason: str
    last: Outgoing | None


Question = Callable[[], Awaitable[list[Outgoing]]]
"""Asks for frames, when its turn in the outbox has come."""


class Session:
    """See the module.

    Args:
        hub: of the process.
        logic: answers.
        signed_in: see the attribute.
        client: the way to them.

    Attributes:
        signed_in: who this is.
        attendee: the user at this gateway; None before the client has said hello.
        looks: what the screen shows, for the hub; None for nothing.
    """

    __slots__ = (
        "_client",
        "_closed",
        "_cut_off",
        "_ending",
        "_flusher",
        "_goodbye",
        "_hub",
        "_inbox",
        "_known",
        "_logic",
        "_outbox",
        "_strikes",
        "_told",
        "_worker",
        "attendee",
        "looks",
        "signed_in",
    )

    def __init__(self, hub: Hub, logic: Logic, signed_in: SignedIn, client: Client) -> None:
        self.signed_in = signed_in
        self.attendee: Attendee | None = None
        self.looks: tuple[int, tuple[int, ...]] | None = None
        self._hub = hub
        self._logic = logic
        self._client = client
        self._inbox: list[ClientFrame] = []
        self._outbox: list[Outgoing | Question] = []
        self._worker: asyncio.Task[None] | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._ending: Ending | None = None
        self._goodbye: asyncio.TimerHandle | None = None
        self._closed = False  # the goodbye is said, and nothing comes after it
        self._cut_off = False  # nor what waited for the client
        self._strikes = 0
        self._known = 0  # the conversations that the client was told are true up to here
        self._told = 0  # messages up to here were told

    async def run(self) -> None:
        """Talk until the client leaves or is parted with."""
        self._hub.meet(self)
        try:
            async with asyncio.timeout(self._hub.settings.hello):
                while self.attendee is None:
                    await self._hear()
            while True:
                await self._hear()
        except TimeoutError:
            await self._client.close(1008, "say hello first")
        except (EndOfStream, PeerGone):
            self._depart()
            if self._worker is not None:  # who says something and leaves has said it
                await asyncio.wait([self._worker])
        finally:
            self._depart()
            if self._goodbye is not None:
                self._goodbye.cancel()
            for task in (self._worker, self._flusher):
                if task is not None:
                    task.cancel()

    def _depart(self) -> None:
        """Nothing is told any more, and nobody is here. Idempotent."""
        self._closed = True
        self._hub.leave(self)

    # --- what the client says -------------------------------------------------------------------

    async def _hear(self) -> None:
        """Take one frame of the client."""
        try:
            frame = await self._client.receive()
        except InvalidRequest as error:
            self._strike(refusal_of(error))
            return
        if self._ending is not None:
            return  # it will say it again, where it goes
        if isinstance(frame, Ping):
            await self._hold(self._hub.rates_of(self.signed_in.account.id).asks)
            self.put(PONG)
        elif isinstance(frame, Hello):
            self._greet(frame)
        elif self.attendee is None:
            self._strike(refused("invalid", "say hello first"))
        elif isinstance(frame, Say):
            await self._say(frame, self.attendee)
        else:
            await self._hold(self.attendee.rates.asks)
            await self._ask(frame)

    async def _hold(self, rate: Rate) -> None:
        """Read nothing more from a client that is too fast, until it is no more."""
        if wait := rate.reserve(_now()):
            await asyncio.sleep(wait)

    async def _say(self, frame: Say, attendee: Attendee) -> None:
        wrong = objection_to(frame, self._hub.settings)
        if wrong is not None:
            self._strike(wrong)
        elif wait := attendee.rates.says.take(_now()):
            self.put(refused("rate_limited", "not so fast", frame.client_id, wait))
            await asyncio.sleep(wait)
        else:
            await self._ask(frame)

    async def _ask(self, frame: ClientFrame) -> None:
        """Leave a frame to the worker; waits while too many wait already."""
        self._inbox.append(frame)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="im.session.worker")
        elif len(self._inbox) >= WAITING:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        """Do what the client has asked."""
        inbox = self._inbox
        try:
            while inbox:
                frame = inbox.pop(0)
                try:
                    told = await answer(frame, self, self._hub, self._logic)
                except PeerError as error:
                    self._strike(refusal_of(error, getattr(frame, "client_id", "")))
                except Overloaded as error:
                    self.put(refusal_of(error, getattr(frame, "client_id", "")))
                except Error as error:
                    inbox.clear()  # the client says it again, in order, when it has come back
                    self.put(refusal_of(error, getattr(frame, "client_id", "")))
                    self.part(1013, "not now")
                else:
                    self._strikes = 0
                    if told is not None:
                        self.put(told)
        except Exception:
            log.exception("a frame of a client could not be answered")
            self.part(1011, "")
        finally:
            self._worker = None

    def _strike(self, told: Outgoing) -> None:
        """Refuse; part with a client that does not learn."""
        self.put(told)
        self._strikes += 1
        if self._strikes > STRIKES:
            self.part(1008, "too many mistakes")

    # --- what the client is told ----------------------------------------------------------------

    def put(self, item: Outgoing | Question) -> None:
        """Let the client hear of something soon, in the order of the calls; waits for nothing."""
        if self._closed or (self._flusher is None and self._send_now(item)):
            return
        self._outbox.append(item)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="im.session.flusher")
        elif len(self._outbox) > self._hub.settings.outbox:
            self._cut(4008, "too slow")

    def _send_now(self, item: Outgoing | Question) -> bool:
        """Send what nothing is in the way of, without a task; whether it is done with."""
        if not isinstance(item, Outgoing):
            return False
        try:
            return not self._is_news(item) or self._client.send_nowait(item)
        except (PeerGone, EndOfStream, ClosedError):
            return True  # `run` hears of it as well

    def _is_news(self, item: Outgoing) -> bool:
        """Whether the client has not been told of it in another way."""
        return not 0 < item.seq <= (self._told if type(item.frame) is Said else self._known)

    def part(self, code: int, reason: str, last: Outgoing | None = None) -> None:
        """Send the client away, once it has got what waits for it and the answers to what it has
        asked; within seconds, if it does not read. Who has signed out is told nothing more.
        Idempotent.

        Args:
            code: of the goodbye; see `frames`.
            reason: for people.
            last: what it is told before.
        """
        if code == SIGNED_OUT:
            self._cut(code, reason)
        if self._ending is not None:
            return
        self._ending = Ending(code, reason, last)
        loop = asyncio.get_running_loop()
        self._goodbye = loop.call_later(GOODBYE, self._cut, code, reason)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="im.session.flusher")

    def _cut(self, code: int, reason: str) -> None:
        """Send the client away now, whatever waits for it. Idempotent."""
        if self._cut_off:
            return
        self._cut_off = True
        self._ending = Ending(code, reason, None)
        self._closed = True
        self._outbox.clear()
        if self._flusher is not None:
            self._flusher.cancel()
        self._flusher = asyncio.create_task(self._client.close(code, reason))

    async def _flush(self) -> None:
        """Send what waits."""
        try:
            while self._outbox:
                await self._send_all()
            if self._ending is not None:
                await self._leave(self._ending)
        except (PeerGone, EndOfStream, ClosedError):
            pass  # `run` hears of it as well
        except (Error, TimeoutError) as error:
            log.info("a client was sent away, as a question for it failed: %r", error)
            await self._client.close(1013, "not now")
        except Exception:
            log.exception("a client was sent away")
            await self._client.close(1011, "")
        finally:
            if self._flusher is asyncio.current_task():
                self._flusher = None

    async def _send_all(self) -> None:
        batch, self._outbox = self._outbox, []
        for item in batch:
            if not isinstance(item, Outgoing):
                for each in await item():
                    await self._client.send(each)
            elif self._is_news(item):
                await self._client.send(item)

    async def _leave(self, ending: Ending) -> None:
        if self._worker is not None:
            await asyncio.wait([self._worker], timeout=PARTING)
        self._closed = True
        await self._send_all()
        if ending.last is not None:
            await self._client.send(ending.last)
        await self._client.close(ending.code, ending.reason)

    # --- beginning ------------------------------------------------------------------------------

    def _greet(self, hello: Hello) -> None:
        if self.attendee is not None:
            self._strike(refused("invalid", "hello was said before"))
            return
        try:
            self.attendee = self._hub.enter(self.signed_in.account.id, self)
        except Overloaded as error:
            self.part(4009, error.message, refusal_of(error))
        else:
            self.put(partial(self._welcome, hello.cursor))

    async def _welcome(self, cursor: int) -> list[Outgoing]:
        """What the client is told first, and what it has missed. The hub fills the outbox already:
        whatever it hands on from now on comes after this, and what it did before is found here."""
        hub, user = self._hub, self.signed_in.account
        assert self.attendee is not None
        async with asyncio.timeout(hub.settings.patience):
            await hub.followed.wait()
        found = await self._conversations()
        hub.settle(self.attendee, found)
        resumed = 0 < cursor <= found.seq
        after = cursor if resumed else found.seq
        missed: list[api.Message] = []
        more = after < max(found.seq, hub.place)
        while more:
            if resumed and len(missed) >= MISSED:
                resumed, missed, after = False, [], found.seq
            page = await self._missed(after)
            missed += page.items
            after, more = missed[-1].seq if missed else after, page.more
        self._known = found.seq
        self._told = max(found.seq, missed[-1].seq if missed else 0)
        settings = hub.settings
        welcome = Welcome(user, found.items, found.seq, resumed, settings.silence, settings.text)
        return [Outgoing(welcome), *(Outgoing(Said(message), message.seq) for message in missed)]

    def moved(self, seq: int, moved: api.Membership) -> None:
        """This user has joined a conversation or left it."""
        self.put(partial(self._tell_of_move, seq, moved))

    async def _tell_of_move(self, seq: int, moved: api.Membership) -> list[Outgoing]:
        if seq <= self._known:
            return []
        if not moved.joined:
            return [Outgoing(Left(seq, moved))]
        ask = api.Ask(self.signed_in.account.id, moved.conversation)
        patience = self._hub.settings.patience
        found = await patiently(lambda: self._logic.conversation(ask), patience)
        return [Outgoing(Joined(seq, moved, found))] if found.member else []

    async def _conversations(self) -> api.Conversations:
        ask = api.Ask(user=self.signed_in.account.id)
        return await patiently(lambda: self._logic.conversations(ask), self._hub.settings.patience)

    async def _missed(self, after: int) -> api.Messages:
        since = api.Since(after, self.signed_in.account.id, MISSED)
        return await patiently(lambda: self._logic.missed(since), self._hub.settings.patience)


def _now() -> float:
    return asyncio.get_running_loop().time()
