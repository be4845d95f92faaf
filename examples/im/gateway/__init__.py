"""Access: browsers by HTTP and WebSocket, terminals by gRPC.

`add_gateway` makes a service a gateway. It imports neither the logic nor the data: the service
provides a `Logic`, which is the logic itself or a client of it, and `GatewaySettings`.

Whoever comes in by a WebSocket or by ``Talk`` becomes a `Session`, which does not know by which of
the two. The `Hub` knows all sessions of the process, and hands on to them what the one feed of the
logic brings. Nothing here is state that may not be lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from examples.im import api
from examples.im.api import Logic
from examples.im.gateway.attendance import attend
from examples.im.gateway.feed import follow, send_away
from examples.im.gateway.hub import Hub
from examples.im.gateway.patience import patiently
from examples.im.gateway.routes import beginnings, routes
from examples.im.gateway.settings import GatewaySettings
from examples.im.gateway.signing import session_of
from examples.im.gateway.sockets import sockets
from examples.im.gateway.talk import gateway
from mainstay import Effects, Service
from mainstay.http import csrf, security_headers

__all__ = ["GatewaySettings", "add_gateway"]

PAGE: Final = Path(__file__).parents[1] / "web"
CSP: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
START: Final = 1.5
"""Seconds in which the logic has to answer when a gateway starts; less than a probe may take."""
EXPIRY: Final = 60.0
"""Seconds between two looks for sessions that have expired."""


def add_gateway(service: Service) -> None:
    """Let `service` be a gateway; it provides `examples.im.api.Logic` and `GatewaySettings`."""
    service.middleware(security_headers(csp=CSP, referrer="no-referrer"))
    service.middleware(csrf())
    service.resource(hub)
    service.resource(lifetime="call")(session_of)
    service.worker(give_up_after=None)(follow)
    service.worker(give_up_after=None, drain=True)(attend)
    service.every(EXPIRY)(expire)
    service.probe("ready")(is_prepared)
    service.on_drain(say_goodbye)
    service.include(routes)
    service.include(beginnings)
    service.include(sockets)
    service.add_rpc(gateway)
    # Asked for again each time, as the names of the files stay; what has not changed is 304.
    service.static("", PAGE, cache_control="no-cache")


def hub(settings: GatewaySettings) -> Hub:
    """Who is here."""
    return Hub(settings)


async def is_prepared(hub: Hub, logic: Logic) -> None:
    """Ready once the logic has answered; when it is away later, clients stay and wait."""
    if not hub.followed.is_set():
        await patiently(lambda: logic.present(api.Users()), START)


async def expire(hub: Hub, effects: Effects) -> None:
    """Part with those whose session has expired."""
    now = effects.clock.time() * 1000
    for session in hub.sessions():
        if session.signed_in.expires_at <= now:
            session.part(4001, "the session has expired")


async def say_goodbye(hub: Hub, settings: GatewaySettings, effects: Effects) -> None:
    """Tell all clients to come back: they find another gateway, or the next generation of this."""
    send_away(hub, effects, settings.return_within)
