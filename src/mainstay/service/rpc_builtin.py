"""What every service with RPC answers beside its own: health, and reflection.

They stand outside of the service's middleware, like ``/livez``: a load balancer has no password.
A service's own implementation of the same name takes the place of ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.extra import explained
from mainstay.rpc.health import Health
from mainstay.rpc.method import RpcService
from mainstay.rpc.settings import RpcSettings

__all__ = ["builtin_endpoints"]


def builtin_endpoints(
    own: Mapping[str, RpcService], health: Health, settings: RpcSettings
) -> list[RpcEndpoint]:
    """The methods of the built-in services that `own` does not have and `settings` switch on.

    Args:
        own: the services of the service, by name.
        health: answers for them.
        settings: `RpcSettings.health` and `RpcSettings.reflection`.

    Raises: WiringError where what they need is not installed.
    """
    try:
        from mainstay.rpc.health_service import health_service  # noqa: PLC0415 - needs protobuf
        from mainstay.rpc.reflection import (  # noqa: PLC0415 - same
            VERSIONS,
            Index,
            reflection_service,
        )
    except ModuleNotFoundError as error:
        raise explained(error) from None
    services: list[RpcService] = []
    if settings.health:
        services.append(health_service(health))
    index = Index(own.values())
    if settings.reflection:
        services += [reflection_service(index, version) for version in VERSIONS]
    services = [each for each in services if each.name not in own]
    index.include(services)
    return [
        RpcEndpoint(method, method.handler)
        for service in services
        for method in service
        if method.handler is not None
    ]
