"""The one feed of a gateway: everything that happens, as it happens.

It ends when the logic is restarted, and breaks when it is killed. The next one begins where the last
one was, so nothing is left out, and no client notices more than a pause. The logic forgets within a
minute what is no message; after a longer silence nobody here can know who has joined or left what.
All clients are told to come back then, and begin with what is true. So they are when the feed is
behind its place, as the database was put back to an older state.

That the logic is away is logged once, and once that it answers again.
"""

from __future__ import annotations

import asyncio
import logging
from logging import DEBUG, WARNING
from typing import Final

from examples.im import api
from examples.im.api import Logic
from examples.im.frames import Reconnect
from examples.im.gateway.hub import Hub
from examples.im.gateway.outgoing import Outgoing
from mainstay import Backoff, Effects
from mainstay.errors import Error

log = logging.getLogger(__name__)

SILENCE: Final = 5.0
"""Seconds without a page, of which an empty one comes each second, after which the feed is lost."""
FORGOTTEN: Final = 45.0
"""Seconds without a feed, after which the logic may have forgotten some of what we have not heard."""
SPREAD: Final = 10.0
"""Seconds over which clients come back then."""

_PAUSES: Final = Backoff(initial=0.1, factor=2.0, maximum=1.0, jitter=0.5)


async def follow(hub: Hub, logic: Logic, effects: Effects) -> None:
    """Hand on what the logic tells, for ever."""
    loop = asyncio.get_running_loop()
    heard = loop.time()
    failures = 0
    away = False
    while True:
        try:
            async with asyncio.timeout(SILENCE) as limit:
                async for page in logic.feed(api.Since(after=hub.place)):
                    if away:
                        log.info("the logic answers again, after %.1f s", loop.time() - heard)
                    heard, failures, away = loop.time(), 0, False
                    limit.reschedule(heard + SILENCE)
                    if page.seq < hub.place:
                        log.warning("the log ends before %d: all begin anew", hub.place)
                        begin_anew(hub, effects)
                    hub.dispatch(page)
        except (Error, TimeoutError) as error:
            level, away = DEBUG if away else WARNING, True
            why = str(error) or f"it has said nothing for {SILENCE:g} s"
            log.log(level, "the logic is away, and is asked until it answers: %s", why)
        failures += 1
        if failures > 1:
            await asyncio.sleep(_PAUSES.delay(failures - 1, effects.random))
        if loop.time() - heard > FORGOTTEN and hub.place != api.NOW:
            begin_anew(hub, effects)


def begin_anew(hub: Hub, effects: Effects) -> None:
    """Forget the place in the feed, and let all clients come back to begin with what is true."""
    hub.forget_place()
    send_away(hub, effects, SPREAD)


def send_away(hub: Hub, effects: Effects, spread: float) -> None:
    """Tell all clients to come back, each within so many seconds, and part with them."""
    for session in hub.sessions():
        last = Outgoing(Reconnect(after=round(effects.random.uniform(0, spread), 3)))
        session.part(1012, "come back", last)
