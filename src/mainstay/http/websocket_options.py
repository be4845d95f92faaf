"""What may be said about a WebSocket route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mainstay.errors import PermissionDenied

__all__ = ["NORMAL", "NO_MESSAGES", "WebSocketOptions", "is_own_origin"]

NORMAL: Final = 1000
NO_MESSAGES: Final = 1003


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions:
    """How a route speaks WebSocket.

    Attributes:
        subprotocols: by preference; the first that the client offers too is spoken.
        origins: of the pages that may connect, such as ``https://app.example.org``; ``*`` for any.
            None: only pages of the server's own host. Browsers send cookies along with a WebSocket
            from any page, so without this check any page can act as the user who looks at it.
            Clients that are no browsers send no origin, and are let in.
        max_size: bytes of a message, decompressed; a longer one ends the connection with 1009.
        compress: agree to permessage-deflate (RFC 7692) when the client offers it.
        close_timeout: seconds that the peer has to answer our goodbye, and a handler that asks for
            nothing to end by itself once the peer has gone.
        farewell: seconds from the beginning of a drain in which a handler may go on, to say where
            the peer should go; then the peer is told to leave. 0: as soon as the handler waits for
            a message. One that never receives has a second at least.
    """

    subprotocols: Sequence[str] = ()
    origins: Sequence[str] | None = None
    max_size: int | None = 1024 * 1024
    compress: bool = True
    close_timeout: float = 5.0
    farewell: float = 0.0

    def verify_origin(self, origins: Sequence[str], authority: str) -> None:
        """Check the ``origin`` fields of a request to `authority`.

        Raises: PermissionDenied.
        """
        if not origins:
            return
        origin = origins[0]
        if len(origins) == 1:
            if self.origins is None:
                if is_own_origin(origin, authority):
                    return
            elif "*" in self.origins or origin in self.origins:
                return
        raise PermissionDenied(f"pages from {origin} may not open this WebSocket")


def is_own_origin(origin: str, authority: str) -> bool:
    """Whether a page from `origin` belongs to the server at `authority`; the scheme may differ,
    since a proxy may have taken TLS away."""
    parts = urlsplit(origin)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme)
    if default is None:
        return False
    host = parts.netloc.lower().removesuffix(default)
    return bool(host) and host == authority.lower().removesuffix(default)
