"""What was said: pages of a conversation, and what a user has missed.

Pages are found by the number after which they begin, in the index, and not by counting rows: the
last page costs what the first does.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, select

from examples.im import api
from examples.im.data.database import Database
from examples.im.data.log import MESSAGE, fitting
from examples.im.data.tables import Conversation, Member, Message, User

_OF_CONVERSATION = (
    select(*MESSAGE)
    .join(User, User.id == Message.sender_id)
    .where(Message.conversation_id == bindparam("conversation"))
    .limit(bindparam("limit", type_=Integer))
)
NEWEST = _OF_CONVERSATION.order_by(Message.number.desc())
"""A page before the end."""

BEFORE = NEWEST.where(Message.number < bindparam("before"))
"""A page before a number."""

AFTER = _OF_CONVERSATION.where(Message.number > bindparam("after")).order_by(Message.number)
"""A page after a number."""

MISSED = _OF_CONVERSATION.where(
    Message.seq > bindparam("after"), User.password.is_not(None)
).order_by(Message.seq)
"""What was said after a place; old text that was imported is no news, as in the log."""

_NEWS = (
    select(Conversation.id)
    .join(Member, Member.conversation_id == Conversation.id)
    .where(Member.user_id == bindparam("user"), Conversation.last_seq > bindparam("after"))
)


class Messages:
    """The repository of messages. It is the `Writer` that adds to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, of: api.HistoryOf) -> api.Messages:
        """A page, in order of numbers; whether the user may read it is for the caller to know.

        With neither `before` nor `after` it is the newest page.
        """
        return await self._database.read(_page, of)

    async def missed(self, since: api.Since) -> api.Messages:
        """What was said after a place in the conversations of which the user is a member now."""
        return await self._database.read(_missed, since)


def _page(db: Connection, of: api.HistoryOf) -> api.Messages:
    limit = max(1, min(of.limit, api.PAGE_LIMIT))
    conversation = {"conversation": of.conversation}
    if of.before:
        page = _some(db, BEFORE, conversation | {"before": of.before}, limit)
    elif of.after:
        return _some(db, AFTER, conversation | {"after": of.after}, limit)
    else:
        page = _some(db, NEWEST, conversation, limit)
    return api.Messages(page.items[::-1], page.more)


def _missed(db: Connection, since: api.Since) -> api.Messages:
    """From each conversation with news as many as are asked for, and of all of them the first."""
    limit = max(1, min(since.limit, 10 * api.PAGE_LIMIT))
    news = db.scalars(_NEWS, {"user": since.user, "after": since.after}).all()
    pages = [
        _beginning(_some(db, MISSED, {"conversation": each, "after": since.after}, limit))
        for each in news
    ]
    found = sorted((each for page in pages for each in page.items), key=attrgetter("seq"))
    # What was cut off from a page of one conversation may come before what is left of another.
    ends = [page.items[-1].seq for page in pages if page.more]
    if ends:
        found = [each for each in found if each.seq <= min(ends)]
    page = fitting(found[:limit])
    return api.Messages(page.items, page.more or len(found) > limit or bool(ends))


def _beginning(page: api.Messages) -> api.Messages:
    """What of a page fits on one."""
    begins = fitting(page.items)
    return api.Messages(begins.items, page.more or begins.more)


def _some(
    db: Connection, question: Select[*tuple[Any, ...]], found: dict[str, int], limit: int
) -> api.Messages:
    """Up to `limit` messages; one more is looked for, to know whether there are more."""
    rows = db.execute(question, found | {"limit": limit + 1}).all()
    return api.Messages([api.Message(*row) for row in rows[:limit]], len(rows) > limit)
