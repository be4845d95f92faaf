"""Telling the logic who is here, so that others can see it.

Changes are gathered for a moment and told; without any, a sign of life is given every third of the
lease. After a failure, or when the logic has forgotten us, everybody is named anew.

A gateway that drains says for the last time who is here, and then nothing more. Its users come back
at another gateway before the lease is over, so nobody sees them go and come.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from logging import DEBUG, WARNING
from typing import Final

from examples.im import api
from examples.im.api import Logic, is_away
from examples.im.gateway.hub import Hub
from mainstay import Effects, Group, Scope
from mainstay.errors import Error

log = logging.getLogger(__name__)

GATHER: Final = 0.05
"""Seconds in which changes are gathered."""
RETRY: Final = 1.0
"""Seconds after which the logic is asked again that did not answer."""


async def attend(hub: Hub, logic: Logic, scope: Scope, effects: Effects) -> None:
    """Keep the logic informed, until the drain."""
    name = f"gateway-{effects.random.getrandbits(64):016x}"
    told = whole = True
    async with Group("attendance") as group:
        draining = group.start(scope.wait_draining())
        while not scope.draining:
            try:
                lease = await logic.attend(_take(hub, name, whole=whole))
            except Error as error:
                # That the logic is away is for the feed to say.
                level = WARNING if told and not is_away(error) else DEBUG
                log.log(level, "the logic does not know who is here: %r", error)
                told, whole, pause = False, True, RETRY
            else:
                told, whole, pause = (
                    True,
                    not lease.known,
                    lease.seconds / 3 if lease.known else 0.0,
                )
            await _wait_moved(hub, draining, pause)
        with suppress(Error):
            await logic.attend(_take(hub, name, whole=True))


def _take(hub: Hub, name: str, *, whole: bool) -> api.Attendance:
    """What has changed, and will not be told again; or everybody."""
    arrived, departed = hub.arrived, hub.departed
    hub.arrived, hub.departed = set(), set()
    hub.moved.clear()
    if whole:
        return api.Attendance(name, arrived=sorted(hub.attendees), whole=True)
    return api.Attendance(name, arrived=sorted(arrived), departed=sorted(departed))


async def _wait_moved(hub: Hub, draining: asyncio.Task[None], seconds: float) -> None:
    """Wait for somebody to come or go, and a moment for others; for the drain; or for so long."""
    moved = asyncio.create_task(hub.moved.wait())
    try:
        await asyncio.wait([moved, draining], timeout=seconds, return_when="FIRST_COMPLETED")
        if moved.done():
            await asyncio.wait([draining], timeout=GATHER)
    finally:
        moved.cancel()
