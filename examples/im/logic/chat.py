"""The logic: what each question and each wish of a gateway means.

It decides who may do what, and what names and texts may be; the repositories know how it is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from examples.im import api
from examples.im.data.accounts import Accounts
from examples.im.data.attendance import Attendances
from examples.im.data.conversations import Conversations
from examples.im.data.messages import Messages
from examples.im.data.newcomers import Newcomers
from examples.im.data.search import Search
from examples.im.data.tail import Tail
from examples.im.data.writer import Writer
from examples.im.logic.outcomes import outcome_of
from examples.im.logic.rules import client_id_of, folded, room_of, text_of
from examples.im.logic.signing import Signing
from mainstay.errors import Error, NotFound

LIMIT: Final = 200
"""Items of an answer, at most."""


@dataclass(frozen=True)
class Store:
    """All that is kept, and what happens to it: the repositories, the writer and the tail."""

    accounts: Accounts
    newcomers: Newcomers
    conversations: Conversations
    messages: Messages
    attendances: Attendances
    search: Search
    writer: Writer
    tail: Tail


class Chat:
    """The logic of the chat; each method is that of `api.Logic`.

    Args:
        store: all that is kept.
        signing: who somebody is.
        lobby: the room that everybody is in from the beginning.
        lease: seconds that a gateway is believed which says nothing.
        now: the time, in milliseconds since 1970.
    """

    def __init__(
        self, store: Store, signing: Signing, lobby: int, lease: float, now: Callable[[], int]
    ) -> None:
        self._store = store
        self._signing = signing
        self._lobby = lobby
        self._lease = lease
        self._now = now

    # --- who somebody is ------------------------------------------------------------------------

    async def sign_up(self, request: api.Credentials) -> api.Session:
        """A new account, in the lobby."""
        return await self._signing.sign_up(request, self._lobby)

    async def sign_in(self, request: api.Credentials) -> api.Session:
        """A session for who knows the password."""
        return await self._signing.begin(await self._signing.check(request))

    async def sign_out(self, request: api.Token) -> api.Done:
        """The end of a session."""
        await self._signing.end(request)
        return api.Done()

    async def who(self, request: api.Token) -> api.Session:
        """Whose session it is."""
        return await self._signing.who(request)

    async def people(self, request: api.Ask) -> api.Accounts:
        """Users by the beginning of their names."""
        text = folded(request.text)
        return api.Accounts(await self._store.accounts.beginning(text, _limit(request)))

    # --- where they talk ------------------------------------------------------------------------

    async def conversations(self, request: api.Ask) -> api.Conversations:
        """All of a user's."""
        return await self._store.conversations.of(request.user)

    async def conversation(self, request: api.Ask) -> api.Conversation:
        """One, for those who may read it."""
        return await self._store.conversations.one(request.conversation, request.user)

    async def rooms(self, request: api.Ask) -> api.Conversations:
        """The directory."""
        text = folded(request.text).replace(" ", "-")
        return await self._store.conversations.rooms(text, request.user, _limit(request))

    async def create(self, request: api.Ask) -> api.Conversation:
        """A new room."""
        name, title = room_of(request.text)
        return await self._store.conversations.create(name, title, request.user, self._now())

    async def join(self, request: api.Ask) -> api.Conversation:
        """One member more."""
        conversations = self._store.conversations
        return await conversations.join(request.conversation, request.user, self._now())

    async def leave(self, request: api.Ask) -> api.Done:
        """One member less."""
        await self._store.conversations.leave(request.conversation, request.user, self._now())
        return api.Done()

    async def direct(self, request: api.Ask) -> api.Conversation:
        """What two users have together."""
        peer = await self._store.accounts.find(folded(request.text))
        if peer is None:
            raise NotFound(f"there is nobody called {request.text}")
        conversations = self._store.conversations
        return await conversations.direct(request.user, peer.account.id, self._now())

    async def members(self, request: api.Ask) -> api.Accounts:
        """Who is in it, for those who may read it."""
        conversations = self._store.conversations
        await conversations.require_readable(request.conversation, request.user)
        return api.Accounts(await conversations.members(request.conversation, _limit(request)))

    # --- what they say --------------------------------------------------------------------------

    async def post(self, request: api.Post) -> api.Posted:
        """One message more."""
        return await self._store.writer.post(_checked(request))

    async def mark(self, request: api.Mark) -> api.Done:
        """How far somebody is."""
        await self._store.writer.mark(request)
        return api.Done()

    async def batch(self, request: api.Batch) -> api.Outcomes:
        """Many of both."""
        taken = [_taken(each.what) for each in request.items]
        left = [each for each in taken if not isinstance(each, Error)]
        stored = iter(await self._store.writer.store(left))
        return api.Outcomes(
            [outcome_of(each if isinstance(each, Error) else next(stored)) for each in taken]
        )

    async def typing(self, request: api.Ask) -> api.Done:
        """Somebody writes, where they may be heard."""
        await self._store.conversations.require_member(request.conversation, request.user)
        for account in await self._store.accounts.some([request.user]):
            typing = api.Typing(request.conversation, account.id, account.display)
            await self._store.writer.tell(typing)
        return api.Done()

    async def history(self, request: api.HistoryOf) -> api.Messages:
        """A page of a conversation, for those who may read it."""
        await self._store.conversations.require_readable(request.conversation, request.user)
        return await self._store.messages.page(request)

    async def missed(self, request: api.Since) -> api.Messages:
        """What was said to a user after a place."""
        return await self._store.messages.missed(request)

    async def search(self, request: api.Ask) -> api.Findings:
        """Messages with these words, where the user may read them."""
        if request.conversation:
            await self._store.conversations.require_readable(request.conversation, request.user)
        return await self._store.search.find(request)

    # --- who is there ---------------------------------------------------------------------------

    async def attend(self, request: api.Attendance) -> api.Lease:
        """Who is at a gateway, which is believed for the time of a lease."""
        known = await self._store.attendances.attend(request, int(self._lease * 1000))
        return api.Lease(self._lease, known)

    async def present(self, request: api.Users) -> api.Presences:
        """Whether they are there."""
        return api.Presences(await self._store.attendances.present(set(request.ids[:LIMIT])))

    def feed(self, request: api.Since) -> AsyncIterator[api.Events]:
        """All that happens."""
        return self._store.tail.feed(request)


def _limit(request: api.Ask) -> int:
    return max(1, min(request.limit, LIMIT))


def _checked(post: api.Post) -> api.Post:
    """A post as it is stored. Raises: InvalidRequest."""
    client_id_of(post.client_id)
    text = text_of(post.text)
    return post if text == post.text else msgspec.structs.replace(post, text=text)


def _taken(what: api.Post | api.Mark) -> api.Post | api.Mark | Error:
    """What is to be stored, or why it cannot be."""
    try:
        return _checked(what) if isinstance(what, api.Post) else what
    except Error as error:
        return error
