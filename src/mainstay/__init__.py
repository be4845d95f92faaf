"""mainstay: the service framework for Python.

Everything a service's author needs has its name here; each is loaded when it is first used, so
that importing the package costs little. Where things live: ``docs/architecture.md``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from mainstay.version import VERSION

if TYPE_CHECKING:
    from mainstay.config.secret import Secret
    from mainstay.core.backoff import Backoff
    from mainstay.core.call import Call, Handler, Middleware, Stream, StreamMiddleware, chain
    from mainstay.core.channel import Channel
    from mainstay.core.effects import Effects
    from mainstay.core.group import Group
    from mainstay.core.metadata import Metadata, Peer
    from mainstay.core.middleware import configured
    from mainstay.core.scope import Key, Scope
    from mainstay.core.threads import to_thread
    from mainstay.errors import Error, HttpError
    from mainstay.http.client import HttpClient
    from mainstay.http.request import Request
    from mainstay.http.response import Response
    from mainstay.http.routes import Routes
    from mainstay.http.websocket import WebSocket
    from mainstay.service.background import Background
    from mainstay.service.running import Running
    from mainstay.service.service import Service
    from mainstay.service.settings import Settings

__version__ = VERSION

_HOMES: Final = {
    "Background": "mainstay.service.background",
    "Backoff": "mainstay.core.backoff",
    "Call": "mainstay.core.call",
    "Channel": "mainstay.core.channel",
    "Effects": "mainstay.core.effects",
    "Error": "mainstay.errors",
    "Group": "mainstay.core.group",
    "Handler": "mainstay.core.call",
    "HttpClient": "mainstay.http.client",
    "HttpError": "mainstay.errors",
    "Key": "mainstay.core.scope",
    "Metadata": "mainstay.core.metadata",
    "Middleware": "mainstay.core.call",
    "Peer": "mainstay.core.metadata",
    "Request": "mainstay.http.request",
    "Response": "mainstay.http.response",
    "Routes": "mainstay.http.routes",
    "Running": "mainstay.service.running",
    "Scope": "mainstay.core.scope",
    "Secret": "mainstay.config.secret",
    "Service": "mainstay.service.service",
    "Settings": "mainstay.service.settings",
    "Stream": "mainstay.core.call",
    "StreamMiddleware": "mainstay.core.call",
    "WebSocket": "mainstay.http.websocket",
    "chain": "mainstay.core.call",
    "configured": "mainstay.core.middleware",
    "to_thread": "mainstay.core.threads",
}

__all__ = [
    "Background",
    "Backoff",
    "Call",
    "Channel",
    "Effects",
    "Error",
    "Group",
    "Handler",
    "HttpClient",
    "HttpError",
    "Key",
    "Metadata",
    "Middleware",
    "Peer",
    "Request",
    "Response",
    "Routes",
    "Running",
    "Scope",
    "Secret",
    "Service",
    "Settings",
    "Stream",
    "StreamMiddleware",
    "WebSocket",
    "chain",
    "configured",
    "to_thread",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module 'mainstay' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
