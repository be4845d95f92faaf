"""The log of all that happens: who writes an event takes a place in it first.

`take` locks the one row that gives out places until its transaction ends, so that transactions with
events follow one another, and places become visible in their order. A transaction that takes places
and changes what events are about (memberships, marks, numbers) does `take` first and looks then: it
sees what all before it have done, and nobody changes it meanwhile.

`read` looks at that row first, too: what it finds there is committed, and so is all below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import get_args

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from examples.im import api
from examples.im.data.schema import EVENTS
from examples.im.data.tables import Counter, Message, Signal, User

_ENCODER = msgspec.json.Encoder()
_DECODERS = {kind.__name__: msgspec.json.Decoder(kind) for kind in get_args(api.Told)}

_TAKE = (
    update(Counter)
    .where(Counter.name == EVENTS)
    .values(value=Counter.value + bindparam("places"))
    .returning(Counter.value)
)
_PLACE = select(Counter.value).where(Counter.name == EVENTS)

PAGE_CHARACTERS = 250_000
"""Of the texts of a page: a megabyte at most, as one has up to four bytes. A page of RPC may have
four, with names and numbers."""

MESSAGE = (
    Message.seq,
    Message.conversation_id,
    Message.number,
    Message.sender_id,
    User.display,
    Message.client_id,
    Message.text,
    Message.at,
)
"""The columns of an `api.Message`, in its order."""

_SAID = (
    select(*MESSAGE)
    .join(User, User.id == Message.sender_id)
    .where(
        Message.seq > bindparam("after"),
        Message.seq <= bindparam("upto"),
        User.password.is_not(None),
    )
    .order_by(Message.seq)
    .limit(bindparam("limit"))
)
_TOLD = (
    select(Signal.seq, Signal.kind, Signal.body)
    .where(Signal.seq > bindparam("after"), Signal.seq <= bindparam("upto"))
    .order_by(Signal.seq)
    .limit(bindparam("limit"))
)


def take(db: Connection, places: int) -> int:
    """The first of so many places, which are the caller's. Some may stay empty."""
    return db.execute(_TAKE, {"places": places}).scalar_one() - places + 1


def place(db: Connection) -> int:
    """The last place that is committed; all below it are as well."""
    return db.execute(_PLACE).scalar_one()


def tell(db: Connection, what: Sequence[tuple[int, api.Told]], now: int) -> None:
    """Write events, each at its place, which was taken."""
    if what:
        db.execute(
            insert(Signal),
            [
                {
                    "seq": seq,
                    "kind": type(each).__name__,
                    "body": _ENCODER.encode(each).decode(),
                    "at": now,
                }
                for seq, each in what
            ],
        )


def read(db: Connection, after: int, upto: int | None, limit: int) -> api.Events:
    """The events after a place, up to another or to the last; about `limit` of them, and fewer when
    their texts are long.

    Old text that was imported is no news, and not among them.
    """
    last = place(db)
    if upto is not None:
        last = min(last, upto)
    if last <= after:
        return api.Events([], after)
    span = {"after": after, "upto": last, "limit": limit}
    said = fitting(api.Message(*row) for row in db.execute(_SAID, span))
    events = [api.Event(message.seq, message) for message in said.items]
    if said.more or len(events) == limit:
        last = span["upto"] = events[-1].seq
    signals = [
        api.Event(seq, _DECODERS[kind].decode(body)) for seq, kind, body in db.execute(_TOLD, span)
    ]
    if len(signals) == limit:
        last = signals[-1].seq
        events = [each for each in events if each.seq <= last]
    if signals:
        events = sorted(events + signals, key=attrgetter("seq"))
    return api.Events(events, last)


def fitting(messages: Iterable[api.Message]) -> api.Messages:
    """As many of the messages, from the first, as fit on one page; one at least."""
    found: list[api.Message] = []
    room = PAGE_CHARACTERS
    for message in messages:
        room -= len(message.text)
        if room < 0 and found:
            return api.Messages(found, more=True)
        found.append(message)
    return api.Messages(found)


def is_full(page: api.Events, limit: int) -> bool:
    """Whether there may be more after a page that was read with this limit."""
    if len(page.items) >= limit:
        return True
    texts = (len(each.what.text) for each in page.items if isinstance(each.what, api.Message))
    return sum(texts) > PAGE_CHARACTERS - api.TEXT_LIMIT


def sweep(db: Connection, before: int) -> int:
    """Forget events that are no messages and older than a time; how many they were."""
    return db.execute(delete(Signal).where(Signal.at < before)).rowcount
