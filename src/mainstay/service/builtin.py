"""Resources that every service has without declaring them.

Nothing of one is loaded before somebody asks for its type, so it costs those nothing who do not.
"""

from __future__ import annotations

from typing import Any

from mainstay.service.provider import Provider, provider_of

__all__ = ["builtin_provider"]


def builtin_provider(annotation: Any) -> Provider | None:
    """The provider of a type, if it is built in: `mainstay.http.client.HttpClient`."""
    # By name: who asks by the type has loaded it, and who does not should not have to.
    home = getattr(annotation, "__module__", None)
    if home != "mainstay.http.client.client" or annotation.__name__ != "HttpClient":
        return None
    from mainstay.service.outgoing import http_client  # noqa: PLC0415 - see the module's docstring

    return provider_of(http_client)
