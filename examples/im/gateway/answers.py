"""What is done about each frame of a client."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from examples.im import api
from examples.im.api import Logic, is_away
from examples.im.frames import Acknowledged, ClientFrame, Here, Look, Say, Seen, Writes
from examples.im.gateway.hub import Hub
from examples.im.gateway.outgoing import Outgoing, refused
from examples.im.gateway.patience import patiently
from examples.im.gateway.settings import GatewaySettings
from mainstay.errors import Error, InvalidRequest

if TYPE_CHECKING:
    from examples.im.gateway.session import Session

log = logging.getLogger(__name__)

SHORTEST_ID: Final = 8
LONGEST_ID: Final = 64
"""Characters of the ids that clients give to their messages."""
WATCHED: Final = 200
"""Users whose presence one screen may show."""


def objection_to(frame: Say, settings: GatewaySettings) -> Outgoing | None:
    """What is wrong with a message, without asking the logic; None for nothing."""
    if not SHORTEST_ID <= len(frame.client_id) <= LONGEST_ID:
        said = f"the client_id has {SHORTEST_ID} to {LONGEST_ID} characters"
        return refused("invalid", said, frame.client_id[:LONGEST_ID])
    if len(frame.text) > settings.text:
        said = f"a message has up to {settings.text} characters"
        return refused("too_long", said, frame.client_id)
    return None


async def answer(frame: ClientFrame, session: Session, hub: Hub, logic: Logic) -> Outgoing | None:
    """Do what a frame asks, and say what the client hears of it.

    Raises: the errors of the logic; InvalidRequest.
    """
    user = session.signed_in.account.id
    match frame:
        case Say():
            post = api.Post(user, frame.conversation, frame.client_id, frame.text)
            posted = await patiently(lambda: logic.post(post), hub.settings.patience)
            return Outgoing(
                Acknowledged(
                    posted.client_id, posted.conversation, posted.number, posted.seq, posted.at
                )
            )
        case Seen():
            mark = api.Mark(user, frame.conversation, frame.delivered, frame.read)
            await patiently(lambda: logic.mark(mark), hub.settings.patience)
        case Writes():
            await _typing(logic, api.Ask(user, frame.conversation))
        case Look():
            return await _look(frame, session, hub, logic)
    return None


async def _typing(logic: Logic, ask: api.Ask) -> None:
    """Not worth any patience: in a moment it is no longer true."""
    try:
        await logic.typing(ask)
    except Error as error:
        if not is_away(error):
            raise
        log.debug("nobody heard that somebody writes: %s", error)


async def _look(frame: Look, session: Session, hub: Hub, logic: Logic) -> Outgoing | None:
    if len(frame.users) > WATCHED:
        raise InvalidRequest(f"a screen shows the presence of up to {WATCHED} users")
    # Looked at first, asked then: a change between the two is told after what it changes.
    place = hub.place
    hub.look(session, frame.conversation, frame.users)
    if not frame.users:
        return None
    users = api.Users(frame.users)
    found = await patiently(lambda: logic.present(users), hub.settings.patience)
    return Outgoing(Here(place, found.items))
