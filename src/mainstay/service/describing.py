"""What a service says of itself in OpenAPI: one place, for the server and the command line."""

from __future__ import annotations

from typing import Any

from mainstay.http.openapi.build import Info, build
from mainstay.service.declaration import Declaration
from mainstay.service.endpoints import Endpoints

__all__ = ["describe"]


def describe(
    declaration: Declaration, endpoints: Endpoints | None, *, prefix: str = ""
) -> dict[str, Any]:
    """The document of a service that is wired.

    Args:
        declaration: what the service is made of.
        endpoints: its routes; None for none.
        prefix: see `HttpSettings.prefix`.

    Raises: UsageError for a security scheme that nobody has described.
    """
    info = Info(
        title=declaration.title or declaration.name,
        version=declaration.version,
        description=declaration.description,
        servers=(prefix,) if prefix else (),
    )
    documented = [] if endpoints is None else endpoints.documented()
    return dict(build(documented, info))
