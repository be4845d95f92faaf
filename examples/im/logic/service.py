"""The logic as a service of its own: ``mainstay run examples.im.logic.service:service -l 8101``.

Its port is for gateways alone: it believes them who asks.
"""

from __future__ import annotations

from msgspec import Struct

from examples.im.data.database import DatabaseSettings
from examples.im.logic.rpc import definition
from examples.im.logic.settings import LogicSettings
from examples.im.logic.wiring import add_logic
from mainstay import Service


class Config(Struct, frozen=True):
    """What can be set, in ``im-logic.toml`` or as ``IM_LOGIC__DATABASE__URL`` and so on."""

    database: DatabaseSettings = DatabaseSettings()
    logic: LogicSettings = LogicSettings()


service = Service("im-logic", config=Config, title="The logic of a chat")
service.add_rpc(definition)
add_logic(service)


@service.resource
async def database_settings(config: Config) -> DatabaseSettings:
    """Where the data is."""
    return config.database


@service.resource
async def logic_settings(config: Config) -> LogicSettings:
    """The rules of the house."""
    return config.logic
