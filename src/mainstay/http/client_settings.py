"""How a service asks others by HTTP: the ``[mainstay.client]`` table of its configuration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from mainstay.net.client_limits import ClientLimits
from mainstay.net.tls_client import ClientTlsSettings

__all__ = ["ClientSettings"]


class ClientSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set for the HTTP client of a service.

    Attributes:
        timeout: seconds for a request and its whole reply; None: only the deadline of the call
            holds.
        limits: see `ClientLimits`.
        tls: whom to trust and who we are; the system's authorities unless given.
        proxies: whether ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` in the environment hold.
    """

    timeout: Annotated[float, Meta(gt=0)] | None = 30.0
    limits: ClientLimits = field(default_factory=ClientLimits)
    tls: ClientTlsSettings | None = None
    proxies: bool = False
