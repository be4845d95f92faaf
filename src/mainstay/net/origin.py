"""Where a client's request goes, and by which way; connections are kept by it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field

__all__ = ["Origin", "Proxy", "basic"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy on the way.

    Attributes:
        host, port: where it listens.
        tls: whether it speaks TLS itself.
        authorization: the value of ``proxy-authorization``, or None.
    """

    host: str
    port: int
    tls: bool = False
    authorization: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"proxy {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Origin:
    """A server, and the way to it.

    Attributes:
        scheme: ``http`` or ``https``.
        host: without brackets.
        port: the scheme's own unless the URL says another.
        unix: path of the Unix socket that is connected to instead; the host is a name then.
        proxy: on the way, or None.
    """

    scheme: str
    host: str
    port: int
    unix: str = ""
    proxy: Proxy | None = None

    @property
    def authority(self) -> str:
        """Host, and port if it is not the scheme's own, as in the Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else self.with_port

    @property
    def with_port(self) -> str:
        """Host and port, as a CONNECT names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def forwarded(self) -> bool:
        """Whether a proxy reads the requests, rather than pass the bytes of TLS."""
        return self.proxy is not None and self.scheme == "http"

    def same_server(self, other: Origin) -> bool:
        """Whether both are one origin (RFC 6454 §4), whatever the way to it."""
        mine = (self.scheme, self.host, self.port, self.unix)
        return mine == (other.scheme, other.host, other.port, other.unix)

    def __str__(self) -> str:
        way = f" at {self.unix}" if self.unix else f" by {self.proxy}" if self.proxy else ""
        return f"{self.scheme}://{self.authority}{way}"


def basic(user: str, password: str) -> str:
    """The value of an ``authorization`` field by the scheme Basic (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")
