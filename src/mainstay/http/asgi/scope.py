"""What a mounted application is told of a connection: the ASGI scopes.

``path`` is the whole path, and ``root_path`` the part of it in front of the application: so the
specification has it since 2023, and Starlette, FastAPI and Django read it. The path is decoded, the
``raw_path`` is as sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mainstay.core.metadata import Peer
from mainstay.http.asgi.types import AsgiScope
from mainstay.http.call import HttpCall

__all__ = ["depth_of", "scope_of"]

_VERSIONS: Final = {
    # 2.4 has `send` raise when the peer left. Starlette then skips its background tasks; what
    # uvicorn claims, 2.3, keeps them.
    "http": {"version": "3.0", "spec_version": "2.3"},
    "websocket": {"version": "3.0", "spec_version": "2.4"},
}
_EXTENSIONS: Final = {
    "http": ("http.response.early_hint",),
    "websocket": ("websocket.http.response",),
}
_PORTS: Final = {"http": 80, "https": 443}


def depth_of(path: str) -> int:
    """The number of segments of the prefix in a mount's `path`; a last ``{name:path}`` is none.

    Counted, because a prefix with parameters reads otherwise in each request.
    """
    segments = path.strip("/").split("/")
    if segments[-1].startswith("{") and segments[-1].endswith(":path}"):
        segments.pop()
    return len([each for each in segments if each])


def scope_of(call: HttpCall, depth: int, state: Mapping[str, Any] | None) -> AsgiScope:
    """The scope of one request, or of one WebSocket.

    Args:
        call: what came.
        depth: see `depth_of`.
        state: that of the lifespan; each scope gets a copy. None without a lifespan.
    """
    request, exchange = call.request, call.exchange
    kind = call.transport
    path = request.root + request.path
    prefix = "/".join(request.path.split("/")[: depth + 1]) if depth else ""
    fields = exchange.fields
    if exchange.version == "2" and exchange.authority:
        fields = [
            (b"host", exchange.authority.encode("latin-1")),
            *(field for field in fields if field[0] != b"host"),
        ]
    scheme = request.scheme
    raw_path, _, query = exchange.target.partition(b"?")
    scope: AsgiScope = {
        "type": kind,
        "asgi": dict(_VERSIONS[kind]),
        "http_version": exchange.version,
        "scheme": {"http": "ws", "https": "wss"}[scheme] if kind == "websocket" else scheme,
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": request.root + prefix,
        "headers": fields,
        "client": _client(request.peer),
        "server": _server(request.host, scheme),
        "extensions": {name: {} for name in _EXTENSIONS[kind]},
    }
    if kind == "http":
        scope["method"] = exchange.method
    else:
        named = request.headers.get_all("sec-websocket-protocol")
        scope["subprotocols"] = [
            each.strip() for each in ",".join(named).split(",") if each.strip()
        ]
    if state is not None:
        scope["state"] = dict(state)
    return scope


def _client(peer: Peer) -> tuple[str, int] | None:
    host, colon, port = peer.address.rpartition(":")
    # Peers on Unix sockets have no address to tell.
    return (host.strip("[]"), int(port)) if colon and port.isdigit() else None


def _server(authority: str, scheme: str) -> tuple[str, int] | None:
    if not authority:
        return None
    host, colon, port = authority.rpartition(":")
    if colon and port.isascii() and port.isdigit():
        return (host.strip("[]"), int(port))
    return (authority.strip("[]"), _PORTS.get(scheme, 80))
