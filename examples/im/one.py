"""Everything in one process: ``mainstay run examples.im.one:service``."""

from __future__ import annotations

from msgspec import Struct

from examples.im.data.database import DatabaseSettings
from examples.im.gateway import GatewaySettings, add_gateway
from examples.im.logic.settings import LogicSettings
from examples.im.logic.wiring import add_logic
from mainstay import Service


class Config(Struct, frozen=True):
    """What can be set, in ``im.toml`` or as ``IM__DATABASE__URL`` and so on."""

    database: DatabaseSettings = DatabaseSettings()
    logic: LogicSettings = LogicSettings()
    gateway: GatewaySettings = GatewaySettings()


service = Service("im", config=Config, title="A chat")
add_logic(service)
add_gateway(service)


@service.resource
async def database_settings(config: Config) -> DatabaseSettings:
    """Where the data is."""
    return config.database


@service.resource
async def logic_settings(config: Config) -> LogicSettings:
    """The rules of the house."""
    return config.logic


@service.resource
async def gateway_settings(config: Config) -> GatewaySettings:
    """Limits and patience."""
    return config.gateway
