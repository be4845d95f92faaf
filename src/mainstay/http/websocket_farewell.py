"""What the peer of a WebSocket is told when the service wants it to leave.

The codes are those of the registry of RFC 6455 §11.7: 1012 asks the peer to connect again, because
another process answers at the same address; 1001 says that this one goes, and nothing more.
"""

from __future__ import annotations

from typing import Final

from mainstay.core.scope import Scope
from mainstay.net.registry import HANDED_OVER

__all__ = ["GOING_AWAY", "SERVICE_RESTART", "farewell_of"]

GOING_AWAY: Final = 1001
SERVICE_RESTART: Final = 1012


def farewell_of(scope: Scope) -> tuple[int, str]:
    """The close code and the reason for a call with this scope, whose service stops here."""
    if scope.get(HANDED_OVER):
        return SERVICE_RESTART, "the service is restarting"
    return GOING_AWAY, "the service is stopping"
