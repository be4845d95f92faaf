"""How a service speaks HTTP: the ``[mainstay.http]`` table of its configuration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from mainstay.http.router import Slashes
from mainstay.net.limits import Limits
from mainstay.net.tls import TlsSettings

__all__ = ["HttpSettings"]


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set for the HTTP server of a service.

    Attributes:
        listen: where; ``tcp://host:port``, ``unix:/path``, ``fd://number``. By default only this
            machine can connect; in a container it has to be ``tcp://0.0.0.0:8000``.
        operations: an address of its own for probes and metrics; on the main ones unless given.
        probes: whether ``/livez``, ``/readyz``, ``/startedz`` and ``/metrics`` are answered.
        docs: whether ``/docs`` and ``/openapi.json`` are answered.
        prefix: of every path, such as ``/shop``, where a proxy passes it on and routes leave it out;
            paths without it are understood as well. ``Request.root`` has it.
        slashes: what a trailing slash too much or too little means.
        unix_mode: file mode of Unix sockets; 384 is 0o600, the user alone.
        reuse_port: see `mainstay.net.listener.Listener`.
        limits: see `mainstay.net.limits.Limits`.
        tls: certificates; plain text without.
    """

    listen: Annotated[tuple[str, ...], Meta(min_length=1)] = ("tcp://127.0.0.1:8000",)
    operations: str | None = None
    probes: bool = True
    docs: bool = True
    prefix: Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    slashes: Slashes = "redirect"
    unix_mode: Annotated[int, Meta(ge=0, le=0o777)] = 0o600
    reuse_port: bool = False
    limits: Limits = field(default_factory=Limits)
    tls: TlsSettings | None = None
