"""The gateway as a service of its own, with the logic behind gRPC.

``mainstay run examples.im.gateway.service:service --workers 2``
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from examples.im.api import Logic
from examples.im.gateway import GatewaySettings, add_gateway
from examples.im.logic.rpc import definition, remote, restored
from mainstay import Backoff, Service
from mainstay.rpc import Channel, ChannelLimits

__all__ = ["service"]

ATTEMPT: Final = 5.0
"""Seconds for one call of the logic."""
LIMITS: Final = ChannelLimits(
    receive_size=32 * 1024 * 1024, keepalive_time=5.0, keepalive_timeout=5.0
)
"""All conversations of a user come at once; and a process of the logic that is halted under our calls
is left for another one, long before its supervisor ends it."""
PAUSES: Final = Backoff(initial=0.1, factor=1.5, maximum=1.0)


class Config(Struct, frozen=True):
    """What can be set: in ``im-gateway.toml``, or as ``IM_GATEWAY__GATEWAY__TEXT=2000``.

    Attributes:
        gateway: limits and patience.
        logic: where the logic is.
    """

    gateway: GatewaySettings = GatewaySettings()
    logic: str = "tcp://127.0.0.1:8101"


definition.service.methods  # noqa: B018 - put together now: it would keep the event loop waiting

service = Service("im-gateway", config=Config, title="A chat")
add_gateway(service)


@service.resource
async def settings(config: Config) -> GatewaySettings:
    """Those of the gateway."""
    return config.gateway


@service.resource
async def logic(config: Config) -> AsyncIterator[Logic]:
    """A client of the logic, whose errors are the logic's own."""
    async with Channel(
        config.logic, limits=LIMITS, middleware=[restored], timeout=ATTEMPT, backoff=PAUSES
    ) as channel:
        yield remote(channel)
