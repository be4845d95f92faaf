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

from examples.im.gateway.settings import GatewaySettings
from mainstay import Service
from mainstay.http import csrf, security_headers

__all__ = ["GatewaySettings", "add_gateway"]

PAGE: Final = Path(__file__).parents[1] / "web"
CSP: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def add_gateway(service: Service) -> None:
    """Let `service` be a gateway; it provides `examples.im.api.Logic` and `GatewaySettings`."""
    service.middleware(security_headers(csp=CSP, referrer="no-referrer"))
    service.middleware(csrf())
    # Asked for again each time, as the names of the files stay; what has not changed is 304.
    service.static("", PAGE, cache_control="no-cache")
