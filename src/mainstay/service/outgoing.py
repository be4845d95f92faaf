"""The HTTP client of a service, under its lifecycle."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mainstay.core.scope import Scope
from mainstay.http.client import HttpClient, Proxies
from mainstay.service.settings import Settings

__all__ = ["http_client"]


async def http_client(settings: Settings, scope: Scope) -> AsyncIterator[HttpClient]:
    """One client for all who ask for `HttpClient`; closed after the drain.

    What it asks carries the deadline, the request id and the place in the trace of the call in
    which it is asked.
    """
    chosen = settings.client
    proxies = Proxies.from_environment(scope.effects.environ) if chosen.proxies else None
    async with HttpClient(
        timeout=chosen.timeout, limits=chosen.limits, tls=chosen.tls, proxy=proxies
    ) as client:
        yield client
